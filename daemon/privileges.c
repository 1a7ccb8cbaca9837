// SPDX-License-Identifier: BSD-3-Clause
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "daemon/privileges.h"

#define CAPABILITIES_MAX 64u

bool privileges_have(uint64_t capabilities)
{
	if (capng_get_caps_process() < 0)
		return false;
	for (unsigned i = 0; i < CAPABILITIES_MAX; i++) {
		if ((capabilities >> i & 1) && !capng_have_capability(CAPNG_EFFECTIVE, i))
			return false;
	}
	return true;
}

static uint64_t effective(void)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i <= (unsigned)CAP_LAST_CAP; i++)
		mask |= (uint64_t)(capng_have_capability(CAPNG_EFFECTIVE, i) != 0) << i;
	return mask;
}

int privileges_drop(void)
{
	return privileges_drop_but(0);
}

int privileges_drop_but(uint64_t capabilities)
{
	bool empty_bounds;

	/*
	 * Emptying the bounding set takes CAP_SETPCAP, which the unit does not give us, and libcap-ng complains to the
	 * log. Without it the set stays, but is of no use: no_new_privs lets no exec fill the other sets from it.
	 */
	if (capng_get_caps_process() < 0)
		return -EPERM;
	empty_bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capabilities &= effective();
	capng_clear(CAPNG_SELECT_ALL);
	if (empty_bounds)
		(void)capng_apply(CAPNG_SELECT_BOUNDS);
	capng_clear(CAPNG_SELECT_ALL);
	for (unsigned i = 0; i <= (unsigned)CAP_LAST_CAP; i++) {
		if (capabilities >> i & 1)
			(void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, i);
	}
	if (capng_apply(CAPNG_SELECT_CAPS) != 0)
		return -EPERM;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return -errno;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return effective() == capabilities ? 0 : -EPERM;
}

int privileges_folder_check(const char *folder)
{
	void *before;
	int r;

	if (capng_get_caps_process() < 0)
		return -EPERM;
	before = capng_save_state();
	if (before == NULL)
		return -ENOMEM;
	(void)capng_updatev(CAPNG_DROP, CAPNG_EFFECTIVE, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, -1);
	r = capng_apply(CAPNG_SELECT_CAPS) != 0 ? -EPERM : 0;
	/* AT_EACCESS: access() itself would ask with all the capabilities that root is permitted. */
	if (r == 0 && faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) < 0)
		r = -errno;
	capng_restore_state(&before);
	if (capng_apply(CAPNG_SELECT_CAPS) != 0 && r == 0)
		r = -EPERM;
	return r;
}

/* The smallest of fds above bound, or INT_MAX. */
static int next_above(const int *fds, size_t n, int bound)
{
	int best = INT_MAX;

	for (size_t i = 0; i < n; i++) {
		if (fds[i] > bound && fds[i] < best)
			best = fds[i];
	}
	return best;
}

int privileges_keep_fds(const int *fds, size_t n)
{
	int last = STDERR_FILENO;

	while (last != INT_MAX) {
		int next = next_above(fds, n, last);

		if (next - last > 1 &&
		    close_range((unsigned)last + 1, (unsigned)next - 1, 0) < 0)
			return -errno;
		last = next;
	}
	return 0;
}
