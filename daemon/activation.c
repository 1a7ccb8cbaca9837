// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/activation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

/* What a manager passes for want of a name. */
#define UNNAMED "unknown"

static void names_free(char **names)
{
	for (char **name = names; name != NULL && *name != NULL; name++)
		free(*name);
	free(names);
}

/* @return the descriptor, or -EINVAL */
static int choose(char *const *names, int n, struct fancap_error *err)
{
	if (n != 1) {
		fancap_error_set(err, "control socket: %d sockets were passed; allowed: one, see fancapd.socket", n);
		return -EINVAL;
	}
	if (strcmp(names[0], ACTIVATION_CONTROL) != 0 && strcmp(names[0], UNNAMED) != 0) {
		fancap_error_set(err, "control socket: a descriptor named '%s' was passed; allowed: FileDescriptorName=%s",
				 names[0], ACTIVATION_CONTROL);
		return -EINVAL;
	}
	return SD_LISTEN_FDS_START;
}

int activation_control(struct fancap_error *err)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(1, &names), r;

	if (n == 0)
		r = -ENOENT;
	else if (n > 0)
		r = choose(names, n, err);
	else
		r = n;
	if (n < 0)
		fancap_error_set(err, "control socket: what was passed cannot be read: %s", strerror(-n));
	names_free(names);
	return r;
}
