// SPDX-License-Identifier: BSD-3-Clause
#ifndef TESTS_UNIT_FAKE_SOURCE_H
#define TESTS_UNIT_FAKE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/control.h"
#include "daemon/segments.h"

#define FAKE_JOBS_MAX 64

/**
 * A daemon that captures nothing: what it would tell a control client is made up, and always the same. Rotations are
 * over when fake_source_end_jobs() is called, which a reload does too.
 */
struct fake_source {
	size_t n_workers;     ///< of each of the two interfaces
	bool no_snapshot;     ///< as if there was nothing to tell yet
	bool missing;	      ///< the second interface's device is
	const char *version;  ///< NULL: "0.0.0-test"
	const char *admin_group;
	struct events *events; ///< the caller's; fake_source_serve() makes its own
	enum reload_result reload_result; ///< of every reload
	bool reload_takes_time; ///< it is a job, too
	const char *reload_reasons;
	int segments_result; ///< of what is asked about files
	struct segments_query query; ///< as ListSegments was called last
	bool held;	     ///< Hold was called last, not Release
	size_t n_paths;	     ///< with so many paths
	const char *filter; ///< as SetFilter was called last
	bool filter_configured;
	bool paused[2];
	int log_level;
	unsigned reloads; ///< how many there were
	unsigned snapshots; ///< how many were taken
	struct control_job *jobs[FAKE_JOBS_MAX]; ///< rotations under way
	size_t n_jobs;
};

void fake_source_end_jobs(struct fake_source *fake, bool in_time);

/** @param fake must outlive the source */
struct control_source fake_source(struct fake_source *fake);

/** Serve on a socket until SIGTERM; limits may be NULL. @return 0, or -errno from control_open(), said on stderr */
int fake_source_serve(const char *path, struct fake_source *fake, const struct control_limits *limits);

#endif
