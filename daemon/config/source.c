// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/config/source.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config/check.h"

/* config_check_form() has named the unknown keys already; leaving them out lets the rest be checked. */
static const cyaml_config_t load_config = {
	.mem_fn = cyaml_mem,
	.flags = CYAML_CFG_IGNORE_UNKNOWN_KEYS | CYAML_CFG_NO_ALIAS,
};

static int texts_load(const struct config_schema *schema, struct config_source *source,
		      struct config_errors *errors)
{
	const struct config_document *document = &source->document;
	cyaml_data_t *data = NULL;
	cyaml_err_t r;

	if (!document->root)
		return 0;
	r = cyaml_load_data(document->bytes, document->size, &load_config,
			    config_schema_top(schema), &data, NULL);
	if (r != CYAML_OK) {
		struct config_place place = config_document_place(document, NULL, document->root);

		config_errors_add(errors, &place, NULL, "cannot be loaded: %s", cyaml_strerror(r));
		return r == CYAML_ERR_OOM ? -ENOMEM : -EINVAL;
	}
	source->texts = data;
	return 0;
}

static int source_read(struct config_sources *sources, const char *path,
		       struct config_errors *errors)
{
	struct config_source *source = &sources->items[sources->n];
	int r;

	r = config_document_read(&source->document, path, (unsigned)sources->n++, errors);
	if (r == 0)
		r = config_check_form(&source->document, config_schema_top(sources->schema),
				      errors);
	if (r == 0)
		r = texts_load(sources->schema, source, errors);
	return r;
}

/* --- conf.d --- */

static int name_is_yaml(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot && strcmp(dot, ".yaml") == 0;
}

/** By bytes: alphasort() would follow the locale. */
static int names_compare(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/** `conf.d` beside a file. @return allocated, or NULL: no memory */
static char *folder_beside(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *folder = NULL;

	if (asprintf(&folder, "%.*sconf.d", slash ? (int)(slash - path + 1) : 0, path) < 0)
		return NULL;
	return folder;
}

static void paths_free(char **paths, size_t n)
{
	for (size_t i = 0; paths && i < n; i++)
		free(paths[i]);
	free(paths);
}

/** List conf.d's files. A missing folder is none. @return their number, or -errno */
static int folder_list(const char *folder, struct dirent ***ret_names, struct config_errors *errors)
{
	int n = scandir(folder, ret_names, name_is_yaml, names_compare), r = -errno;

	if (n >= 0)
		return n;
	*ret_names = NULL;
	if (r == -ENOENT || r == -ENOTDIR)
		return 0;
	config_errors_add(errors, &(struct config_place){.file = folder}, NULL,
			  "cannot be read: %s", strerror(-r));
	return r;
}

/** Name the files to read, main file first. @return their number, or -errno */
static int paths_list(const char *folder, const char *path, char ***ret_paths,
		      struct config_errors *errors)
{
	struct dirent **names;
	int n_names = folder_list(folder, &names, errors), n = 0;
	char **paths;

	if (n_names < 0)
		return n_names;
	paths = calloc((size_t)n_names + 1, sizeof(*paths));
	if (paths && (paths[0] = strdup(path)))
		n = 1;
	for (int i = 0; i < n_names; i++) {
		if (n > 0 && asprintf(&paths[n], "%s/%s", folder, names[i]->d_name) >= 0)
			n++;
		free(names[i]);
	}
	free(names);
	if (n != n_names + 1) {
		paths_free(paths, (size_t)n);
		return -ENOMEM;
	}
	*ret_paths = paths;
	return n;
}

int config_sources_read(struct config_sources *sources, const char *path,
			struct config_errors *errors)
{
	char **paths = NULL;
	int n, result = 0;

	sources->schema = config_schema_new();
	sources->folder = folder_beside(path);
	if (!sources->schema || !sources->folder)
		return -ENOMEM;
	n = paths_list(sources->folder, path, &paths, errors);
	if (n < 0)
		return n;
	sources->items = calloc((size_t)n, sizeof(*sources->items));
	if (!sources->items)
		result = -ENOMEM;
	for (int i = 0; i < n && result != -ENOMEM; i++) {
		int r = source_read(sources, paths[i], errors);

		if (result == 0)
			result = r;
	}
	paths_free(paths, (size_t)n);
	return result;
}

void config_sources_done(struct config_sources *sources)
{
	for (size_t i = 0; i < sources->n; i++) {
		struct config_source *source = &sources->items[i];

		if (source->texts)
			cyaml_free(&load_config, config_schema_top(sources->schema), source->texts,
				   0);
		config_document_done(&source->document);
	}
	free(sources->items);
	free(sources->folder);
	config_schema_free(sources->schema);
	*sources = (struct config_sources){0};
}
