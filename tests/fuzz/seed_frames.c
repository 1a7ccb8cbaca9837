// SPDX-License-Identifier: BSD-3-Clause
/* Writes the first inputs of the frame fuzzer: seed_frames DIR. Run by hand when the builder learns something new. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/frame.h"

#define FRAME_BYTES 160u
#define FRAMES 3u

static const char *dir;

static void save(enum fancap_version version, const char *name, const uint8_t *frames)
{
	const uint8_t head[2] = {version == FANCAP_V2, FRAME_BYTES / 16 - 1};
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/v%d-%s", dir, (int)version + 1, name);
	f = fopen(path, "wbe");
	if (f == NULL || fwrite(head, sizeof(head), 1, f) != 1 ||
	    fwrite(frames, FRAMES * FRAME_BYTES, 1, f) != 1 || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

static void fill(enum fancap_version version, uint8_t *frames)
{
	const struct test_packet packets[FRAMES] = {
		{.caplen = FRAME_BYTES - TEST_FRAME_MAC, .len = 1500, .status = TP_STATUS_COPY | TP_STATUS_LOSING},
		{.caplen = 60, .vlan_tpid = 0x88A8, .vlan_tci = 0xE005, .type = PACKET_OUTGOING},
		{.caplen = 11, .no_mac = true, .vlan_tpid = 0x8100, .time_ns = 1700000000123456789u},
	};

	for (unsigned i = 0; i < FRAMES; i++)
		test_frame_fill(version, frames + i * FRAME_BYTES, FRAME_BYTES, &packets[i]);
}

/* tp_mac and tp_snaplen of the first frame: at the same place in both versions, but for the length of tp_status. */
static void spoil(enum fancap_version version, uint8_t *frames, uint16_t mac, uint32_t snaplen)
{
	size_t status_bytes = version == FANCAP_V1 ? sizeof(unsigned long) : 4;

	memcpy(frames + status_bytes + 4, &snaplen, sizeof(snaplen));
	memcpy(frames + status_bytes + 8, &mac, sizeof(mac));
}

static void save_all(enum fancap_version version)
{
	_Alignas(16) uint8_t frames[FRAMES * FRAME_BYTES];

	fill(version, frames);
	save(version, "three", frames);
	spoil(version, frames, TEST_FRAME_MAC, UINT32_MAX - TEST_FRAME_MAC + 1);
	save(version, "snaplen-wraps", frames);
	spoil(version, frames, 20, 60);
	save(version, "mac-in-header", frames);
	spoil(version, frames, FRAME_BYTES, 1);
	save(version, "mac-at-end", frames);
	spoil(version, frames, 66, 0);
	save(version, "nothing-kept", frames);
	memset(frames, 0, FRAME_BYTES);
	save(version, "first-is-kernels", frames);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	dir = argv[1];
	save_all(FANCAP_V1);
	save_all(FANCAP_V2);
	return 0;
}
