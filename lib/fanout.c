// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "fancap/fanout.h"

static const char *const mode_names[] = {
	[FANCAP_FANOUT_HASH] = "hash", [FANCAP_FANOUT_LB] = "lb",
	[FANCAP_FANOUT_CPU] = "cpu",   [FANCAP_FANOUT_ROLLOVER] = "rollover",
	[FANCAP_FANOUT_RND] = "rnd",   [FANCAP_FANOUT_QM] = "qm",
	[FANCAP_FANOUT_CBPF] = "cbpf", [FANCAP_FANOUT_EBPF] = "ebpf",
};

#define N_MODES (sizeof(mode_names) / sizeof(mode_names[0]))

const char *fancap_fanout_mode_name(enum fancap_fanout_mode mode)
{
	return (size_t)mode < N_MODES ? mode_names[mode] : NULL;
}

int fancap_fanout_mode_parse(const char *name, enum fancap_fanout_mode *ret_mode)
{
	for (size_t i = 0; i < N_MODES; i++) {
		if (strcmp(name, mode_names[i]) == 0) {
			*ret_mode = (enum fancap_fanout_mode)i;
			return 0;
		}
	}
	return -EINVAL;
}
