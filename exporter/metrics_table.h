// SPDX-License-Identifier: BSD-3-Clause
#ifndef EXPORTER_METRICS_TABLE_H
#define EXPORTER_METRICS_TABLE_H

#include <stddef.h>

#define METRIC_VALUES_MAX 6

/** What a metric is of: there is one sample (or set of samples) for each. */
enum metric_scope {
	METRIC_OF_EXPORTER,
	METRIC_OF_DAEMON,
	METRIC_OF_DIRECTORY, ///< labelled `directory`
	METRIC_OF_INTERFACE, ///< labelled `interface`
	METRIC_OF_WORKER,    ///< labelled `interface` and `worker`
	METRIC_SCOPES
};

/** What becomes of a value. One that is null or missing has no sample, but for METRIC_PRESENT. */
enum metric_kind {
	METRIC_NUMBER,	///< as it is; true is 1, false 0
	METRIC_SECONDS, ///< nanoseconds, in seconds
	METRIC_PRESENT, ///< 1 if it is there, 0 if not
	METRIC_STATE,	///< one of several words: a sample for each, 1 for the one that it is
	METRIC_INFO,	///< words: they are labels of one sample, which is 1
};

/** Where a value is, from the object that the scope is about: "a.b" is member b of member a. */
struct metric_value {
	const char *path;
	const char *label; ///< value of the metric's label; of METRIC_INFO the label's name
};

/** A metric: one row, and all there is to know of it. */
struct metric {
	const char *name;
	const char *type; ///< "counter" or "gauge"
	enum metric_scope scope;
	enum metric_kind kind;
	const char *label;			       ///< what tells the values apart; NULL: there is one
	struct metric_value values[METRIC_VALUES_MAX]; ///< up to the first without path
	const char *help;
};

extern const struct metric metrics_table[];
extern const size_t metrics_table_length;

#endif
