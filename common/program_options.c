// SPDX-License-Identifier: BSD-3-Clause
#include "common/program_options.h"

#include <assert.h>
#include <string.h>

#include "common/manual.h"

void program_parser_init(struct program_parser *parser, const struct program_option *rows)
{
	char *letter = parser->letters;
	size_t n = 0;

	for (; rows->option.name; rows++) {
		assert(n < PROGRAM_OPTIONS_MAX);
		parser->table[n++] = rows->option;
		if (rows->letter) {
			*letter++ = rows->letter;
			if (rows->option.has_arg != no_argument)
				*letter++ = ':';
		}
	}
	parser->table[n] = (struct option){ 0 };
	*letter = '\0';
}

/* The explanation's further lines stand below its first one. */
static void help_print(FILE *out, const char *help, int indent)
{
	for (; *help; help++) {
		fputc(*help, out);
		if (*help == '\n')
			fprintf(out, "%*s", indent, "");
	}
	fputc('\n', out);
}

static int has_letters(const struct program_option *rows)
{
	for (; rows->option.name; rows++)
		if (rows->letter)
			return 1;
	return 0;
}

void program_options_help(FILE *out, const struct program_option *rows, int width)
{
	int letters = has_letters(rows);

	for (; rows->option.name; rows++) {
		char letter[5] = "", usage[64];

		if (letters)
			snprintf(letter, sizeof(letter), rows->letter ? "-%c, " : "    ", rows->letter);
		snprintf(usage, sizeof(usage), "%s--%s%s%s", letter, rows->option.name, rows->argument ? " " : "",
			 rows->argument ? rows->argument : "");
		fprintf(out, "  %-*s ", width, usage);
		help_print(out, rows->help, width + 3);
	}
}

void program_options_manual(FILE *out, const struct program_option *rows)
{
	for (; rows->option.name; rows++) {
		char help[1024];
		size_t n = 0;

		/* scdoc fills lines itself. */
		for (; rows->help[n] && n < sizeof(help) - 1; n++)
			help[n] = rows->help[n] == '\n' ? ' ' : rows->help[n];
		help[n] = '\0';
		manual_option(out, rows->letter, rows->option.name, rows->argument, help);
	}
}
