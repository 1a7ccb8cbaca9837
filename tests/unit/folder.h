// SPDX-License-Identifier: BSD-3-Clause
/* A temporary folder of a test's own. */
#ifndef TESTS_FOLDER_H
#define TESTS_FOLDER_H

#include <stddef.h>

/** Make one below $TMPDIR or /tmp. @return its path, freed by folder_remove() */
char *folder_make(void);

/** Remove it with all that is in it. NULL is fine. */
void folder_remove(char *folder);

/** How many files below the folder end in this. */
size_t folder_count(const char *folder, const char *suffix);

/** Call for every file below the folder that ends in this, in the order of their names. */
void folder_each(const char *folder, const char *suffix, void (*visit)(const char *path, void *arg),
		 void *arg);

#endif
