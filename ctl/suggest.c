// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/suggest.h"

#include <stddef.h>
#include <string.h>

#define LETTERS_MAX 32
#define DISTANCE_MAX 2

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many letters to change, add, take away or swap with the next one. Of words of LETTERS_MAX letters at most. */
static size_t distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
	size_t cost[LETTERS_MAX + 1][LETTERS_MAX + 1];

	for (size_t i = 0; i <= n_a; i++)
		cost[i][0] = i;
	for (size_t k = 0; k <= n_b; k++)
		cost[0][k] = k;
	for (size_t i = 1; i <= n_a; i++) {
		for (size_t k = 1; k <= n_b; k++) {
			cost[i][k] = min(min(cost[i - 1][k], cost[i][k - 1]) + 1,
					 cost[i - 1][k - 1] + (a[i - 1] != b[k - 1]));
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
				cost[i][k] = min(cost[i][k], cost[i - 2][k - 2] + 1);
		}
	}
	return cost[n_a][n_b];
}

const char *suggest(const char *word, const char *const *candidates)
{
	size_t n = strlen(word), best = DISTANCE_MAX + 1;
	const char *meant = NULL;

	if (n < 2 || n > LETTERS_MAX)
		return NULL;
	for (; *candidates; candidates++) {
		size_t n_candidate = strlen(*candidates), d;

		if (n_candidate > LETTERS_MAX)
			continue;
		d = strncmp(*candidates, word, n) ? distance(word, n, *candidates, n_candidate) : 0;
		if (d < best && 2 * d < n) {
			best = d;
			meant = *candidates;
		}
	}
	return meant;
}
