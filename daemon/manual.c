// SPDX-License-Identifier: BSD-3-Clause
/* The parts of fancapd(8) and fancapd.yaml(5) that come from the tables of their parsers. */
#include "common/manual.h"
#include "daemon/config/schema.h"
#include "daemon/config/types.h"
#include "daemon/options.h"

static void print_options(FILE *out)
{
	program_options_manual(out, daemon_options);
}

/* --- configuration ------------------------------------------------------------------------------------------ */

/* What a kind of value is called. */
static const struct {
	const struct config_type *type;
	const char *name;
} kinds[] = {
	{ &config_type_integer, "number" }, { &config_type_workers, "number or auto" }, { &config_type_size, "size" },
	{ &config_type_duration, "duration" }, { &config_type_interval, "duration" }, { &config_type_free, "percentage or size" },
	{ &config_type_bool, "true or false" }, { &config_type_fanout, "mode" }, { &config_type_path, "path" },
	{ &config_type_device, "name" }, { &config_type_filter, "expression" }, { &config_type_program, "program" },
	{ &config_type_user, "name" }, { &config_type_group, "name" },
};

static void print_words(FILE *out, const struct config_word *words)
{
	for (; words->word; words++)
		fprintf(out, "%s%s", words->word, words[1].word ? " or " : "");
}

static void print_kind(FILE *out, const struct config_option *option)
{
	const char *name = "text";

	if (option->list)
		fputs("list of ", out);
	if (option->words) {
		print_words(out, option->words);
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (kinds[i].type == option->type)
			name = kinds[i].name;
	fputs(name, out);
}

/* PATH<tab>what it is: doc/configuration.awk puts the explanation below it. Mappings are explained, but have no value. */
static void print_rows(FILE *out, const struct config_table *table, const char *prefix)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct config_option *option = &table->options[i];

		fprintf(out, "%s%s\t", prefix, option->path);
		if (option->type) {
			print_kind(out, option);
			if (option->none)
				fputs(", or none", out);
			if (option->fallback && *option->fallback)
				fprintf(out, "; default: %s", option->fallback);
		}
		fputc('\n', out);
		if (option->entry)
			print_rows(out, option->entry, "interfaces.");
	}
}

static void print_configuration(FILE *out)
{
	print_rows(out, &config_table_top, "");
}

int main(int argc, char **argv)
{
	static const struct manual_part parts[] = {
		{ "options", print_options },
		{ "configuration", print_configuration },
		{ NULL, NULL },
	};

	return manual_main(argc, argv, parts);
}
