// SPDX-License-Identifier: BSD-3-Clause
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/** What a fuzz target does with one input: libFuzzer calls it with its own, replay.c with those of the corpus. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
