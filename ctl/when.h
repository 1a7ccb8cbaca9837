// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_WHEN_H
#define CTL_WHEN_H

#include <stdint.h>

#define WHEN_ALLOWED "2023-11-14T22:13:20Z, 2023-11-14, today, yesterday, now, -2h (before now), or seconds since 1970"

/**
 * Read a time as people write it, see WHEN_ALLOWED. Without an offset it is UTC, as in the names of the files.
 *
 * @param now_ns what it is relative to
 * @param ret_ns set on success only: nanoseconds since 1970
 * @return 0; -EINVAL no such text, no such day, before 1970 or after 2262
 */
int when_parse(const char *text, uint64_t now_ns, int64_t *ret_ns);

#endif
