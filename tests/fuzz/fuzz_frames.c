// SPDX-License-Identifier: BSD-3-Clause
/*
 * The input is frames of a V1 or V2 ring: its first byte says which, its second how large they are (in steps of 16
 * bytes). Parse them, and write what they hold as pcapng, with their link-layer header and cooked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fancap/frames.h"
#include "fancap/pcapng.h"
#include "tests/fuzz/fuzz.h"

static void require(int truth)
{
	if (!truth)
		abort();
}

static void write_packet(const struct fancap_packet *packet, uint32_t snaplen)
{
	size_t bytes = fancap_pcapng_epb_bytes(packet, snaplen, 1);
	uint8_t *dst = malloc(bytes); /* not a byte more than foretold */

	require(dst != NULL && bytes % 4 == 0);
	require(fancap_pcapng_epb(dst, packet, snaplen, 1) == bytes);
	free(dst);
}

static void parse(enum fancap_version version, const uint8_t *frame, uint32_t bytes)
{
	struct fancap_packet packet;
	int r = fancap_frame_parse(version, frame, bytes, &packet);

	require(r == 1 || r == 0 || r == -EBADMSG);
	if (r != 1)
		return;
	require(packet.data >= frame && packet.caplen <= bytes - (size_t)(packet.data - frame));
	write_packet(&packet, 262144);
	packet.cooked = true;
	write_packet(&packet, 262144);
	write_packet(&packet, packet.len % 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum fancap_version version;
	uint32_t bytes;
	uint8_t *frame;

	if (size < 2)
		return 0;
	version = data[0] & 1 ? FANCAP_V2 : FANCAP_V1;
	bytes = (data[1] + 1u) * 16u;
	data += 2;
	size -= 2;
	frame = malloc(bytes);
	require(frame != NULL);
	for (; size >= bytes; data += bytes, size -= bytes) {
		memcpy(frame, data, bytes);
		parse(version, frame, bytes);
	}
	free(frame);
	return 0;
}
