// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/config/errors.h"

#include <stdarg.h>
#include <stdlib.h>

/** More than a person reads at a time; keeps a hostile file from filling memory and the journal. */
#define ERRORS_MAX 50

struct config_error {
	struct config_place place;
	size_t number; ///< keeps the sort stable
	char text[512];
};

static void text_make_printable(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = ' ';
	}
}

void config_errors_add(struct config_errors *errors, const struct config_place *place,
		       const char *path, const char *format, ...)
{
	struct config_error *error;
	char reason[400];
	va_list args;

	if (!errors->items)
		errors->items = calloc(ERRORS_MAX, sizeof(*errors->items));
	if (!errors->items || errors->n == ERRORS_MAX) {
		errors->n_more++;
		return;
	}
	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);

	error = &errors->items[errors->n];
	error->place = *place;
	error->number = errors->n++;
	snprintf(error->text, sizeof(error->text), "%s%s%s", path ? path : "",
		 path && *path ? ": " : "", reason);
	text_make_printable(error->text);
}

static int number_compare(size_t a, size_t b)
{
	return (a > b) - (a < b);
}

static int error_compare(const void *left, const void *right)
{
	const struct config_error *a = left, *b = right;
	int r = number_compare(a->place.order, b->place.order);

	if (r == 0)
		r = number_compare(a->place.line, b->place.line);
	if (r == 0)
		r = number_compare(a->place.column, b->place.column);
	return r != 0 ? r : number_compare(a->number, b->number);
}

void config_errors_print(const struct config_errors *errors, FILE *out)
{
	if (errors->n > 0)
		qsort(errors->items, errors->n, sizeof(*errors->items), error_compare);
	for (size_t i = 0; i < errors->n; i++) {
		const struct config_error *error = &errors->items[i];

		if (error->place.line == 0)
			fprintf(out, "%s: %s\n", error->place.file, error->text);
		else
			fprintf(out, "%s:%zu:%zu: %s\n", error->place.file, error->place.line,
				error->place.column, error->text);
	}
	if (errors->n_more > 0)
		fprintf(out, "and %zu more errors\n", errors->n_more);
}

void config_errors_done(struct config_errors *errors)
{
	free(errors->items);
	*errors = (struct config_errors){0};
}
