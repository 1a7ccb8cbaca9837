// SPDX-License-Identifier: BSD-3-Clause
/* Writes the first inputs of the fuzzer of recordings' ends: seed_summary DIR. Run by hand when the samples change. */
#include <string.h>

#include "tests/fuzz/seed.h"
#include "tests/unit/torn.h"

#define END_BYTES 512u

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
	failed |= seed_save(argv[1], "packet", sample.bytes + sample.n - END_BYTES, END_BYTES);
	failed |= seed_save(argv[1], "statistics", end - END_BYTES, END_BYTES);
	failed |= seed_save(argv[1], "statistics-alone", end - TORN_CLOSING_BYTES, TORN_CLOSING_BYTES);
	memcpy(end, end - TORN_CLOSING_BYTES, TORN_CLOSING_BYTES);
	failed |= seed_save(argv[1], "statistics-twice", end + TORN_CLOSING_BYTES - END_BYTES, END_BYTES);
	memset(end - 4, 0xFF, 4);
	failed |= seed_save(argv[1], "length-max", end - END_BYTES, END_BYTES);
	failed |= seed_save(argv[1], "torn", end - END_BYTES, END_BYTES - 5);
	return failed;
}
