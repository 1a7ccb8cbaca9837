// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/schema.h"

static const cyaml_config_t save_config = {
	.mem_fn = cyaml_mem,
	.flags = CYAML_CFG_STYLE_BLOCK,
};

/** Room for the texts of numbers, and the texts themselves, of every option of a configuration. */
struct dump {
	char (*buffers)[UNITS_TEXT_MAX];
	size_t n_buffers;
	char **lists; ///< the texts of lists, one after the other
	size_t n_lists;
	struct config_text *texts; ///< the top table's rows, then those of each interface
};

/** How many texts lists have. */
static size_t lists_count(const struct config *config)
{
	size_t n = config->storage.n_directories;

	for (size_t i = 0; i < config->n_interfaces; i++)
		n += config->interfaces[i].n_cpus;
	return n;
}

static int dump_init(struct dump *dump, const struct config *config)
{
	size_t rows = config_table_top.n + config->n_interfaces * config_table_interface.n;
	size_t lists = lists_count(config);

	*dump = (struct dump){
		.buffers = calloc(rows + lists, sizeof(*dump->buffers)),
		.lists = calloc(lists + 1, sizeof(*dump->lists)),
		.texts = calloc(rows, sizeof(*dump->texts)),
	};
	return dump->buffers && dump->lists && dump->texts ? 0 : -ENOMEM;
}

static void dump_done(struct dump *dump)
{
	free(dump->buffers);
	free(dump->lists);
	free(dump->texts);
}

/** cyaml's structures are made for loading too, so not const; saving only reads. */
static char *unconst(const char *text)
{
	return (char *)(uintptr_t)text;
}

static void table_write(struct dump *dump, const struct config_table *table, const void *structure,
			struct config_text *texts)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct config_option *option = &table->options[i];

		if (option->type && !option->list)
			texts[i].scalar = unconst(config_option_write(
				option, structure, dump->buffers[dump->n_buffers++]));
	}
}

static void cpus_write(struct dump *dump, const struct config_interface *interface,
		       struct config_text *text)
{
	if (interface->n_cpus == 0)
		return;
	text->list = &dump->lists[dump->n_lists];
	text->n = (unsigned)interface->n_cpus;
	for (size_t i = 0; i < interface->n_cpus; i++) {
		char *buffer = dump->buffers[dump->n_buffers++];

		snprintf(buffer, UNITS_TEXT_MAX, "%u", interface->cpus[i]);
		dump->lists[dump->n_lists++] = buffer;
	}
}

/** One directory or a list of them, as it was given. */
static void directories_write(struct dump *dump, const struct config *config)
{
	struct config_text *single = &dump->texts[config_table_index(&config_table_top, "storage.directory")];
	struct config_text *list = &dump->texts[config_table_index(&config_table_top, "storage.directories")];

	if (config->storage.directory)
		return;
	single->scalar = NULL;
	list->list = &dump->lists[dump->n_lists];
	list->n = (unsigned)config->storage.n_directories;
	for (size_t i = 0; i < config->storage.n_directories; i++)
		dump->lists[dump->n_lists++] = unconst(config->storage.directories[i]);
}

static void config_write(struct dump *dump, const struct config *config)
{
	struct config_text *entries = &dump->texts[config_table_top.n];
	size_t row = config_table_index(&config_table_top, "interfaces");
	size_t cpus = config_table_index(&config_table_interface, "cpus");

	table_write(dump, &config_table_top, config, dump->texts);
	directories_write(dump, config);
	dump->texts[row].entries = entries;
	dump->texts[row].n = (unsigned)config->n_interfaces;
	for (size_t i = 0; i < config->n_interfaces; i++) {
		struct config_text *texts = &entries[i * config_table_interface.n];

		table_write(dump, &config_table_interface, &config->interfaces[i], texts);
		cpus_write(dump, &config->interfaces[i], &texts[cpus]);
	}
}

static int texts_save(const struct config_text *texts, FILE *out)
{
	struct config_schema *schema = config_schema_new();
	char *yaml = NULL;
	size_t length = 0;
	cyaml_err_t r;

	if (!schema)
		return -ENOMEM;
	r = cyaml_save_data(&yaml, &length, &save_config, config_schema_top(schema), texts, 0);
	config_schema_free(schema);
	if (r != CYAML_OK)
		return r == CYAML_ERR_OOM ? -ENOMEM : -EIO;
	errno = 0;
	if (fwrite(yaml, 1, length, out) != length || fflush(out) != 0) {
		int saved = errno;

		cyaml_mem(NULL, yaml, 0);
		return saved ? -saved : -EIO;
	}
	cyaml_mem(NULL, yaml, 0);
	return 0;
}

int config_dump(const struct config *config, FILE *out)
{
	struct dump dump;
	int r = dump_init(&dump, config);

	if (r == 0) {
		config_write(&dump, config);
		r = texts_save(dump.texts, out);
	}
	dump_done(&dump);
	return r;
}
