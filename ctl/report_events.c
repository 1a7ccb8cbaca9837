// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/output.h"
#include "ctl/reader.h"

static enum color priority_color(const char *priority)
{
	if (!strcmp(priority, "error"))
		return COLOR_BAD;
	return !strcmp(priority, "warning") ? COLOR_WARNING : COLOR_NONE;
}

/* What happened is said by its text, which names interface and worker if that matters. */
int report_event(json_t *event, FILE *out, const char **ret_missing)
{
	struct reader reader = { NULL };
	const char *priority = read_text(&reader, event, "priority"), *kind = read_text(&reader, event, "kind");
	const char *text = read_text(&reader, event, "text");
	uint64_t time_ns = read_count(&reader, event, "time_ns");
	char *safe = NULL;
	size_t len;
	FILE *line;
	int r = reader_result(&reader, ret_missing);

	if (r < 0)
		return r;
	line = open_memstream(&safe, &len);
	if (!line)
		return -ENOMEM;
	text_print(line, priority);
	fputs(": ", line);
	text_print(line, text);
	fclose(line);
	time_print(out, time_ns);
	fputs("  ", out);
	color_print(out, priority_color(priority), safe);
	fputs(" (", out);
	text_print(out, kind);
	fputs(")\n", out);
	free(safe);
	return 0;
}
