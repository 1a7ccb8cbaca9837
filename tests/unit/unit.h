// SPDX-License-Identifier: BSD-3-Clause
/* What every unit test includes first: cmocka, with the headers it wants before it. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

/** Assert that a text (an error message, say) has a part in it. */
#define assert_has(text, part) \
	do { \
		if (strstr(text, part) == NULL) \
			fail_msg("\"%s\" is not in \"%s\"", part, text); \
	} while (0)

#endif
