// SPDX-License-Identifier: BSD-3-Clause
/* Writes the first inputs of the capture file fuzzer: seed_capfile DIR. Run by hand when the samples change. */

#include "tests/fuzz/seed.h"
#include "tests/unit/capfiles.h"

static int save(const char *dir, const char *name, const struct test_capfile *file)
{
	return seed_save(dir, name, file->bytes, file->n);
}

static int save_damaged(const char *dir)
{
	struct test_capfile file;
	int failed = 0;

	capfile_sample(0, &file);
	capfile_set32(&file, 32, 0xFFFFFFFF);
	failed |= save(dir, "pcap-caplen-max", &file);
	capfile_sample(0, &file);
	file.n -= 1;
	failed |= save(dir, "pcap-torn", &file);
	capfile_sample(6, &file);
	capfile_set32(&file, 32, 0xFFFFFFFC);
	failed |= save(dir, "pcapng-block-max", &file);
	capfile_sample(6, &file);
	file.n = file.ends[2];
	capfile_enhanced(&file, 0xFFFFFFFF, 1, 4, 4, 0);
	failed |= save(dir, "pcapng-interface-max", &file);
	capfile_sample(6, &file);
	file.n = file.ends[0];
	capfile_interface_timed(&file, 1, 0xFF, INT64_MIN);
	capfile_enhanced(&file, 0, UINT64_MAX, 4, 4, 0);
	failed |= save(dir, "pcapng-time-min", &file);
	return failed;
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc != 2)
		return 2;
	for (unsigned i = 0; i < CAPFILE_SAMPLES; i++) {
		struct test_capfile file;
		const char *name = capfile_sample(i, &file);

		failed |= save(argv[1], name, &file);
	}
	return failed | save_damaged(argv[1]);
}
