// SPDX-License-Identifier: BSD-3-Clause
/* The parts of fancapctl(1) that come from the tables of its parser. */
#include "common/manual.h"
#include "ctl/commands.h"
#include "ctl/help.h"
#include "ctl/options.h"

static void print_options(FILE *out, const struct option_row *rows)
{
	for (; rows && rows->name; rows++)
		manual_option(out, rows->letter, rows->name, rows->argument, rows->help);
}

static void print_global_options(FILE *out)
{
	print_options(out, global_options);
}

/* One command is a section, so that its options can stand in it. */
static void print_commands(FILE *out)
{
	for (const struct command *command = commands; command->name; command++) {
		if (command->hidden)
			continue;
		fprintf(out, "## %s", command->name);
		if (command->arguments) {
			fputc(' ', out);
			manual_text(out, command->arguments);
		}
		fputs("\n\n", out);
		manual_text(out, command->help);
		fputs(".\n\n", out);
		if (command->details) {
			manual_text(out, command->details);
			fputs("\n\n", out);
		}
		print_options(out, command->options);
	}
}

static void print_exit_status(FILE *out)
{
	for (int i = 0; i < CTL_EXITS; i++) {
		fprintf(out, "*%d*\n\t", i);
		manual_text(out, help_exit_text((enum ctl_exit)i));
		fputs("\n\n", out);
	}
}

int main(int argc, char **argv)
{
	static const struct manual_part parts[] = {
		{ "options", print_global_options },
		{ "commands", print_commands },
		{ "exit-status", print_exit_status },
		{ NULL, NULL },
	};

	return manual_main(argc, argv, parts);
}
