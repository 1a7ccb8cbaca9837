// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/config.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/source.h"
#include "daemon/config/validate.h"

/** What `workers: auto` makes at most of an interface without cpus. */
#define WORKERS_AUTO_MAX 16u
#define PATH_TEXT_MAX 128

/** A configuration and what its strings lie in. */
struct store {
	struct config config;
	struct config_sources sources;
};

/** A configuration being put together. */
struct load {
	struct store *store;
	struct config_errors *errors;
	struct config_origin *origins; ///< of each interface so far
	uint64_t invalid;	       ///< a bit for each row of config_table_top that was refused
	int result;
};

/* --- one table of options --- */

/** Read a text into its place, or say where it stands and what is wrong. */
static bool text_apply(struct load *load, struct config_document *document, const char *path,
		       const struct config_option *option, const char *text, void *structure)
{
	struct fancap_error why = {.text = ""};
	struct config_place place;
	int r = config_option_read(option, text, structure, &why);

	if (r == 0)
		return true;
	place = config_document_find(document, path);
	config_errors_add(load->errors, &place, path, "%s", why.text);
	load->result = r;
	return false;
}

/** Read a table's single values. @return a bit for each row that was refused */
static uint64_t table_apply(struct load *load, struct config_document *document, const char *prefix,
			    const struct config_table *table, const struct config_text *texts,
			    void *structure)
{
	uint64_t invalid = 0;

	for (size_t i = 0; i < table->n; i++) {
		const struct config_option *option = &table->options[i];
		char path[PATH_TEXT_MAX];

		if (!option->type || option->list || !texts[i].scalar)
			continue;
		snprintf(path, sizeof(path), "%s%s", prefix, option->path);
		if (!text_apply(load, document, path, option, texts[i].scalar, structure))
			invalid |= UINT64_C(1) << i;
	}
	return invalid;
}

/* --- interfaces --- */

/** Read the list of CPUs. @return the row's bit if it was refused, else 0 */
static uint64_t cpus_apply(struct load *load, struct config_document *document, const char *prefix,
			   const struct config_text *texts, struct config_interface *interface)
{
	size_t row = config_table_index(&config_table_interface, "cpus");
	struct config_option option = config_table_interface.options[row];
	const struct config_text *text = &texts[row];
	uint64_t invalid = 0;
	unsigned *cpus;

	if (text->n == 0)
		return 0;
	cpus = calloc(text->n, sizeof(*cpus));
	if (!cpus) {
		load->result = -ENOMEM;
		return 0;
	}
	option.width = sizeof(*cpus);
	for (unsigned i = 0; i < text->n; i++) {
		char path[PATH_TEXT_MAX];

		snprintf(path, sizeof(path), "%scpus[%u]", prefix, i);
		if (!text_apply(load, document, path, &option, text->list[i], &cpus[i]))
			invalid = UINT64_C(1) << row;
	}
	interface->cpus = cpus;
	interface->n_cpus = text->n;
	return invalid;
}

static unsigned usable_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

static void workers_resolve(struct config_interface *interface)
{
	unsigned n;

	if (interface->workers != 0)
		return;
	n = interface->n_cpus > 0 ? (unsigned)interface->n_cpus : usable_cpus();
	if (interface->n_cpus == 0 && n > WORKERS_AUTO_MAX)
		n = WORKERS_AUTO_MAX;
	interface->workers = n;
}

static void interface_apply(struct load *load, struct config_document *document, size_t index,
			    const struct config_text *texts)
{
	struct config *config = &load->store->config;
	struct config_interface *interface = &config->interfaces[config->n_interfaces];
	struct config_origin *origin = &load->origins[config->n_interfaces++];
	char prefix[64];

	*origin = (struct config_origin){interface, document, index, 0};
	snprintf(prefix, sizeof(prefix), "interfaces[%zu].", index);
	config_table_defaults(&config_table_interface, interface);
	origin->invalid =
		table_apply(load, document, prefix, &config_table_interface, texts, interface);
	origin->invalid |= cpus_apply(load, document, prefix, texts, interface);
	workers_resolve(interface);
	config_validate_interface(origin, load->errors);
}

/* --- directories --- */

static void directories_set(struct config *config, const char **list, size_t n)
{
	free(config->storage.directories);
	config->storage.directories = list;
	config->storage.n_directories = n;
}

