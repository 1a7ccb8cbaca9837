// SPDX-License-Identifier: BSD-3-Clause
#include "unit.h"

#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "folder.h"

char *folder_make(void)
{
	const char *base = getenv("TMPDIR");
	char *path = NULL;

	assert_true(asprintf(&path, "%s/fancap-test-XXXXXX", base != NULL ? base : "/tmp") > 0);
	assert_non_null(mkdtemp(path));
	return path;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void folder_remove(char *folder)
{
	if (folder != NULL)
		nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	free(folder);
}

/* Files lie in the folder, or in folders in it: "<day>/<name>". */
void folder_each(const char *folder, const char *suffix, void (*visit)(const char *path, void *arg),
		 void *arg)
{
	char pattern[512];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/*/*%s", folder, suffix);
	if (glob(pattern, 0, NULL, &found) != 0)
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		visit(found.gl_pathv[i], arg);
	globfree(&found);
}

static void count_one(const char *path, void *arg)
{
	(void)path;
	++*(size_t *)arg;
}

size_t folder_count(const char *folder, const char *suffix)
{
	size_t n = 0;

	folder_each(folder, suffix, count_one, &n);
	return n;
}
