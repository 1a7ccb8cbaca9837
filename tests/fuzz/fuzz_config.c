// SPDX-License-Identifier: BSD-3-Clause
/*
 * libFuzzer entry: any bytes as a configuration file. What loads must dump, and load again.
 *
 * By hand, from a build folder made with CC=clang:
 *   clang -g -fsanitize=fuzzer,address,undefined -include autoconfig.h -I../lib -I.. \
 *     -DFANCAP_SYSCONFDIR='"/etc"' -DFANCAP_LOCALSTATEDIR='"/var"' -DFANCAP_RUNSTATEDIR='"/run"' \
 *     ../tests/fuzz/fuzz_config.c ../daemon/config*.c ../daemon/config/units.c \
 *     ../lib/error.c ../lib/fanout.c ../lib/filter.c ../lib/geometry.c -lcyaml -lyaml -lpcap
 *   ./a.out -max_len=4096 CORPUS ../tests/unit/config
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Load bytes through a file in memory. @return NULL if they are refused */
static struct config *bytes_load(const void *bytes, size_t size, FILE *errors)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct config *config = NULL;
	char path[64];

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (config_load(path, errors, &config) < 0 && config)
		abort();
	close(fd);
	return config;
}

static char *config_text(const struct config *config, size_t *ret_size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, ret_size);

	if (!out || config_dump(config, out) < 0)
		abort();
	fclose(out);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *errors;
	struct config *config;

	if (!errors)
		errors = fopen("/dev/null", "w");
	config = bytes_load(data, size, errors);
	if (config) {
		size_t length;
		char *text = config_text(config, &length);
		struct config *again = bytes_load(text, length, errors);

		if (!again)
			abort();
		config_free(again);
		free(text);
	}
	config_free(config);
	return 0;
}
