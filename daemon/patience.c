// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/patience.h"

void patience_begin(struct patience *patience, uint64_t limit_ns, uint64_t progress, uint64_t now_ns)
{
	*patience = (struct patience){.limit_ns = limit_ns, .progress = progress, .since_ns = now_ns};
}

bool patience_is_over(struct patience *patience, uint64_t progress, uint64_t now_ns)
{
	/* Looked at late, because we were stopped ourselves, say: what was done meanwhile counts. */
	if (progress != patience->progress)
		patience_begin(patience, patience->limit_ns, progress, now_ns);
	return now_ns - patience->since_ns >= patience->limit_ns;
}
