// SPDX-License-Identifier: BSD-3-Clause
#ifndef FANCAP_ERROR_H
#define FANCAP_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Why a set-up function failed, in words for the user: the step, what was wrong and what is allowed.
 *
 * Functions that take one also return -errno; the pointer may be NULL. The text is set on failure only.
 */
struct fancap_error {
	char text[320];
};

/** Fill in the text, printf-like. Keeps errno. @param err may be NULL */
void fancap_error_set(struct fancap_error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif

#endif
