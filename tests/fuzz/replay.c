// SPDX-License-Identifier: BSD-3-Clause
/*
 * Give a fuzz target the files of a folder, one TAP test each: what a fuzzer has found stays found. The program's name
 * says which folder: replay_block reads $SRCDIR/tests/fuzz/corpus/block.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (1u << 20)

static int replay(const char *dir, const char *name)
{
	static uint8_t input[INPUT_MAX];
	char path[4096];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rbe");
	if (f == NULL)
		return -errno;
	n = fread(input, 1, sizeof(input), f);
	fclose(f);
	return LLVMFuzzerTestOneInput(input, n);
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	const char *srcdir = getenv("SRCDIR"), *name = strrchr(argv[0], '_');
	struct dirent **entries;
	char dir[2048];
	int n, failed = 0;

	if (argc > 1)
		snprintf(dir, sizeof(dir), "%s", argv[1]);
	else
		snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s", srcdir != NULL ? srcdir : ".",
			 name != NULL ? name + 1 : "");
	n = scandir(dir, &entries, is_input, alphasort);
	if (n <= 0) {
		printf("Bail out! no corpus in %s\n", dir);
		return 1;
	}
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		int r = replay(dir, entries[i]->d_name);

		failed += r != 0;
		printf("%s %d - %s\n", r == 0 ? "ok" : "not ok", i + 1, entries[i]->d_name);
		fflush(stdout); /* a crash shows which one it was */
		free(entries[i]);
	}
	free(entries);
	return failed != 0;
}
