// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CONTROL_H
#define DAEMON_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/active.h"
#include "daemon/reload.h"
#include "fancap/error.h"

struct event_base;
struct segment_entry;
struct segments_answer;
struct segments_query;
struct events;
struct statistics;
struct storage_status;

/** Where fancapd is in its life. */
enum control_state {
	CONTROL_STARTING,
	CONTROL_RUNNING,
	CONTROL_STOPPING,
};

/** What a client may know of the daemon besides its counters. Strings are borrowed for the call. */
struct control_status {
	const char *version;
	enum control_state state;
	pid_t pid;
	uint64_t started_ns;	 ///< CLOCK_REALTIME, when the daemon started
	const char *config_path;
	const char *socket_path;
	int log_level; ///< syslog priority, as it is in force
	struct {
		pid_t keeper_pid; ///< 0: it is being replaced
		uint64_t keeper_restarts;
		const char *const *directories; ///< as many as status has
		const struct storage_status *status;
		double written_bytes_per_s; ///< over the last minutes; negative: not known yet
		int64_t retain_seconds;	    ///< at that rate; negative: not known
	} storage;
};

/** What an interface is recorded with, besides what a snapshot says. Strings are borrowed for the call. */
struct control_interface {
	const char *link_type; ///< NULL: missing, as are figures of 0
	unsigned mtu;
	uint64_t speed_bits; ///< per second, 0: not known
	uint64_t ring_bytes;
	unsigned ring_blocks;
	unsigned block_bytes;
	unsigned block_timeout_ms;
	uint64_t stall_ns; ///< 0: not known
	uint32_t snaplen;
	const char *filter;	       ///< in force; NULL: none
	const char *filter_configured; ///< the same
	const char *timestamps;	       ///< whose
	bool promiscuous;
	const char *const *folders;
	size_t n_folders;
};

/** What a worker is about, besides what a snapshot says. */
struct control_worker {
	uint64_t heartbeat_ns; ///< how long ago it was heard of
	bool has_segment;
	struct active_segment segment; ///< its path as it is on the disk now
};

/** The configuration that was read last. */
struct control_configuration {
	const char *path; ///< borrowed for the call
	uint64_t loaded_ns; ///< CLOCK_REALTIME
	char *yaml; ///< control frees it
};

/** How a job ended. */
struct control_outcome {
	bool in_time;	  ///< whether all workers did it before its time was up
	unsigned workers; ///< how many did it; if not in time, how many did not
	const struct reload_report *reload; ///< of a reload, how it went; borrowed for the call
	pid_t pid;	  ///< of a worker's replacement
	const struct segments_answer *segments; ///< borrowed for the call
};

/** Something asked for that takes its time. Embedded by whoever waits for its end. */
struct control_job {
	void (*over)(struct control_job *job, const struct control_outcome *outcome);
};

/**
 * Where the answers come from, and who does what is asked for. Called from the event loop, while a client waits: must not
 * block.
 */
