// SPDX-License-Identifier: BSD-3-Clause
/* libc has no functions for these calls, and the headers of a distribution are older than the kernels it is run on. */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/privileges.h"

#ifndef LANDLOCK_ACCESS_FS_REFER /* 5.19 */
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE /* 6.2 */
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV /* 6.10 */
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif

/* All that the first version knows: 1 << 0 to 1 << 12. */
#define ACCESS_FIRST ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)

#define ACCESS_ALLOWED \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_WRITE_FILE | \
	 LANDLOCK_ACCESS_FS_TRUNCATE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REMOVE_FILE | \
	 LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REFER)

/* What a version of the kernel's interface can deny. It refuses to be asked for more. */
static uint64_t access_known(int version)
{
	uint64_t access = ACCESS_FIRST;

	if (version >= 2)
		access |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		access |= LANDLOCK_ACCESS_FS_TRUNCATE;
	if (version >= 5)
		access |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
	return access;
}

static int folder_allow(int ruleset, const char *folder, uint64_t access)
{
	struct landlock_path_beneath_attr below = {.allowed_access = access};
	int r = 0;

	below.parent_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (below.parent_fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &below, 0) < 0)
		r = -errno;
	close(below.parent_fd);
	return r;
}

int privileges_landlock(const char *const *folders, size_t n)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attr;
	int ruleset, r = 0;

	if (version < 0)
		return -errno;
	attr = (struct landlock_ruleset_attr){.handled_access_fs = access_known((int)version)};
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (ruleset < 0)
		return -errno;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = folder_allow(ruleset, folders[i], ACCESS_ALLOWED & attr.handled_access_fs);
	if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		r = -errno;
	close(ruleset);
	return r;
}
