// SPDX-License-Identifier: BSD-3-Clause
/* The control socket of a daemon that captures nothing, to try clients on: control_server SOCKET [WORKERS] */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/fake_source.h"

int main(int argc, char **argv)
{
	struct fake_source fake = { .n_workers = 2 };

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: control_server SOCKET [WORKERS]\n");
		return 2;
	}
	if (argc == 3)
		fake.n_workers = (size_t)strtoul(argv[2], NULL, 10);
	return fake_source_serve(argv[1], &fake, NULL) < 0;
}
