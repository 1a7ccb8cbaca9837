// SPDX-License-Identifier: BSD-3-Clause
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "fancap/fanout.h"

#define CONFIG_DEFAULT_PATH FANCAP_SYSCONFDIR "/fancap/fancapd.yaml"

enum config_direction {
	CONFIG_DIRECTION_BOTH,
	CONFIG_DIRECTION_IN,
};

enum config_timestamps {
	CONFIG_TIMESTAMPS_KERNEL,   ///< when the packet reaches the ring
	CONFIG_TIMESTAMPS_SOFTWARE, ///< when the kernel receives it, before any socket
	CONFIG_TIMESTAMPS_HARDWARE, ///< by the device
};

enum config_missing {
	CONFIG_MISSING_WAIT,
	CONFIG_MISSING_FAIL,
};

enum config_fallback {
	CONFIG_FALLBACK_WARN,
	CONFIG_FALLBACK_FAIL,
};

/** How packets get from the ring into a file. */
enum config_writer {
	CONFIG_WRITER_AUTO, ///< whichever costs less, block by block
	CONFIG_WRITER_DIRECT,
	CONFIG_WRITER_STAGED,
};

enum config_compress {
	CONFIG_COMPRESS_NONE,
	CONFIG_COMPRESS_ZSTD,
};

#define CONFIG_DIRECTORIES_MAX 16
/** A retain.free up to this is percent of the file system, anything above is bytes. */
#define CONFIG_FREE_PERCENT_MAX 99

/** One `interfaces:` entry, with every default filled in. Its address is stable for the config's life. */
struct config_interface {
	const char *name;
	enum config_missing on_missing; ///< when there is no such device at the start
	unsigned workers; ///< >= 1; `auto` is resolved: one per entry of cpus, else per usable CPU, 16 at most
	struct {
		enum fancap_fanout_mode mode;
		bool defragment;
		bool rollover;
		const char *program; ///< of modes cbpf and ebpf: "default", an absolute path, or (cbpf) an expression
	} fanout;
	struct {
		uint64_t size_bytes; ///< of one worker
		uint32_t block_bytes;
		uint32_t block_timeout_ms;
	} ring;
	const unsigned *cpus; ///< worker i runs on cpus[i]; n_cpus is 0 (not pinned) or workers
	size_t n_cpus;
	const char *filter; ///< libpcap expression, NULL: everything
	uint32_t snaplen;   ///< bytes
	bool promiscuous;
	enum config_direction direction;
	enum config_timestamps timestamps;
	enum config_fallback timestamps_fallback; ///< when the device refuses hardware timestamps
};

/** The effective configuration: validated, defaults filled in, immutable. */
struct config {
	struct config_interface *interfaces;
	size_t n_interfaces; ///< >= 1
	struct {
		const char *directory; ///< as configured; NULL: `directories` was. Only the dump needs to know
		const char **directories; ///< absolute, none inside another
		size_t n_directories;	  ///< 1 to CONFIG_DIRECTORIES_MAX
		enum config_writer writer;
		struct {
			uint64_t size_bytes;  ///< 0: not by size
			uint64_t interval_ns; ///< 0: not by time
		} rotate;
		struct config_retain {
			uint64_t size_bytes; ///< of all recordings together; 0: any
			uint64_t free;	     ///< of each file system: CONFIG_FREE_PERCENT_MAX; 0: none
			uint64_t age_ms;     ///< 0: any
		} retain;
		uint32_t sync_interval_ms; ///< 0: not before a file is finished
		enum config_compress compress;
		const char *owner; ///< user name, NULL: as the process runs
		const char *group; ///< group name, NULL: as the process runs
	} storage;
	const char *user;  ///< to become when started by root; NULL: none
	const char *group; ///< with it, instead of the user's own; NULL: that
	struct {
		const char *socket; ///< absolute
	} control;
	struct {
		int level; ///< syslog priority: LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG
	} log;
};

/**
 * Read a configuration file, and the `conf.d/` folder beside it (files *.yaml in name order): validate all of it.
 *
 * Does not touch the network, the storage directory or the interfaces; filters are compiled to see that they do.
 * Each error is one line `file:line:column: reason` on errors; all that can be found are reported, not the first only.
 *
 * @param path       file; a relative one is taken from the working directory
 * @param errors     where the error lines go, never NULL
 * @param ret_config set only on success; the caller frees it with config_free()
 * @return 0, or -EINVAL (content), or -errno (file cannot be read; said on errors as well)
 */
int config_load(const char *path, FILE *errors, struct config **ret_config);

void config_free(struct config *config);

/** Write the effective values as YAML that config_load() reads back to the same. @return 0 or -errno */
int config_dump(const struct config *config, FILE *out);

#endif
