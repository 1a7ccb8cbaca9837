// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/check/findings.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "ctl/output.h"
#include "varlink/message.h"

static const char *const severities[FINDING_SEVERITIES] = {
	[FINDING_OK] = "ok",
	[FINDING_NOTICE] = "notice",
	[FINDING_WARNING] = "warning",
	[FINDING_CRITICAL] = "critical",
};

/* --- the list --------------------------------------------------------------------------------------------- */

void findings_done(struct findings *findings)
{
	free(findings->rows);
	*findings = (struct findings){0};
}

/* Where there is no memory, one that is not in the list, which then counts as failed. */
static struct finding *row_new(struct findings *findings)
{
	static struct finding spare;

	if (findings->n == findings->capacity) {
		size_t capacity = 2 * findings->capacity + 32;
		struct finding *grown = realloc(findings->rows, capacity * sizeof(*grown));

		if (!grown) {
			findings->failed = true;
			return &spare;
		}
		findings->rows = grown;
		findings->capacity = capacity;
	}
	return &findings->rows[findings->n++];
}

struct finding *findings_add(struct findings *findings, enum severity severity, const char *about, const char *subject,
			     const char *why, const char *what, ...)
{
	struct finding *row = row_new(findings);
	va_list args;

	*row = (struct finding){.severity = severity, .about = about, .why = why};
	(void)snprintf(row->subject, sizeof(row->subject), "%s", subject);
	va_start(args, what);
	(void)vsnprintf(row->what, sizeof(row->what), what, args);
	va_end(args);
	return row;
}

void finding_mend(struct finding *finding, const char *mend, ...)
{
	va_list args;

	va_start(args, mend);
	(void)vsnprintf(finding->mend, sizeof(finding->mend), mend, args);
	va_end(args);
}

enum severity findings_worst(const struct findings *findings)
{
	enum severity worst = FINDING_OK;

	for (size_t i = 0; i < findings->n; i++)
		if (findings->rows[i].severity > worst)
			worst = findings->rows[i].severity;
	return worst;
}

/* --- for programs ----------------------------------------------------------------------------------------- */

static json_t *text_or_null(const char *text)
{
	return text && *text ? varlink_text(text) : json_null();
}

static enum ctl_exit print_json(const struct ctl *ctl, const struct findings *findings)
{
	enum severity worst = findings_worst(findings);
	json_t *rows = json_array();

	for (size_t i = 0; i < findings->n; i++) {
		const struct finding *row = &findings->rows[i];

		(void)json_array_append_new(rows, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "severity",
							    severities[row->severity], "about", row->about, "subject",
							    text_or_null(row->subject), "what", varlink_text(row->what), "why",
							    text_or_null(row->why), "mend", text_or_null(row->mend)));
	}
	return json_print(ctl, json_pack("{s:b, s:s, s:o}", "fit", worst < FINDING_CRITICAL, "worst", severities[worst],
					 "findings", rows));
}

/* --- for people ------------------------------------------------------------------------------------------- */

#define LEFT 10 /* of the texts */

static void print_row(FILE *out, const struct finding *row)
{
	static const enum color colors[FINDING_SEVERITIES] = {
		[FINDING_OK] = COLOR_GOOD,
		[FINDING_NOTICE] = COLOR_NONE,
		[FINDING_WARNING] = COLOR_WARNING,
		[FINDING_CRITICAL] = COLOR_BAD,
	};
	const char *severity = severities[row->severity];

	color_print(out, colors[row->severity], severity);
	fprintf(out, "%*s", LEFT - (int)strlen(severity), "");
	if (row->subject[0]) {
		text_print(out, row->subject);
		fputs(", ", out);
	}
	fprintf(out, "%s: ", row->about);
	text_print(out, row->what);
	fputc('\n', out);
	if (row->severity == FINDING_OK)
		return;
	if (row->why)
		fprintf(out, "%*s%s\n", LEFT, "", row->why);
	if (row->mend[0]) {
		fprintf(out, "%*s=> ", LEFT, "");
		text_print(out, row->mend);
		fputc('\n', out);
	}
}

static size_t count(const struct findings *findings, enum severity severity)
{
	size_t n = 0;

	for (size_t i = 0; i < findings->n; i++)
		n += findings->rows[i].severity == severity;
	return n;
}

static void print_text(FILE *out, const struct findings *findings)
{
	for (int severity = FINDING_SEVERITIES - 1; severity >= 0; severity--)
		for (size_t i = 0; i < findings->n; i++)
			if ((int)findings->rows[i].severity == severity)
				print_row(out, &findings->rows[i]);
	fprintf(out, "\n%s: %zu critical, %zu warnings, %zu notices, %zu ok\n",
		findings_worst(findings) < FINDING_CRITICAL ? "fit to capture" : "not fit to capture",
		count(findings, FINDING_CRITICAL), count(findings, FINDING_WARNING), count(findings, FINDING_NOTICE),
		count(findings, FINDING_OK));
}

enum ctl_exit findings_print(const struct ctl *ctl, const struct findings *findings)
{
	if (findings->failed) {
		fprintf(ctl->err, "fancapctl: out of memory\n");
		return CTL_FAILED;
	}
	if (ctl->json)
		return print_json(ctl, findings);
	print_text(ctl->out, findings);
	return CTL_OK;
}
