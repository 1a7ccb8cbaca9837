// SPDX-License-Identifier: BSD-3-Clause
#ifndef TESTS_TOOLS_FRAMES_H
#define TESTS_TOOLS_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Room for any frame that frame_build() makes. */
#define FRAME_BYTES_MAX 65600u

enum frame_tags {
	FRAME_TAGS_NONE,
	FRAME_TAGS_ONE,	 ///< one tag, of params.tpid
	FRAME_TAGS_QINQ, ///< 0x88a8 outside, 0x8100 inside
};

/**
 * What a run's frames look like. The same params and sequence number give the same bytes, anywhere: the sender builds
 * a frame with them and the checker builds it again.
 */
struct frame_params {
	uint32_t run;		///< in every payload: frames of parallel runs never mix
	uint32_t flows;		///< 1 to 60000
	uint32_t min_bytes;	///< of a frame, without FCS; headers that need more get more
	uint32_t max_bytes;	///< up to 65535
	unsigned ipv6_percent;	///< share of the flows that are IPv6
	unsigned reverse_percent; ///< share of the frames that go from server to client
	enum frame_tags tags;
	uint16_t tpid;	///< of the one tag
	uint16_t vlans; ///< VLAN ids 0 to vlans - 1; PCP and DEI take all values
};

/** 60 to 1514 bytes, 1000 flows, a quarter IPv6, both directions, no tags. */
void frame_params_init(struct frame_params *params);

/** The params' own command-line options, for getopt_long; `val` is FRAME_OPTION_BASE and up. */
#define FRAME_OPTION_BASE 0x1000
#define FRAME_OPTIONS                                                                              \
	{"run", 1, NULL, FRAME_OPTION_BASE}, {"flows", 1, NULL, FRAME_OPTION_BASE + 1},            \
		{"min", 1, NULL, FRAME_OPTION_BASE + 2}, {"max", 1, NULL, FRAME_OPTION_BASE + 3},  \
		{"ipv6", 1, NULL, FRAME_OPTION_BASE + 4},                                          \
		{"reverse", 1, NULL, FRAME_OPTION_BASE + 5},                                       \
		{"vlan", 0, NULL, FRAME_OPTION_BASE + 6},                                          \
		{"qinq", 0, NULL, FRAME_OPTION_BASE + 7},                                          \
		{"tpid", 1, NULL, FRAME_OPTION_BASE + 8},                                          \
		{"vlans", 1, NULL, FRAME_OPTION_BASE + 9}
#define FRAME_USAGE                                                                                \
	"  --run ID --flows N --min BYTES --max BYTES --ipv6 PERCENT --reverse PERCENT\n"          \
	"  --vlan [--tpid 0x8100] | --qinq, [--vlans N]\n"

/** Take one of FRAME_OPTIONS. @return 0, or -EINVAL: not one of ours, or a value out of range */
int frame_params_option(struct frame_params *params, int option, const char *value);

/** @return 0, or -EINVAL when the options contradict each other */
int frame_params_check(const struct frame_params *params);

/** Parse a whole number (decimal or 0x...). @return 0, or -EINVAL */
int frame_parse_number(const char *text, uint64_t max, uint64_t *ret);

uint32_t frame_flow(const struct frame_params *params, uint64_t seq);
/** Whether this frame goes from server to client. */
bool frame_is_reverse(const struct frame_params *params, uint64_t seq);

/** Build frame number seq in buf (FRAME_BYTES_MAX). @return its length in bytes */
size_t frame_build(const struct frame_params *params, uint64_t seq, uint8_t *buf);

/**
 * Find the sequence number in a captured frame, cut off or not, tagged or not.
 *
 * @param ret_seq set only on true
 * @return whether it is a frame of that run at all; its bytes may still be wrong
 */
bool frame_identify(const uint8_t *data, size_t len, uint32_t run, uint64_t *ret_seq);

#endif
