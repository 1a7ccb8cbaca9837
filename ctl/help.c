// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/help.h"

#include <stdbool.h>
#include <string.h>

#include "ctl/commands.h"
#include "ctl/options.h"

#define LEFT 24   /* columns of what stands left of the explanation */
#define RIGHT 100 /* where details are wrapped */

static const char *const exit_texts[CTL_EXITS] = {
	[CTL_OK] = "it went well",
	[CTL_FAILED] = "it failed",
	[CTL_USAGE] = "wrong options or arguments",
	[CTL_NOT_RUNNING] = "the daemon is not running",
	[CTL_DENIED] = "permission denied",
	[CTL_TIMEOUT] = "no answer in time",
	[CTL_TOO_OLD] = "the daemon is too old for this",
	[CTL_UNREACHABLE] = "the machine that --host names cannot be reached, or has no fancapctl",
};

const char *help_exit_text(enum ctl_exit status)
{
	return exit_texts[status];
}

static void print_row(FILE *out, const char *left, const char *right)
{
	if (strlen(left) >= LEFT)
		fprintf(out, "  %s\n  %-*s%s\n", left, LEFT, "", right);
	else
		fprintf(out, "  %-*s%s\n", LEFT, left, right);
}

static void print_option(FILE *out, const struct option_row *row)
{
	char letter[5] = "    ", usage[64];

	if (row->letter)
		snprintf(letter, sizeof(letter), "-%c, ", row->letter);
	snprintf(usage, sizeof(usage), "%s--%s%s%s", letter, row->name, row->argument ? " " : "",
		 row->argument ? row->argument : "");
	print_row(out, usage, row->help);
}

/* @param command who takes them; NULL: all */
static void print_options(FILE *out, const char *title, const struct option_row *rows, const struct command *command)
{
	fprintf(out, "\n%s:\n", title);
	for (; rows->name; rows++)
		if (!command || option_is_taken(rows, command))
			print_option(out, rows);
}

/* Break lines between words. */
static void print_wrapped(FILE *out, const char *text)
{
	size_t column = 0;

	while (*text) {
		size_t n = strcspn(text, " \n");

		if (column && column + 1 + n > RIGHT) {
			fputc('\n', out);
			column = 0;
		}
		column += n + (column ? (size_t)fprintf(out, " ") : 0);
		fwrite(text, 1, n, out);
		text += n;
		if (*text == '\n') {
			fputc('\n', out);
			column = 0;
		}
		text += *text != '\0';
	}
	fputc('\n', out);
}

void help_command(FILE *out, const struct command *command)
{
	fprintf(out, "Usage: fancapctl [OPTION]... %s%s%s\n\n", command->name, command->arguments ? " " : "",
		command->arguments ? command->arguments : "");
	print_wrapped(out, command->help);
	if (command->details) {
		fputc('\n', out);
		print_wrapped(out, command->details);
	}
	if (command->options)
		print_options(out, "Options of this command", command->options, NULL);
	print_options(out, "Other options", global_options, command);
}

void help_all(FILE *out)
{
	fprintf(out, "Usage: fancapctl [OPTION]... COMMAND [ARGUMENT]...\n\n"
		     "Asks fancapd, the packet capture daemon, how it is doing, and tells it what to do.\n\n"
		     "Commands; fancapctl COMMAND --help says more:\n");
	for (const struct command *command = commands; command->name; command++) {
		char usage[64];

		if (command->hidden)
			continue;
		snprintf(usage, sizeof(usage), "%s%s%s", command->name, command->arguments ? " " : "",
			 command->arguments ? command->arguments : "");
		print_row(out, usage, command->help);
	}
	print_options(out, "Options", global_options, NULL);
	fprintf(out, "\nExit codes:\n");
	for (int i = 0; i < CTL_EXITS; i++)
		fprintf(out, "  %d  %s\n", i, exit_texts[i]);
}

void help_version(FILE *out)
{
	fprintf(out, "fancapctl %s\nfeatures: %s\n", PACKAGE_VERSION, FANCAP_FEATURES);
}
