// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_SUGGEST_H
#define CTL_SUGGEST_H

/**
 * The word that was probably meant: one that `word` begins, or that is two letters off at most (changed, missing, too many,
 * swapped), but less than half of it.
 *
 * @param candidates ends with NULL
 * @return one of them, or NULL
 */
const char *suggest(const char *word, const char *const *candidates);

#endif
