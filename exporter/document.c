// SPDX-License-Identifier: BSD-3-Clause
#include "exporter/document.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

json_t *document_new(const struct inquiry_answer *answer)
{
	const char *state = json_string_value(json_object_get(answer->status, "state"));
	bool ready = answer->statistics && state && !strcmp(state, "running");
	const char *reason = answer->reason;
	char text[64];

	if (!ready && !reason) {
		snprintf(text, sizeof(text), "fancapd is %.40s", state ? state : "in a state that is not known");
		reason = text;
	}
	return json_pack("{s:b, s:b, s:s?, s:s, s:O?, s:O?}", "up", answer->status != NULL, "ready", ready, "reason", reason,
			 "exporter", PACKAGE_VERSION, "status", answer->status, "statistics", answer->statistics);
}
