// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/paths.h"

int path_make_parents(const char *file, mode_t mode)
{
	char path[PATH_MAX];

	if (strlen(file) >= sizeof(path))
		return -ENAMETOOLONG;
	strcpy(path, file);
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, mode) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return 0;
}

int path_make(const char *folder, mode_t mode)
{
	int r = path_make_parents(folder, mode);

	if (r == 0 && mkdir(folder, mode) < 0 && errno != EEXIST)
		r = -errno;
	return r;
}
