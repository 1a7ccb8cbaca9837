// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_CHECK_FINDINGS_H
#define CTL_CHECK_FINDINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "ctl/ctl.h"

/** From harmless to not. */
enum severity { FINDING_OK, FINDING_NOTICE, FINDING_WARNING, FINDING_CRITICAL, FINDING_SEVERITIES };

struct finding {
	enum severity severity;
	const char *about; ///< static: "mtu"
	char subject[64];  ///< an interface, a directory; "": the machine
	char what[256];
	const char *why;   ///< static; why it matters, NULL: it does not
	char mend[256];	   ///< a command, or what to write where; "": nothing is to be mended
};

struct findings {
	struct finding *rows;
	size_t n, capacity;
	bool failed; ///< no memory for one
};

void findings_done(struct findings *findings);

/** Add one. @param why NULL: all is well @param mend a format, NULL: nothing to mend */
struct finding *findings_add(struct findings *findings, enum severity severity, const char *about, const char *subject,
			     const char *why, const char *what, ...) __attribute__((format(printf, 6, 7)));
void finding_mend(struct finding *finding, const char *mend, ...) __attribute__((format(printf, 2, 3)));

/** The worst there is; FINDING_OK if there is none. */
enum severity findings_worst(const struct findings *findings);

/** Print them, as JSON or for people: the worst first, what is well in one line each. */
enum ctl_exit findings_print(const struct ctl *ctl, const struct findings *findings);

#endif
