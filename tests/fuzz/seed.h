// SPDX-License-Identifier: BSD-3-Clause
/* How the programs that make the first inputs of a fuzzer write them. */
#ifndef TESTS_FUZZ_SEED_H
#define TESTS_FUZZ_SEED_H

#include <stddef.h>
#include <stdio.h>

/** Write an input, DIR/NAME. @return 0, or 1: it has been said why not */
static inline int seed_save(const char *dir, const char *name, const void *bytes, size_t n)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wbe");
	if (f == NULL || fwrite(bytes, n, 1, f) != 1 || fclose(f) != 0) {
		perror(path);
		return 1;
	}
	return 0;
}

#endif