/** Read the list; it takes the place of a single directory, and the other way round in a later file. */
static void directories_apply(struct load *load, struct config_document *document,
			      const struct config_text *texts)
{
	size_t row = config_table_index(&config_table_top, "storage.directories");
	const struct config_text *single =
		&texts[config_table_index(&config_table_top, "storage.directory")];
	const struct config_option *option = &config_table_top.options[row];
	const struct config_text *text = &texts[row];
	struct config *config = &load->store->config;
	const char **list;

	if (single->scalar)
		directories_set(config, NULL, 0);
	if (text->n == 0)
		return;
	list = calloc(text->n, sizeof(*list));
	if (!list) {
		load->result = -ENOMEM;
		return;
	}
	for (unsigned i = 0; i < text->n; i++) {
		struct config_option entry = *option;
		char path[PATH_TEXT_MAX];

		entry.offset = 0;
		snprintf(path, sizeof(path), "storage.directories[%u]", i);
		if (!text_apply(load, document, path, &entry, text->list[i], &list[i]))
			load->invalid |= UINT64_C(1) << row;
	}
	directories_set(config, list, text->n);
	config->storage.directory = NULL;
	if (!(load->invalid >> row & 1))
		config_validate_directories(config, document, single->scalar != NULL, load->errors);
}

/** After all files: there is always a list. */
static int directories_resolve(struct config *config)
{
	if (config->storage.n_directories > 0)
		return 0;
	directories_set(config, calloc(1, sizeof(*config->storage.directories)), 1);
	if (!config->storage.directories)
		return -ENOMEM;
	config->storage.directories[0] = config->storage.directory;
	return 0;
}

/* --- the whole --- */

static size_t interfaces_row(void)
{
	return config_table_index(&config_table_top, "interfaces");
}

static int interfaces_reserve(struct load *load)
{
	const struct config_sources *sources = &load->store->sources;
	size_t n = 1;

	for (size_t i = 0; i < sources->n; i++) {
		if (sources->items[i].texts)
			n += sources->items[i].texts[interfaces_row()].n;
	}
	load->store->config.interfaces = calloc(n, sizeof(*load->store->config.interfaces));
	load->origins = calloc(n, sizeof(*load->origins));
	return load->store->config.interfaces && load->origins ? 0 : -ENOMEM;
}

static void source_apply(struct load *load, struct config_source *source)
{
	const struct config_text *interfaces;

	if (!source->texts)
		return;
	load->invalid |= table_apply(load, &source->document, "", &config_table_top, source->texts,
				     &load->store->config);
	directories_apply(load, &source->document, source->texts);
	interfaces = &source->texts[interfaces_row()];
	for (unsigned i = 0; i < interfaces->n; i++)
		interface_apply(load, &source->document, i,
				&interfaces->entries[i * config_table_interface.n]);
}

static void interfaces_require(struct load *load)
{
	struct config_document *document = &load->store->sources.items[0].document;
	struct config_place place;

	/* After an error they may stand in what could not be read. */
	if (load->store->config.n_interfaces > 0 || load->result < 0)
		return;
	place = config_document_find(document, "interfaces");
	config_errors_add(load->errors, &place, "interfaces",
			  "there is none; list at least one, such as '- name: eth0'");
}

static int store_fill(struct store *store, const char *path, struct config_errors *errors)
{
	struct load load = {.store = store, .errors = errors};
	int r;

	load.result = config_sources_read(&store->sources, path, errors);
	r = interfaces_reserve(&load);
	if (r < 0)
		load.result = r;
	if (load.result == 0 || load.result == -EINVAL) {
		config_table_defaults(&config_table_top, &store->config);
		for (size_t i = 0; i < store->sources.n; i++)
			source_apply(&load, &store->sources.items[i]);
		interfaces_require(&load);
		config_validate_unique(load.origins, store->config.n_interfaces, errors);
		config_validate_storage(&store->config, &store->sources, load.invalid, errors);
		config_validate_identity(&store->config, &store->sources, load.invalid, errors);
		r = directories_resolve(&store->config);
		if (r < 0)
			load.result = r;
	}
	free(load.origins);
	return load.result == 0 && errors->n > 0 ? -EINVAL : load.result;
}

int config_load(const char *path, FILE *errors, struct config **ret_config)
{
	struct store *store = calloc(1, sizeof(*store));
	struct config_errors found = {0};
	int r = -ENOMEM;

	if (store)
		r = store_fill(store, path, &found);
	config_errors_print(&found, errors);
	if (r < 0 && found.n == 0)
		fprintf(errors, "%s: %s\n", path, strerror(-r));
	config_errors_done(&found);
	if (r == 0)
		*ret_config = &store->config;
	else if (store)
		config_free(&store->config);
	return r;
}

void config_free(struct config *config)
{
	struct store *store = (struct store *)config; /* its first member */

	if (!config)
		return;
	for (size_t i = 0; i < config->n_interfaces; i++)
		free((void *)(uintptr_t)config->interfaces[i].cpus); /* const for readers only */
	free(config->interfaces);
	free(config->storage.directories);
	config_sources_done(&store->sources);
	free(store);
}
