// SPDX-License-Identifier: BSD-3-Clause
/* Writes the first inputs of the fuzzer of recordings' ends: seed_summary DIR. Run by hand when the samples change. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/torn.h"

#define END_BYTES 512u

static int save(const char *dir, const char *name, const uint8_t *bytes, size_t n)
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

int main(int argc, char **argv)
{
	static struct torn_sample sample;
	static uint8_t closed[TORN_BYTES_MAX + TORN_CLOSING_BYTES];
	uint8_t *end;
	int failed = 0;

	if (argc != 2)
		return 2;
	torn_sample_make(&sample, 8192);
	end = closed + torn_expect(&sample, torn_block_before(&sample, sample.n), closed);
	failed |= save(argv[1], "packet", sample.bytes + sample.n - END_BYTES, END_BYTES);
	failed |= save(argv[1], "statistics", end - END_BYTES, END_BYTES);
	failed |= save(argv[1], "statistics-alone", end - TORN_CLOSING_BYTES, TORN_CLOSING_BYTES);
	memcpy(end, end - TORN_CLOSING_BYTES, TORN_CLOSING_BYTES);
	failed |= save(argv[1], "statistics-twice", end + TORN_CLOSING_BYTES - END_BYTES, END_BYTES);
	memset(end - 4, 0xFF, 4);
	failed |= save(argv[1], "length-max", end - END_BYTES, END_BYTES);
	failed |= save(argv[1], "torn", end - END_BYTES, END_BYTES - 5);
	return failed;
}
