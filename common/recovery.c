// SPDX-License-Identifier: BSD-3-Clause
#include "common/recovery.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/percent.h"

#define PATIENCE_MS 500
#define INTERVAL_MS 100
#define MIB 1048576.0

static volatile sig_atomic_t signalled;

/* --- names ---------------------------------------------------------------------------------------------- */

static const char part[] = ".part";
static const char set_aside[] = ".block";
static const char *const extensions[] = {".pcapng", ".pcap", ".cap", ".ntar"};

static size_t stem_length(const char *name, const char *ending)
{
	size_t n = strlen(name), e = strlen(ending);

	/* A name that is nothing but an ending is a hidden file's. */
	return n > e && name[n - e - 1] != '/' && strcmp(name + n - e, ending) == 0 ? n - e : 0;
}

bool recovery_is_part(const char *name)
{
	return stem_length(name, part) != 0;
}

int recovery_name(const char *from, char *ret, size_t size)
{
	size_t stem = stem_length(from, part);
	const char *added = "";
	int n;

	if (stem == 0) {
		stem = stem_length(from, set_aside);
		if (stem != 0) {
			n = snprintf(ret, size, "%.*s.recovered.pcapng", (int)stem, from);
			return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
		}
		added = ".recovered";
	}
	for (size_t i = 0; stem == 0 && i < sizeof(extensions) / sizeof(extensions[0]); i++)
		stem = stem_length(from, extensions[i]);
	if (stem == 0)
		stem = strlen(from);
	n = snprintf(ret, size, "%.*s%s%s", (int)stem, from, added, *added != '\0' ? from + stem : "");
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* --- progress --------------------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void recovery_display_start(struct recovery_display *display, FILE *out, const char *name)
{
	display->terminal = isatty(fileno(out)) ? out : NULL;
	display->name = name;
	display->next_ms = now_ms() + PATIENCE_MS;
	display->shown = 0;
}

bool recovery_display_progress(void *arg, uint64_t done, uint64_t total)
{
	struct recovery_display *display = arg;

	if (display->terminal != NULL && now_ms() >= display->next_ms) {
		display->next_ms = now_ms() + INTERVAL_MS;
		display->shown++;
		fprintf(display->terminal, "\r%s: %.0f%% of %.0f MiB\033[K", display->name,
			statistics_percent(done, total), (double)total / MIB);
		fflush(display->terminal);
	}
	return signalled == 0;
}

void recovery_display_end(struct recovery_display *display)
{
	if (display->shown == 0)
		return;
	fputs("\r\033[K", display->terminal);
	fflush(display->terminal);
}

static void note_signal(int number)
{
	signalled = number;
}

void recovery_catch_signals(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = note_signal, .sa_flags = SA_RESTART | (int)SA_RESETHAND};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
}

/* --- what became of it ------------------------------------------------------------------------------------- */

void recovery_print(FILE *out, const char *from, const char *to, const struct fancap_recover_result *result)
{
	if (!result->made) {
		fprintf(out, "%s: whole and closed, %" PRIu64 " packets: nothing to do\n", from, result->packets);
		return;
	}
	fprintf(out, "%s: %" PRIu64 " packets, %" PRIu64 " bytes", to, result->packets, result->bytes);
	if (!result->changed)
		fprintf(out, ", as it was");
	if (result->bytes > result->bytes_kept)
		fprintf(out, ", closed");
	if (result->bytes_cut > 0)
		fprintf(out, ", %" PRIu64 " bytes cut off from offset %" PRIu64 " on: %s", result->bytes_cut,
			result->bytes_kept, result->reason);
	fputc('\n', out);
}
