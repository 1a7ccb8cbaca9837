// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/activation.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/store.h"

int activation_take(struct activation *ret, struct fancap_error *err)
{
	int n;

	*ret = (struct activation){0};
	n = sd_listen_fds_with_names(true, &ret->names);
	if (n > 0)
		ret->fds = calloc((size_t)n, sizeof(*ret->fds));
	if (n < 0 || (n > 0 && ret->fds == NULL)) {
		n = n < 0 ? n : -ENOMEM;
		fancap_error_set(err, "the descriptors that were passed cannot be taken: %s", strerror(-n));
		return n;
	}
	for (; ret->n < (size_t)n; ret->n++)
		ret->fds[ret->n] = SD_LISTEN_FDS_START + (int)ret->n;
	return 0;
}

/* Without FileDescriptorName= systemd gives a unit's name; systemd-socket-activate says "unknown". */
static bool is_control(const char *name)
{
	size_t length = strlen(name);

	return strcmp(name, "control") == 0 || strcmp(name, "unknown") == 0 ||
	       (length > 7 && strcmp(name + length - 7, ".socket") == 0);
}

int activation_control(const struct activation *activation, struct fancap_error *err)
{
	int found = -ENOENT, n = 0;

	for (size_t i = 0; i < activation->n; i++) {
		if (is_control(activation->names[i])) {
			found = activation->fds[i];
			n++;
		} else if (!store_owns(activation->names[i])) {
			log_warning("a descriptor named '%s' was passed, which is no use: closed", activation->names[i]);
			close(activation->fds[i]);
		}
	}
	if (n <= 1)
		return found;
	fancap_error_set(err, "control socket: %d sockets were passed; allowed: one", n);
	return -EINVAL;
}

void activation_done(struct activation *activation)
{
	for (char **name = activation->names; name != NULL && *name != NULL; name++)
		free(*name);
	free(activation->names);
	free(activation->fds);
	*activation = (struct activation){0};
}
