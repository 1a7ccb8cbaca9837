// SPDX-License-Identifier: BSD-3-Clause
#include "daemon/identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/paths.h"
#include "daemon/privileges.h"

#define MASK(capability) (UINT64_C(1) << (capability))
#define KEPT MASK(CAP_NET_RAW)
/* Hardware time stamps take CAP_NET_ADMIN, fanout mode ebpf CAP_BPF. */
#define KEPT_TO_OPEN (KEPT | MASK(CAP_NET_ADMIN) | MASK(CAP_BPF))

/* What giving files away takes at most: see finish_capabilities(). */
#define KEPT_TO_GIVE (MASK(CAP_CHOWN) | MASK(CAP_FOWNER) | MASK(CAP_DAC_OVERRIDE))

#define DIRECTORY_MODE 0750
#define PARENT_MODE 0755 /* the user has to get through */

/* The configuration has seen to it that the names are there: moments ago. */
int identity_find(const struct config *config, struct identity *ret, struct fancap_error *err)
{
	const struct passwd *user = config->user != NULL ? getpwnam(config->user) : NULL;
	const struct group *group = config->group != NULL ? getgrnam(config->group) : NULL;

	*ret = (struct identity){NULL, (uid_t)-1, (gid_t)-1};
	if (config->user == NULL)
		return 0;
	if (user == NULL || (config->group != NULL && group == NULL)) {
		fancap_error_set(err, "there is no %s '%s' any more", user == NULL ? "user" : "group",
				 user == NULL ? config->user : config->group);
		return -ENOENT;
	}
	ret->gid = group != NULL ? group->gr_gid : user->pw_gid;
	if (user->pw_uid == geteuid() && ret->gid == getegid()) {
		ret->gid = (gid_t)-1;
		return 0;
	}
	if (!privileges_have(MASK(CAP_SETUID) | MASK(CAP_SETGID) | MASK(CAP_SETPCAP))) {
		fancap_error_set(err, "user '%s', group %u: only root can become that; this is user %u, group %u",
				 config->user, (unsigned)ret->gid, (unsigned)geteuid(), (unsigned)getegid());
		return -EPERM;
	}
	ret->user = config->user;
	ret->uid = user->pw_uid;
	return 0;
}

/* One that exists is somebody's already: whether the user may write there shows when it tries. */
static int make_directory(const struct identity *identity, const char *path, struct fancap_error *err)
{
	int r = path_make_parents(path, PARENT_MODE);

	if (r == 0 && mkdir(path, DIRECTORY_MODE) == 0)
		r = lchown(path, identity->uid, identity->gid) < 0 ? -errno : 0;
	else if (r == 0 && errno != EEXIST)
		r = -errno;
	if (r < 0)
		fancap_error_set(err, "cannot make %s for user '%s': %s", path, identity->user, strerror(-r));
	return r;
}

/* Capabilities stay until they are dropped by name: no change of ids touches them. */
static int change_ids(const struct identity *identity)
{
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0 ||
	    initgroups(identity->user, identity->gid) < 0 ||
	    setresgid(identity->gid, identity->gid, identity->gid) < 0 ||
	    setresuid(identity->uid, identity->uid, identity->uid) < 0)
		return -errno;
	/* A process whose ids have changed leaves no core dump otherwise, and its /proc belongs to root. */
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 ? -errno : 0;
}

int identity_assume(const struct identity *identity, const struct config *config, struct fancap_error *err)
{
	bool gives = config->storage.owner != NULL || config->storage.group != NULL;
	int r = 0;

	if (identity->user == NULL)
		return 0;
	for (size_t i = 0; r == 0 && i < config->storage.n_directories; i++)
		r = make_directory(identity, config->storage.directories[i], err);
	if (r < 0)
		return r;
	r = change_ids(identity);
	if (r == 0)
		r = privileges_drop_but(KEPT_TO_OPEN | (gives ? KEPT_TO_GIVE : 0));
	if (r < 0)
		fancap_error_set(err, "cannot become user '%s': %s", identity->user, strerror(-r));
	return r;
}

int identity_settle(const struct identity *identity, uint64_t keepers, struct fancap_error *err)
{
	int r = identity->user != NULL ? privileges_drop_but(KEPT | keepers) : 0;

	if (r < 0)
		fancap_error_set(err, "cannot drop capabilities: %s", strerror(-r));
	return r;
}
