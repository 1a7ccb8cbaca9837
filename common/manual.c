// SPDX-License-Identifier: BSD-3-Clause
#include "common/manual.h"

#include <string.h>

void manual_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("\\*_~<>", *text))
			fputc('\\', out);
		fputc(*text, out);
	}
}

void manual_option(FILE *out, char letter, const char *name, const char *argument, const char *help)
{
	if (letter)
		fprintf(out, "*-%c*, ", letter);
	fprintf(out, "*--%s*", name);
	if (argument) {
		fputs(" _", out);
		manual_text(out, argument);
		fputc('_', out);
	}
	fputs("\n\t", out);
	manual_text(out, help);
	fputs("\n\n", out);
}

int manual_main(int argc, char **argv, const struct manual_part *parts)
{
	for (; argc == 2 && parts->name; parts++) {
		if (strcmp(parts->name, argv[1]))
			continue;
		parts->print(stdout);
		return fflush(stdout) != 0 || ferror(stdout);
	}
	fprintf(stderr, "usage: %s PART\n", argv[0]);
	return 2;
}
