// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/report.h"

#include <stdint.h>

#include "ctl/output.h"
#include "ctl/reader.h"

int report_rotation(json_t *answer, FILE *out, const char **ret_missing)
{
	struct reader reader = { NULL };
	uint64_t workers = read_count(&reader, answer, "workers");
	int r = reader_result(&reader, ret_missing);

	if (r == 0)
		fprintf(out, "%llu worker%s finished the open file%s\n", (unsigned long long)workers,
			workers == 1 ? " has" : "s have", workers == 1 ? "" : "s");
	return r;
}

int report_reload(json_t *answer, FILE *out, const char **ret_missing)
{
	(void)answer;
	(void)ret_missing;
	fputs("the configuration has been reloaded\n", out);
	return 0;
}
