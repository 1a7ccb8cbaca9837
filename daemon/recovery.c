// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/recovery.h"
#include "daemon/recovery.h"
#include "daemon/segment.h"
#include "lib/newfile.h"

#define RECORDING_PART ".pcapng" SEGMENT_PART
#define DAMAGED ".damaged"

static bool ends_in(const char *name, const char *ending)
{
	size_t n = strlen(name), e = strlen(ending);

	return n > e && strcmp(name + n - e, ending) == 0;
}

/* --- one recording ------------------------------------------------------------------------------------------ */

/* The copy comes first: without it PATH.part is tried again. If that was killed then, PATH is there already. */
static int publish_copy(const char *part, const char *path, struct fancap_recover_options *options,
			struct fancap_recover_result *ret_result, struct fancap_error *err)
{
	char damaged[PATH_MAX];
	int r = snprintf(damaged, sizeof(damaged), "%s" DAMAGED, path);

	if (r < 0 || (size_t)r >= sizeof(damaged)) {
		fancap_error_set(err, "%s: %s", part, strerror(ENAMETOOLONG));
		return -ENAMETOOLONG;
	}
	options->mode = FANCAP_RECOVER_COPY;
	r = fancap_recover_file(part, path, options, ret_result, err);
	if (r < 0 && r != -EEXIST)
		return r;
	ret_result->made = true;
	r = newfile_rename(part, damaged);
	if (r == 0)
		r = newfile_sync_folder(damaged);
	if (r < 0)
		fancap_error_set(err, "%s: %s", damaged, strerror(-r));
	return r;
}

int recovery_publish(const char *part, fancap_recover_progress progress, void *arg,
		     struct fancap_recover_result *ret_result, struct fancap_error *err)
{
	struct fancap_recover_options options = {.mode = FANCAP_RECOVER_IN_PLACE, .progress = progress, .arg = arg};
	char path[PATH_MAX];
	int r;

	*ret_result = (struct fancap_recover_result){0};
	if (!ends_in(part, SEGMENT_PART) || strlen(part) >= sizeof(path)) {
		fancap_error_set(err, "%s: its name does not end in " SEGMENT_PART, part);
		return -EINVAL;
	}
	snprintf(path, sizeof(path), "%.*s", (int)(strlen(part) - strlen(SEGMENT_PART)), part);
	r = fancap_recover_file(part, path, &options, ret_result, err);
	return r == -EUCLEAN ? publish_copy(part, path, &options, ret_result, err) : r;
}

/* --- fancapd --recover -------------------------------------------------------------------------------------- */

static int recover_part(const char *part, struct fancap_error *err)
{
	struct fancap_recover_result result;
	struct recovery_display display;
	char path[PATH_MAX];
	int r;

	recovery_display_start(&display, stderr, part);
	r = recovery_publish(part, recovery_display_progress, &display, &result, err);
	recovery_display_end(&display);
	if (r < 0)
		return r;
	recovery_name(part, path, sizeof(path));
	recovery_print(stdout, part, path, &result);
	return 0;
}

static int recover_other(const char *from, struct fancap_error *err)
{
	struct recovery_display display;
	struct fancap_recover_options options = {
		.needed_only = true, .progress = recovery_display_progress, .arg = &display};
	struct fancap_recover_result result;
	char to[PATH_MAX];
	int r = recovery_name(from, to, sizeof(to));

	if (r < 0) {
		fancap_error_set(err, "%s: %s", from, strerror(-r));
		return r;
	}
	recovery_display_start(&display, stderr, from);
	r = fancap_recover_file(from, to, &options, &result, err);
	recovery_display_end(&display);
	if (r == 0)
		recovery_print(stdout, from, to, &result);
	return r;
}

/* What is being written, or never was, is as it should be; unless it was asked for by name. */
static int judge(bool named, int r, const struct fancap_error *err)
{
	if (r < 0)
		fprintf(stderr, "fancapd: %s\n", err->text);
	return !named && (r == -EBUSY || r == -ENODATA) ? 0 : r;
}

static int visit(const FTSENT *entry)
{
	struct fancap_error err = {""};
	int r = 0;

	switch (entry->fts_info) {
	case FTS_F:
		if (ends_in(entry->fts_name, RECORDING_PART))
			r = judge(false, recover_part(entry->fts_path, &err), &err);
		break;
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		r = -entry->fts_errno;
		fprintf(stderr, "fancapd: %s: %s\n", entry->fts_path, strerror(entry->fts_errno));
		break;
	}
	return r;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* @return 0; -ECANCELED; -errno something failed */
static int recover_folder(char *folder)
{
	char *const roots[] = {folder, NULL};
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	const FTSENT *entry;
	int worst = 0;

	if (fts == NULL) {
		worst = -errno;
		fprintf(stderr, "fancapd: %s: %s\n", folder, strerror(-worst));
		return worst;
	}
	while (worst != -ECANCELED && (entry = fts_read(fts)) != NULL) {
		int r = visit(entry);

		if (worst == 0 || r == -ECANCELED)
			worst = r;
	}
	fts_close(fts);
	return worst;
}

static int recover_path(char *path)
{
	struct fancap_error err = {""};
	struct stat st;
	int r;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return recover_folder(path);
	r = ends_in(path, SEGMENT_PART) ? recover_part(path, &err) : recover_other(path, &err);
	return judge(true, r, &err);
}

int recovery_run(char *const *paths)
{
	int status = EXIT_SUCCESS, r = 0;

	recovery_catch_signals();
	for (; *paths != NULL && r != -ECANCELED; paths++) {
		r = recover_path(*paths);
		if (r < 0)
			status = EXIT_FAILURE;
	}
	if (fflush(stdout) != 0) {
		perror("fancapd: standard output");
		status = EXIT_FAILURE;
	}
	return status;
}
