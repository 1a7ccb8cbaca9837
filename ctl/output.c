// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/output.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/percent.h"

#define NS_PER_S 1000000000ULL

/* --- colours ---------------------------------------------------------------------------------------- */

static bool colors;

void color_enable(bool enable)
{
	colors = enable;
}

bool color_is_wanted(FILE *out)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (no_color && *no_color)
		return false;
	return term && *term && strcmp(term, "dumb") && isatty(fileno(out));
}

void color_print(FILE *out, enum color color, const char *text)
{
	static const char *const codes[] = { [COLOR_GOOD] = "32", [COLOR_WARNING] = "33", [COLOR_BAD] = "1;31" };

	if (colors && color != COLOR_NONE)
		fprintf(out, "\x1b[%sm%s\x1b[0m", codes[color], text);
	else
		fputs(text, out);
}

struct cell {
	char *text;
	enum color color;
};

struct table {
	const struct column *columns;
	size_t n_columns;
	struct cell *cells;
	size_t n_cells;
	size_t capacity;
	enum color color; ///< of the next cell
	bool failed;
};

/* --- text of unknown origin ------------------------------------------------------------------------ */

/* Decode a character of valid UTF-8, and go past it. What is not valid is taken byte by byte. */
static unsigned utf8_next(const unsigned char **at)
{
	const unsigned char *p = *at;
	unsigned n = p[0] >= 0xf0 ? 3 : p[0] >= 0xe0 ? 2 : p[0] >= 0xc0 ? 1 : 0;
	unsigned c = n ? p[0] & (0x3fU >> n) : p[0];

	for (unsigned i = 1; i <= n; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			*at = p + 1;
			return p[0];
		}
		c = c << 6 | (p[i] & 0x3f);
	}
	*at = p + n + 1;
	return c;
}

/* C0, DEL and C1; what ends lines; what turns the direction of writing. */
static bool is_control(unsigned c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

void text_print(FILE *out, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		const unsigned char *begin = at;
		unsigned c = utf8_next(&at);

		if (!is_control(c))
			fwrite(begin, 1, (size_t)(at - begin), out);
		else if (c < 0x100)
			fprintf(out, "\\x%02x", c);
		else
			fprintf(out, "\\u%04x", c);
	}
}

/* Characters, not bytes: those that continue one do not count. */
static int text_width(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

void text_print_lines(FILE *out, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		char *line = strndup(text, n);

		text_print(out, line ? line : "?");
		fputc('\n', out);
		free(line);
		text += n + (text[n] == '\n');
	}
}

/* --- table ----------------------------------------------------------------------------------------- */

struct table *table_new(const struct column *columns, size_t n_columns)
{
	struct table *table = calloc(1, sizeof(*table));

	if (table) {
		table->columns = columns;
		table->n_columns = n_columns;
	}
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;

	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i].text);
	free(table->cells);
	free(table);
}

/* Take a cell over; NULL means there was no memory for it. */
static void table_add(struct table *table, char *cell)
{
	struct cell *grown;

	if (table && cell && table->n_cells == table->capacity) {
		grown = realloc(table->cells, (table->capacity * 2 + 64) * sizeof(*grown));
		if (grown) {
			table->cells = grown;
			table->capacity = table->capacity * 2 + 64;
		}
	}
	if (table && cell && table->n_cells < table->capacity) {
		table->cells[table->n_cells++] = (struct cell){ cell, table->color };
		table->color = COLOR_NONE;
		return;
	}
	if (table)
		table->failed = true;
	free(cell);
}

void table_color(struct table *table, enum color color)
{
	if (table)
		table->color = color;
}

void table_text(struct table *table, const char *text)
{
	char *cell = NULL;
	size_t len;
	FILE *out = open_memstream(&cell, &len);

	if (out) {
		text_print(out, text);
		fclose(out);
	}
	table_add(table, cell);
}

void table_format(struct table *table, const char *format, ...)
{
	char *cell;
	va_list args;

	va_start(args, format);
	if (vasprintf(&cell, format, args) < 0)
		cell = NULL;
	va_end(args);
	table_add(table, cell);
}

void format_count(char text[FORMAT_TEXT_MAX], uint64_t count)
{
	char reversed[FORMAT_TEXT_MAX];
	char *at = reversed + sizeof(reversed);
	unsigned digits = 0;

	*--at = '\0';
	do {
		if (digits && digits % 3 == 0)
			*--at = ',';
		*--at = (char)('0' + count % 10);
		count /= 10;
		digits++;
	} while (count);
	strcpy(text, at);
}

void table_count(struct table *table, uint64_t count)
{
	char text[FORMAT_TEXT_MAX];

	format_count(text, count);
	table_format(table, "%s", text);
}