struct control_source {
	/** A snapshot, summed up; control frees it with statistics_free(). NULL: no memory, or nothing to tell yet. */
	struct statistics *(*snapshot)(void *arg);
	/** Fill in *ret_status, all of it. */
	void (*status)(void *arg, struct control_status *ret_status);
	/** Fill in *ret, of an interface by its place in the snapshot, and of one of its workers. */
	void (*interface)(void *arg, size_t interface, struct control_interface *ret);
	void (*worker)(void *arg, size_t interface, unsigned worker, struct control_worker *ret);
	struct events *events; ///< what happened
	/** @return 0 or -ENOMEM */
	int (*configuration)(void *arg, struct control_configuration *ret);
	/**
	 * Read the configuration again and go over to it.
	 *
	 * @param job as for rotate()
	 * @return whether it is over, and ret_report set; if not, the job's over() will be called
	 */
	bool (*reload)(void *arg, struct control_job *job, struct reload_report *ret_report);
	/**
	 * Let the workers of an interface (NULL: of all) finish their files.
	 *
	 * @param job stays the caller's; its over() is called once, later, unless forget() is called before
	 * @return 0 begun, -ENODEV no such interface, -EAGAIN not running, -ENOMEM
	 */
	int (*rotate)(void *arg, const char *interface, struct control_job *job);
	/**
	 * Replace a worker's process.
	 *
	 * @param job as above; over() has the new one's pid
	 * @return 0 begun, -ENODEV no such interface, -ESRCH no such worker, -EAGAIN not running, or waiting, -ENOMEM
	 */
	int (*restart_worker)(void *arg, const char *interface, unsigned worker, struct control_job *job);
	/**
	 * Let nothing more in, or in again, of an interface (NULL: of all).
	 *
	 * @param ret_changed how many were not so before
	 * @return 0, -ENODEV no such interface, -EAGAIN not running, -errno: err says why it cannot be let in
	 */
	int (*pause)(void *arg, const char *interface, bool pause, unsigned *ret_changed, struct fancap_error *err);
	/**
	 * Go over to another filter, until the next reload.
	 *
	 * @param filter     NULL or "": everything
	 * @param configured go back to the configured one instead
	 * @param ret_filter the one in force then, "": everything; borrowed for the call
	 * @return 0, -ENODEV no such interface, -EAGAIN not running, -EINVAL it does not compile, -errno; err says why
	 */
	int (*set_filter)(void *arg, const char *interface, const char *filter, bool configured,
			  const char **ret_filter, struct fancap_error *err);
	/** Syslog priorities. @return the one before */
	int (*set_log_level)(void *arg, int level);
	/**
	 * Ask which recorded files there are.
	 *
	 * @param job as above; over() has the answer
	 * @return 0 begun, -EAGAIN the storage keeper is being replaced, -EBUSY it has enough to do, -ENOMEM
	 */
	int (*list_segments)(void *arg, const struct segments_query *query, struct control_job *job);
	/** Keep files from being removed, all or none, or no longer. @return as above */
	int (*hold_segments)(void *arg, bool hold, const struct segment_entry *entries, size_t n,
			     struct control_job *job);
	/** Read a file's path, which is not opened. @return 0, -ENOENT it cannot be a recording */
	int (*parse_segment)(void *arg, const char *path, struct segment_entry *ret);
	/** Nobody waits for this job any more. What has begun goes on. */
	void (*forget)(void *arg, struct control_job *job);
	void *arg;
};

/** How much a client may ask of us. */
struct control_limits {
	unsigned clients;	 ///< at once; the next one takes the place of an idle one, or is told so and closed
	size_t request_bytes;	 ///< of one request
	unsigned request_ms;	 ///< from the first byte of a request to its last
	size_t output_bytes;	 ///< of replies not read; a client above it is dropped
	size_t output_low_bytes; ///< no further request is read from a client with more than this unread
	unsigned stall_ms;	 ///< a client that reads none of its replies for so long is dropped
	unsigned silent_ms;	 ///< one that has called nothing yet, so long after it connected
	unsigned idle_ms;	 ///< one that waits for nothing, so long after its last call
	unsigned accept_retry_ms; ///< how long to wait when accept() finds no descriptor or memory
};

extern const struct control_limits control_limits_default;

struct control_options {
	const char *path;     ///< of the socket to make; not used if listen_fd >= 0
	int listen_fd;	      ///< -1, or a listening Unix socket to use instead (socket activation): taken over
	uid_t owner;	      ///< who the socket (and its directory, if made) is given to; (uid_t)-1: it stays ours
	gid_t group;	      ///< the same, and who may read; (gid_t)-1: leave it, ours
	const char *admin_group; ///< whose members may act, as root and we may; borrowed for good; NULL: nobody else
	const struct control_limits *limits; ///< copied; NULL: control_limits_default
	struct control_source source;	     ///< copied
};

struct control;

/**
 * Open the control socket and answer on it from base's event loop, until control_close(). Never blocks, but for
 * the system calls that make the socket.
 *
 * The socket is made with mode 0660, and is at no time accessible more widely. One left by a dead daemon is replaced;
 * a live one's is not. A missing directory is made (0750), its parent is not. Beside the socket stands PATH.lock.
 *
 * Processes forked later must not call control_close(), which removes the socket: they only close the descriptors
 * (all are close-on-exec, and close_range() does for those who do not exec).
 *
 * @param options     borrowed for the call; source.arg must outlive the control
 * @param ret_control set on success only; closed with control_close(), before base is freed
 * @return 0, -EADDRINUSE another daemon answers there, or another -errno; err says which step and why
 */
int control_open(struct event_base *base, const struct control_options *options,
		 struct control **ret_control, struct fancap_error *err);

/** Look the admin group up again. May block on the user database. */
void control_look_up_groups(struct control *control);

/** Drop all clients, remove the socket (unless it came as listen_fd), free all. */
void control_close(struct control *control);

#endif
