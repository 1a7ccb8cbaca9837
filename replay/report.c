// SPDX-License-Identifier: BSD-3-Clause
#include "replay/report.h"

#include <inttypes.h>

#define ERASE_LINE "\r\033[K"

static const struct {
	const char *name; /* in JSON */
	const char *text;
} reasons[SKIP_REASONS] = {
	[SKIP_FILTER] = {"filter", "not what the filter asks for"},
	[SKIP_LINK_TYPE] = {"link_type", "of another link type than the interface's"},
	[SKIP_CUT] = {"cut", "truncated in the file"},
	[SKIP_TOO_LONG] = {"too_long", "too long for the interface"},
	[SKIP_TOO_SHORT] = {"too_short", "too short for a link-layer header"},
	[SKIP_REFUSED] = {"refused", "refused by the kernel"},
};

static double per_second(uint64_t n, uint64_t duration_ns)
{
	return duration_ns != 0 ? (double)n * 1e9 / (double)duration_ns : 0;
}

/* A rate with three figures or so. */
static void print_rate(FILE *out, double rate, const char *unit)
{
	static const char *const prefixes[] = {"", "k", "M", "G"};
	unsigned i = 0;

	while (rate >= 1000 && i < 3) {
		rate /= 1000;
		i++;
	}
	fprintf(out, "%.*f %s%s", rate < 10 ? 2 : rate < 100 ? 1 : 0, rate, prefixes[i], unit);
}

static void print_rates(const struct report *report, FILE *out)
{
	print_rate(out, per_second(report->counts.packets_sent, report->duration_ns), "pps");
	fputs(", ", out);
	print_rate(out, 8 * per_second(report->counts.bytes_sent, report->duration_ns), "bit/s");
}

void report_print(const struct report *report, FILE *out)
{
	const struct replay_counts *counts = &report->counts;

	fprintf(out, "sent     %" PRIu64 " packets, %" PRIu64 " bytes in %.3f s (", counts->packets_sent,
		counts->bytes_sent, (double)report->duration_ns / 1e9);
	print_rates(report, out);
	fputs(")\n", out);
	for (unsigned i = 0; i < SKIP_REASONS; i++)
		if (counts->skipped[i] != 0)
			fprintf(out, "skipped  %" PRIu64 " packets: %s\n", counts->skipped[i], reasons[i].text);
	if (counts->skipped[SKIP_TOO_LONG] != 0)
		fprintf(out, "         (on %s packets have %u bytes at most, beside their link-layer header)\n", report->interface, report->mtu);
	if (report->unsent != 0)
		fprintf(out, "unsent   %" PRIu64 " packets: stopped before they left\n", report->unsent);
	if (report->paced)
		fprintf(out, "late     %.3f ms at worst\n", (double)report->late_max_ns / 1e6);
}

void report_print_json(const struct report *report, FILE *out)
{
	const struct replay_counts *counts = &report->counts;

	fprintf(out, "{\"sent\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"seconds\": %.6f, \"skipped\": {",
		counts->packets_sent, counts->bytes_sent, (double)report->duration_ns / 1e9);
	for (unsigned i = 0; i < SKIP_REASONS; i++)
		fprintf(out, "%s\"%s\": %" PRIu64, i == 0 ? "" : ", ", reasons[i].name, counts->skipped[i]);
	fprintf(out, "}, \"unsent\": %" PRIu64 ", \"late_max_us\": %.3f}\n", report->unsent,
		(double)report->late_max_ns / 1e3);
}

void report_progress(const struct report *report, FILE *out)
{
	fprintf(out, ERASE_LINE "%.1f s: %" PRIu64 " packets, ", (double)report->duration_ns / 1e9,
		report->counts.packets_sent);
	print_rates(report, out);
	fflush(out);
}

void report_progress_end(FILE *out)
{
	fputs(ERASE_LINE, out);
	fflush(out);
}
