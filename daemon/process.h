// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_PROCESS_H
#define DAEMON_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/channel.h"
#include "daemon/log.h"

struct event;
struct event_base;
struct process;

/** What a process of the supervisor's is for. */
struct process_type {
	const char *what;	///< put before what is logged about it; "" if the context says enough
	const char *message_died; ///< MESSAGE_ID
	const char *message_started;
	const char *message_hung;
	const char *message_degraded; ///< NULL: no special one
	/** Its life, in the new process. @return its exit status */
	int (*run)(struct process *process, int channel_fd);
	/** It has something to say: any message but CHANNEL_LOG; HELLO after ready is set. */
	void (*message)(struct process *process, const struct channel_message *message);
};

/** A process of the supervisor's, with a channel to it; replaced when it dies, with growing patience. Embedded. */
struct process {
	const struct process_type *type;
	struct event_base *base;
	struct log_context about;
	pid_t pid; ///< 0: none
	int channel_fd;
	bool ready;
	bool ordered;  ///< to leave: set by who told it to
	bool finished; ///< it left as ordered; an owner may say so of one that is not to be started yet
	uint64_t restarts;
	uint64_t started_ns; ///< CLOCK_MONOTONIC
	unsigned backoff_ms; ///< the next wait
	bool dismissed; ///< it is to be replaced, and has been sent SIGKILL
	bool hung; ///< it makes no progress, and has been sent SIGKILL
	struct event *channel_event;
	struct event *restart_event;
};

/** @return 0 or -errno; process_done() in any case */
int process_init(struct process *process, const struct process_type *type, struct event_base *base,
		 const struct log_context *about);

/** Of a process that has been forked: to whom it logs. */
struct process_log {
	int channel_fd;
	const char *what; ///< put before each message
};

/**
 * In the new process: what it has to say goes to the supervisor, who has the journal, and decides what is urgent enough. If
 * that does not keep up, the message is lost.
 *
 * @param log borrowed for good
 */
void process_log_to(const struct process_log *log);

/**
 * In the new process: ignore what ends others, for the supervisor tells it when to leave, and a Ctrl-C goes to the whole
 * process group. A file that may grow no further (RLIMIT_FSIZE) is an error of write() like any other.
 */
void process_set_signals(void);

/** Fork it. @return 0 or -errno */
int process_start(struct process *process);

/** It has been waited for: take note, and of whether it finished. Its replacement is not started. */
void process_reaped(struct process *process, int status);

/** It has been of use: patience with it begins anew. */
void process_proved(struct process *process);

/** Start a replacement after a while. */
void process_restart_later(struct process *process);

/** It has died, and needs no replacement: not one that waits to be started either. */
void process_give_up(struct process *process);

/** Start the replacement now, if it was to be later; and any after it with the first backoff again. */
void process_hurry(struct process *process);

/** Put another in its place, now: it is killed, if it is there, and what it was about is its replacement's. */
void process_replace(struct process *process);

/** It makes no progress: say so and kill it, once. */
void process_kill_hung(struct process *process, uint64_t silent_ns);

/** Whether it dies again and again, or hangs and does not even die. */
bool process_is_degraded(const struct process *process);

/** Send it an order, if it is there. */
void process_send(struct process *process, const struct channel_message *message);

/** Free what belongs to it; one that still runs sees its channel closed. */
void process_done(struct process *process);

#endif
