// SPDX-License-Identifier: BSD-3-Clause
#ifndef TESTS_TOOLS_READER_H
#define TESTS_TOOLS_READER_H

#include <stddef.h>
#include <stdint.h>

/*
 * A small, strict pcapng reader. It shares no code with libfancap on purpose: a mistake made twice shows in neither.
 * It accepts what fancapd promises to write (one section, one Ethernet interface, nanoseconds), not all of pcapng.
 */

struct reader_packet {
	const uint8_t *data; ///< into the file's mapping
	uint32_t caplen;
	uint32_t len;
	uint64_t time_ns;
	uint32_t flags;	    ///< epb_flags; 0 when absent
	uint64_t dropcount; ///< epb_dropcount; 0 when absent
	uint64_t packetid;  ///< epb_packetid; UINT64_MAX when absent
	uint32_t queue;	    ///< epb_queue; UINT32_MAX when absent
};

/** An Interface Statistics Block; UINT64_MAX for a counter that it does not hold. */
struct reader_statistics {
	uint64_t time_ns;
	uint64_t ifrecv;
	uint64_t ifdrop;
	uint64_t filteraccept;
	uint64_t osdrop;
	uint64_t usrdeliv;
};

enum reader_event {
	READER_END,
	READER_PACKET,
	READER_STATISTICS,
	READER_ERROR, ///< reader_error() says what and where
};

struct reader;

/** Open and map a file. @return 0 or -errno */
int reader_open(const char *path, struct reader **ret);
void reader_close(struct reader *reader);

/** Go to the next block of interest. What it returns lives until reader_close(). */
enum reader_event reader_next(struct reader *reader, struct reader_packet *ret_packet,
			      struct reader_statistics *ret_statistics);

/** The interface's snaplen; 0: no limit. Known after the first reader_next(). */
uint32_t reader_snaplen(const struct reader *reader);

/** "offset 1234: ..." after READER_ERROR. */
const char *reader_error(const struct reader *reader);

#endif
