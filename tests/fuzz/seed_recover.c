// SPDX-License-Identifier: BSD-3-Clause
/* Writes the first inputs of the recovery fuzzer: seed_recover DIR. Run by hand when the samples change. */
#include <string.h>

#include "tests/fuzz/seed.h"
#include "tests/unit/capfiles.h"
#include "tests/unit/torn.h"

/* Lengths and counters at their limits. */
static int save_hostile(const char *dir)
{
	struct test_capfile file = {0};
	int failed;

	capfile_section(&file, 28);
	capfile_interface(&file, 1, 0);
	capfile_enhanced(&file, 0, UINT64_MAX, 4, 4, 0);
	failed = seed_save(dir, "section-too-long-for-its-header", file.bytes, file.n);
	capfile_section(&file, 20);
	failed |= seed_save(dir, "section-length-wrong-and-another-behind", file.bytes, file.n);
	file = (struct test_capfile){.big_endian = true};
	capfile_section(&file, UINT64_MAX);
	capfile_interface(&file, 1, 0);
	capfile_obsolete(&file, 0, 1, 4, 4, 0);
	capfile_block_start(&file, 5);
	capfile_put32(&file, 0);
	capfile_put64(&file, 0);
	for (uint16_t code = 6; code <= 8; code++) {
		capfile_put16(&file, code);
		capfile_put16(&file, 8);
		capfile_put64(&file, UINT64_MAX - (code == 7));
	}
	capfile_block_end(&file, 0);
	capfile_obsolete(&file, 0, 0, 4, 4, 0);
	failed |= seed_save(dir, "statistics-max", file.bytes, file.n);
	file.big_endian = false;
	capfile_section(&file, UINT64_MAX);
	failed |= seed_save(dir, "second-section-torn", file.bytes, file.n - 8);
	return failed;
}

int main(int argc, char **argv)
{
	static struct torn_sample sample;
	int failed = 0;

	if (argc != 2)
		return 2;
	for (unsigned i = 0; i < CAPFILE_SAMPLES; i++) {
		struct test_capfile file;
		const char *name = capfile_sample(i, &file);

		failed |= seed_save(argv[1], name, file.bytes, file.n - 5);
	}
	torn_sample_make(&sample, 1);
	failed |= seed_save(argv[1], "recording", sample.bytes, sample.n);
	failed |= seed_save(argv[1], "recording-torn", sample.bytes, sample.n - 9);
	memset(sample.bytes + 2048, 0, 512);
	failed |= seed_save(argv[1], "recording-with-a-hole", sample.bytes, sample.n);
	return failed | save_hostile(argv[1]);
}
