// SPDX-License-Identifier: BSD-3-Clause
#ifndef TESTS_UNIT_FAKE_SOURCE_H
#define TESTS_UNIT_FAKE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/control.h"

/** A daemon that captures nothing: what it would tell a control client is made up, and always the same. */
struct fake_source {
	size_t n_workers;     ///< of each of the two interfaces
	bool no_snapshot;     ///< as if there was nothing to tell yet
	bool missing;	      ///< the second interface's device is
	const char *version;  ///< NULL: "0.0.0-test"
};

/** @param fake must outlive the source */
struct control_source fake_source(struct fake_source *fake);

/** Serve on a socket until SIGTERM; limits may be NULL. @return 0, or -errno from control_open(), said on stderr */
int fake_source_serve(const char *path, struct fake_source *fake, const struct control_limits *limits);

#endif
