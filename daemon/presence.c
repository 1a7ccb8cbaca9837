// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/messages.h"
#include "daemon/presence.h"

struct presence {
	struct presence_owner owner;
	struct links *links;
	struct captures *captures; /* NULL: nothing is to be done */
};

static struct capture *first(const struct presence *presence)
{
	return presence->captures != NULL ? presence->captures->first : NULL;
}

static struct log_context context(const struct capture *capture)
{
	return (struct log_context){capture->name, -1};
}

/* --- what becomes of a device -------------------------------------------------------------------------------------- */

static void follow_name(struct presence *presence, struct capture *capture, const struct link_news *news)
{
	const struct log_context about = context(capture);

	if (news->name[0] == '\0' || strcmp(news->name, capture->device) == 0)
		return;
	log_printf(LOG_NOTICE, MESSAGE_LINK_RENAMED, &about, "the interface was renamed from %s to %s; following it",
		   capture->device, news->name);
	capture_rename(capture, news->name);
	presence->owner.renamed(capture, presence->owner.arg);
}

static void follow_state(struct capture *capture, const struct link_news *news)
{
	const struct log_context about = context(capture);
	bool up = news->up && news->carrier;

	if (up == capture->up)
		return;
	capture->up = up;
	if (up)
		log_printf(LOG_NOTICE, MESSAGE_LINK_UP, &about, "the interface is up");
	else
		log_printf(LOG_WARNING, MESSAGE_LINK_DOWN, &about,
			   "the interface %s; packets are recorded when it comes up",
			   news->up ? "has no carrier" : "is down");
}

static void follow(struct presence *presence, struct capture *capture, const struct link_news *news)
{
	follow_name(presence, capture, news);
	follow_state(capture, news);
	if (!news->has_counters)
		return;
	capture->has_nic = true;
	capture->nic = news->counters;
}

static void detach(struct presence *presence, struct capture *capture)
{
	const struct log_context about = context(capture);

	log_printf(LOG_WARNING, MESSAGE_LINK_MISSING, &about,
		   "the interface is gone; recording what is left in its rings, and waiting for another of this name");
	capture_detach(capture);
	presence->owner.gone(capture, presence->owner.arg);
	/* There may be one already: we heard of it late, or it had taken the name of ours. */
	presence_look(presence, capture);
}

/* The sockets know best: an index may be given to another device, and a message may be lost. */
static void detach_lost(struct presence *presence)
{
	for (struct capture *capture = first(presence); capture != NULL; capture = capture->next) {
		if (capture_is_lost(capture))
			detach(presence, capture);
	}
}

static void attach(struct presence *presence, struct capture *capture, const struct link_news *news)
{
	const struct log_context about = context(capture);
	struct fancap_error err;
	int r = capture_attach(capture, &err);

	/* Draining yet, or gone again: there will be other news. */
	if (r == -EBUSY || r == -ENODEV)
		return;
	if (r == 0) {
		log_printf(LOG_NOTICE, MESSAGE_LINK_BACK, &about, "the interface is there (index %d): capturing%s",
			   news->ifindex, capture->up ? "" : " when it comes up");
		follow_state(capture, news);
	} else if (r != capture->attach_error) {
		log_printf(LOG_ERR, NULL, &about, "cannot be captured: %s; trying again every second", err.text);
	}
	capture->attach_error = r;
	presence->owner.attached(capture, presence->owner.arg);
}

static struct capture *find_by_index(const struct presence *presence, int ifindex)
{
	for (struct capture *capture = first(presence); capture != NULL; capture = capture->next) {
		const struct ring_set *device = capture_device(capture);

		if (device != NULL && device->link.ifindex == ifindex)
			return capture;
	}
	return NULL;
}

static struct capture *find_waiting(const struct presence *presence, const char *name)
{
	for (struct capture *capture = first(presence); capture != NULL; capture = capture->next) {
		if (strcmp(capture->name, name) == 0 && !capture->removed && capture_device(capture) == NULL)
			return capture;
	}
	return NULL;
}

static void on_news(const struct link_news *news, void *arg)
{
	struct presence *presence = arg;
	struct capture *capture;

	detach_lost(presence);
	if (news->gone)
		return;
	/* One that another capture follows is not taken for a new one because of its new name. */
	capture = find_by_index(presence, news->ifindex);
	if (capture != NULL) {
		follow(presence, capture, news);
		return;
	}
	capture = find_waiting(presence, news->name);
	if (capture != NULL)
		attach(presence, capture, news);
}

/* --- questions --------------------------------------------------------------------------------------------------- */

void presence_look(struct presence *presence, const struct capture *capture)
{
	if (!capture->removed)
		links_ask_name(presence->links, capture->name);
}

void presence_second(struct presence *presence)
{
	detach_lost(presence);
	for (const struct capture *capture = first(presence); capture != NULL; capture = capture->next) {
		const struct ring_set *device = capture_device(capture);

		if (device != NULL)
			links_ask_index(presence->links, device->link.ifindex);
		else
			presence_look(presence, capture);
	}
}

static void on_lost(void *arg)
{
	presence_second(arg);
}

/* --- life ------------------------------------------------------------------------------------------------------ */

int presence_open(struct event_base *base, const struct presence_owner *owner, struct presence **ret,
		  struct fancap_error *err)
{
	struct presence *presence = calloc(1, sizeof(*presence));
	const struct links_owner links_owner = {.news = on_news, .lost = on_lost, .arg = presence};
	int r;

	if (presence == NULL) {
		fancap_error_set(err, "out of memory");
		return -ENOMEM;
	}
	presence->owner = *owner;
	r = links_open(base, &links_owner, &presence->links, err);
	if (r < 0) {
		free(presence);
		return r;
	}
	*ret = presence;
	return 0;
}

int presence_start(struct presence *presence, struct captures *captures)
{
	int r = links_start(presence->links);

	if (r < 0)
		return r;
	presence->captures = captures;
	presence_second(presence);
	return 0;
}

void presence_stop(struct presence *presence)
{
	presence->captures = NULL;
}

void presence_close(struct presence *presence)
{
	if (presence == NULL)
		return;
	links_close(presence->links);
	free(presence);
}
