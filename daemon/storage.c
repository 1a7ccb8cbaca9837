// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/keeper.h"
#include "daemon/mailbox.h"
#include "daemon/messages.h"
#include "daemon/privileges.h"
#include "daemon/storage.h"

static struct keeper_settings settings_of(const struct config *config)
{
	return (struct keeper_settings){
		.retain = config->storage.retain,
		.sync_interval_ms = config->storage.sync_interval_ms,
		.compress = config->storage.compress,
	};
}

static size_t count_ledgers(const struct storage *storage)
{
	size_t n = 0;

	for (const struct capture *capture = storage->captures->first; capture != NULL; capture = capture->next) {
		for (const struct ring_set *set = capture->sets; set != NULL; set = set->next)
			n += set->n;
	}
	return n;
}

static void list_ledgers(const struct storage *storage, struct ledger **ledgers)
{
	for (const struct capture *capture = storage->captures->first; capture != NULL; capture = capture->next) {
		for (const struct ring_set *set = capture->sets; set != NULL; set = set->next) {
			for (unsigned w = 0; w < set->n; w++)
				*ledgers++ = set->rings[w].ledger;
		}
	}
}

/* In the child process: what it is made of is as it was at this moment. */
static int run_keeper(struct process *process, int channel_fd)
{
	const struct storage *storage = (const struct storage *)process; /* its first member */
	size_t n = count_ledgers(storage);
	struct ledger **ledgers = calloc(n + 1, sizeof(struct ledger *));
	const struct keeper_params params = {
		.directories = storage->config->storage.directories,
		.n_directories = storage->config->storage.n_directories,
		.ledgers = ledgers,
		.n_ledgers = n,
		.owner = storage->owner,
		.page = storage->page,
		.settings = settings_of(storage->config),
		.mailbox_fd = storage->mailbox_fds[0],
		.channel_fd = channel_fd,
	};

	if (ledgers == NULL)
		return 1;
	list_ledgers(storage, ledgers);
	return keeper_run(&params);
}

/* A replacement, made after it was to leave, has the same orders: the mailbox has an end. */
static void on_message(struct process *process, const struct channel_message *message)
{
	struct storage *storage = (struct storage *)process;

	if (message->type == CHANNEL_SEGMENTS)
		segments_answered(&storage->segments, &message->segments);
	if (message->type == CHANNEL_HELLO && storage_is_stopping(storage))
		process->ordered = true;
}

static const struct process_type keeper_type = {
	.what = "storage keeper: ",
	.message_died = MESSAGE_KEEPER_DIED,
	.run = run_keeper,
	.message = on_message,
};

/* The configuration has seen to it that the names are there. */
static int find_owner(const struct config *config, struct finish_owner *ret, struct fancap_error *err)
{
	const char *user = config->storage.owner, *group = config->storage.group;
	const struct passwd *passwd = user != NULL ? getpwnam(user) : NULL;
	const struct group *entry = group != NULL ? getgrnam(group) : NULL;

	*ret = (struct finish_owner){(uid_t)-1, (gid_t)-1};
	if ((user != NULL && passwd == NULL) || (group != NULL && entry == NULL)) {
		fancap_error_set(err, "storage: there is no %s %s any more", passwd == NULL && user != NULL ? "user" : "group",
				 passwd == NULL && user != NULL ? user : group);
		return -ENOENT;
	}
	if (passwd != NULL)
		ret->uid = passwd->pw_uid;
	if (entry != NULL)
		ret->gid = entry->gr_gid;
	if (privileges_have(finish_capabilities(ret)))
		return 0;
	fancap_error_set(err,
			 "storage: giving files to %s%s%s takes CAP_CHOWN%s, which fancapd does not have here",
			 user != NULL ? user : "", user != NULL && group != NULL ? ":" : "", group != NULL ? group : "",
			 user != NULL ? ", CAP_FOWNER and CAP_DAC_OVERRIDE" : "");
	return -EPERM;
}

int storage_open(const struct config *config, struct event_base *base, struct storage *ret,
		 struct fancap_error *err)
{
	int r;

	*ret = (struct storage){
		.config = config,
		.mailbox_fds = {-1, -1},
		.segments = {
			.base = base,
			.keeper = &ret->process,
			.directories = config->storage.directories,
			.n_directories = config->storage.n_directories,
		},
	};
	r = process_init(&ret->process, &keeper_type, base, &(struct log_context){NULL, -1});
	if (r == 0)
		r = mailbox_open(ret->mailbox_fds);
	if (r == 0) {
		ret->page = storage_page_map();
		if (ret->page == NULL)
			r = -errno;
	}
	if (r < 0) {
		fancap_error_set(err, "storage: %s", strerror(-r));
		return r;
	}
	return find_owner(config, &ret->owner, err);
}

int storage_start(struct storage *storage, const struct captures *captures)
{
	storage->captures = captures;
	storage->segments.captures = captures;
	return process_start(&storage->process);
}

void storage_configure(struct storage *storage, const struct config *config)
{
	storage->config = config;
	storage->segments.directories = config->storage.directories; /* the same ones */
	process_send(&storage->process, &(struct channel_message){.type = CHANNEL_KEEP, .keeper = settings_of(config)});
}

void storage_renew(struct storage *storage)
{
	struct process *process = &storage->process;

	/* One that is being replaced will know them anyway. */
	if (process->pid == 0 || process->ordered)
		return;
	process->ordered = storage->renewing = true;
	process_send(process, &(struct channel_message){.type = CHANNEL_STOP});
}

bool storage_left(struct storage *storage)
{
	int r;

	/* Told so when all was to end, it may not have read all its post. */
	if (!storage->renewing)
		return true;
	storage->renewing = false;
	r = process_start(&storage->process);
	if (r < 0) {
		log_error("storage keeper: cannot be started: %s", strerror(-r));
		process_restart_later(&storage->process);
	}
	return false;
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void storage_stop(struct storage *storage)
{
	storage->process.ordered = true;
	close_end(&storage->mailbox_fds[1]);
	/* One that is being replaced: there may be something in the mailbox. */
	process_hurry(&storage->process);
}

bool storage_is_stopping(const struct storage *storage)
{
	return storage->mailbox_fds[1] < 0;
}

uint64_t storage_progress(const struct storage *storage)
{
	struct storage_status status;

	storage_read(storage, &status);
	return status.steps;
}

void storage_read(const struct storage *storage, struct storage_status *ret)
{
	storage_page_read(storage->page, ret);
}

void storage_close(struct storage *storage)
{
	if (storage->process.type == NULL)
		return;
	segments_done(&storage->segments);
	process_done(&storage->process);
	close_end(&storage->mailbox_fds[0]);
	close_end(&storage->mailbox_fds[1]);
	storage_page_unmap(storage->page);
	storage->page = NULL;
}
