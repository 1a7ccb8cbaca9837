// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>

#include "ctl/ctl.h"

/**
 * Call a method of the daemon, and wait for its answer for ctl->timeout_ms at most.
 *
 * What goes wrong is said on ctl->err, but for CTL_NOT_RUNNING: client_say_not_running() says that, if it matters.
 *
 * @param parameters     an object or NULL; stays the caller's
 * @param ret_parameters set on CTL_OK only: an object; the caller drops it with json_decref()
 */
enum ctl_exit client_call(const struct ctl *ctl, const char *method, json_t *parameters,
			  json_t **ret_parameters);

void client_say_not_running(const struct ctl *ctl);

/** Connect to the control socket of this machine. @param ret_fd set on CTL_OK only: the caller's; does not block */
enum ctl_exit client_connect(const struct ctl *ctl, int *ret_fd);

/** A connection to the daemon, for calls that are answered more than once. What goes wrong is said on ctl->err. */
struct client;

/**
 * Connect, and call a method with `more`.
 *
 * @param ctl        must outlive the client
 * @param parameters an object or NULL; stays the caller's
 * @param ret_client set on CTL_OK only; the caller closes it with client_close()
 */
enum ctl_exit client_open(const struct ctl *ctl, const char *method, json_t *parameters, struct client **ret_client);
void client_close(struct client *client);

/** To be polled for POLLIN, after client_next() has said that there is nothing. */
int client_fd(const struct client *client);

/**
 * Wait for the next answer.
 *
 * @param timeout_ms     0: do not wait; negative: without end
 * @param ret_parameters set on CTL_OK only: an object that the caller drops; NULL: nothing has come in time, which is
 *                       not said: ask again or client_say_timeout()
 * @param ret_continues  set on CTL_OK with an object: more will come
 */
enum ctl_exit client_next(struct client *client, int timeout_ms, json_t **ret_parameters, bool *ret_continues);

/** Say that there was no answer in time. @return CTL_TIMEOUT */
enum ctl_exit client_say_timeout(const struct ctl *ctl);

#define FOREVER (-1) /* of a time to wait */

/**
 * Call a method with `more` and take its answers until there are no more.
 *
 * @param first_ms how long the first may take, FOREVER: it may never come
 * @param gap_ms   how long each of the others may take after the one before
 * @param take     takes each answer over; anything but CTL_OK ends it
 */
enum ctl_exit client_follow(const struct ctl *ctl, const char *method, json_t *parameters, int first_ms, int gap_ms,
			    enum ctl_exit (*take)(const struct ctl *ctl, json_t *answer, void *arg), void *arg);

#endif