void format_bytes(char text[FORMAT_TEXT_MAX], uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = (double)bytes;
	unsigned unit = 0;

	/* Not 1024: what would be rounded to 1024.0 is 1.0 of the next. */
	while (value >= 1023.95 && unit < sizeof(units) / sizeof(*units) - 1) {
		value /= 1024;
		unit++;
	}
	snprintf(text, FORMAT_TEXT_MAX, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

void table_bytes(struct table *table, uint64_t bytes)
{
	char text[FORMAT_TEXT_MAX];

	format_bytes(text, bytes);
	table_format(table, "%s", text);
}

void format_duration(char text[FORMAT_TEXT_MAX], uint64_t duration_ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double value = (double)duration_ns;
	unsigned unit = 0;

	/* Not 1000, as above. */
	while (value >= 999.95 && unit < sizeof(units) / sizeof(*units) - 1) {
		value /= 1000;
		unit++;
	}
	snprintf(text, FORMAT_TEXT_MAX, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

void table_duration(struct table *table, uint64_t duration_ns)
{
	char text[FORMAT_TEXT_MAX];

	format_duration(text, duration_ns);
	table_format(table, "%s", text);
}

void table_time(struct table *table, uint64_t time_ns)
{
	char *cell = NULL;
	size_t len;
	FILE *out = open_memstream(&cell, &len);

	if (out) {
		time_print(out, time_ns);
		fclose(out);
	}
	table_add(table, cell);
}

/* Rounding must not make a loss look like none, or nearly all like all. */
void format_percent(char text[FORMAT_TEXT_MAX], uint64_t part, uint64_t whole)
{
	double percent = statistics_percent(part, whole);

	if (part && percent < 0.01)
		strcpy(text, "<0.01");
	else if (part < whole && percent > 99.99)
		strcpy(text, ">99.99");
	else
		snprintf(text, FORMAT_TEXT_MAX, "%.2f", percent);
}

void table_percent(struct table *table, uint64_t part, uint64_t whole)
{
	char text[FORMAT_TEXT_MAX];

	format_percent(text, part, whole);
	table_format(table, "%s", text);
}

bool table_is_empty(const struct table *table)
{
	return !table || !table->n_cells;
}

static int column_width(const struct table *table, size_t column)
{
	int width = text_width(table->columns[column].title);

	for (size_t i = column; i < table->n_cells; i += table->n_columns) {
		int cell = text_width(table->cells[i].text);

		if (cell > width)
			width = cell;
	}
	return width;
}

/* Blanks are printed before the next cell only, so that no line ends in blanks. */
static void cell_print(FILE *out, const struct cell *cell, bool right, int width, int *blanks)
{
	int pad = width - text_width(cell->text);

	if (right)
		*blanks += pad;
	if (*cell->text) {
		fprintf(out, "%*s", *blanks, "");
		color_print(out, cell->color, cell->text);
		*blanks = 0;
	}
	*blanks += (right ? 0 : pad) + 2;
}

static void titles_print(const struct table *table, FILE *out, const int *widths)
{
	int blanks = 0;

	for (size_t c = 0; c < table->n_columns; c++) {
		char *title = (char *)(uintptr_t)table->columns[c].title; /* only read */

		cell_print(out, &(struct cell){ title, COLOR_NONE }, table->columns[c].right, widths[c], &blanks);
	}
	fputc('\n', out);
}

int table_print(const struct table *table, FILE *out)
{
	int *widths = table && !table->failed ? calloc(table->n_columns, sizeof(*widths)) : NULL;

	if (!widths)
		return -ENOMEM;
	for (size_t c = 0; c < table->n_columns; c++)
		widths[c] = column_width(table, c);

	titles_print(table, out, widths);
	for (size_t row = 0; row < table->n_cells / table->n_columns; row++) {
		int blanks = 0;

		for (size_t c = 0; c < table->n_columns; c++)
			cell_print(out, &table->cells[row * table->n_columns + c], table->columns[c].right, widths[c],
				   &blanks);
		fputc('\n', out);
	}
	free(widths);
	return 0;
}

int table_print_if_any(const struct table *table, FILE *out)
{
	if (table_is_empty(table))
		return 0;
	fputc('\n', out);
	return table_print(table, out);
}

/* --- times ----------------------------------------------------------------------------------------- */

void time_print(FILE *out, uint64_t time_ns)
{
	time_t seconds = (time_t)(time_ns / NS_PER_S);
	char text[64] = "?";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm);
	fputs(text, out);
}

void duration_print(FILE *out, uint64_t duration_ns)
{
	unsigned long long s = duration_ns / NS_PER_S;

	if (s >= 86400)
		fprintf(out, "%llud ", s / 86400);
	if (s >= 3600)
		fprintf(out, "%lluh ", s / 3600 % 24);
	if (s >= 60)
		fprintf(out, "%llumin ", s / 60 % 60);
	fprintf(out, "%llus", s % 60);
}

/* --- JSON -------------------------------------------------------------------------------------------- */

/* {"format": 1, ...}: the same, with the version of all our JSON first. @param object NULL or taken over */
static json_t *with_format(json_t *object)
{
	json_t *versioned = object ? json_pack("{s:i}", "format", OUTPUT_JSON_FORMAT) : NULL;

	if (versioned && json_object_update(versioned, object) < 0) {
		json_decref(versioned);
		versioned = NULL;
	}
	json_decref(object);
	return versioned;
}

static enum ctl_exit json_write(const struct ctl *ctl, json_t *object, size_t layout)
{
	json_t *versioned = with_format(object);
	int r = versioned ? json_dumpf(versioned, ctl->out, layout | JSON_ENSURE_ASCII) : -1;

	json_decref(versioned);
	if (r < 0) {
		fprintf(ctl->err, "fancapctl: cannot write JSON\n");
		return CTL_FAILED;
	}
	fputc('\n', ctl->out);
	return CTL_OK;
}

enum ctl_exit json_print(const struct ctl *ctl, json_t *object)
{
	return json_write(ctl, object, JSON_INDENT(2));
}

enum ctl_exit json_print_line(const struct ctl *ctl, json_t *object)
{
	return json_write(ctl, object, JSON_COMPACT);
}
