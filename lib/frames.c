// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <sys/mman.h>

#include "fancap/frames.h"

#define TPID_8021Q 0x8100

/* The sockaddr_ll stands behind the header, aligned as the kernel aligns it (TPACKET_ALIGN). */
#define SLL_OFFSET(header) ((uint32_t)((sizeof(header) + 15u) & ~15u))

/* Both headers are of one length by chance; what follows them is at the same place. */
#define FRAME_SLL_OFFSET SLL_OFFSET(struct tpacket2_hdr)
#define FRAME_MIN (FRAME_SLL_OFFSET + (uint32_t)sizeof(struct sockaddr_ll))
_Static_assert(SLL_OFFSET(struct tpacket_hdr) == FRAME_SLL_OFFSET, "V1 and V2 share what follows their headers");

uint32_t fancap_frame_status(enum fancap_version version, const void *frame)
{
	if (version == FANCAP_V1) /* a long, of whose flags only the lower half exist */
		return (uint32_t)__atomic_load_n(&((const struct tpacket_hdr *)frame)->tp_status,
						 __ATOMIC_ACQUIRE);
	return __atomic_load_n(&((const struct tpacket2_hdr *)frame)->tp_status, __ATOMIC_ACQUIRE);
}

/* Where a frame says its packet is: the one part that both versions have. */
struct place {
	uint32_t mac;
	uint32_t net;
};

static struct place read_v1(const struct tpacket_hdr *h, struct fancap_packet *ret)
{
	ret->caplen = h->tp_snaplen;
	ret->len = h->tp_len;
	ret->time_ns = (uint64_t)h->tp_sec * 1000000000u + (uint64_t)h->tp_usec * 1000u;
	return (struct place){h->tp_mac, h->tp_net};
}

static struct place read_v2(const struct tpacket2_hdr *h, struct fancap_packet *ret)
{
	ret->caplen = h->tp_snaplen;
	ret->len = h->tp_len;
	ret->time_ns = (uint64_t)h->tp_sec * 1000000000u + h->tp_nsec;
	if (ret->status & TP_STATUS_VLAN_VALID) {
		ret->vlan_tci = h->tp_vlan_tci;
		ret->vlan_tpid = TPID_8021Q; /* before Linux 3.14 there was no other */
		if (ret->status & TP_STATUS_VLAN_TPID_VALID)
			ret->vlan_tpid = h->tp_vlan_tpid;
	}
	return (struct place){h->tp_mac, h->tp_net};
}

static bool place_fits(const struct place *place, uint32_t caplen, uint32_t frame_bytes)
{
	if (place->mac < FRAME_MIN || place->net < place->mac)
		return false;
	/* The kernel leaves tp_mac as it is when the frame ends before it, and copies nothing. */
	return caplen == 0 || (place->mac <= frame_bytes && caplen <= frame_bytes - place->mac);
}

int fancap_frame_parse(enum fancap_version version, const void *frame, uint32_t frame_bytes,
		       struct fancap_packet *ret)
{
	const uint8_t *bytes = frame;
	struct fancap_packet packet = {0};
	struct place place;

	if (frame_bytes < FRAME_MIN)
		return -EBADMSG;
	packet.status = fancap_frame_status(version, frame);
	if (packet.status == TP_STATUS_KERNEL)
		return 0;
	if ((packet.status & TP_STATUS_USER) == 0)
		return -EBADMSG;
	place = version == FANCAP_V1 ? read_v1(frame, &packet) : read_v2(frame, &packet);
	if (!place_fits(&place, packet.caplen, frame_bytes))
		return -EBADMSG;
	packet.data = bytes + (place.mac < frame_bytes ? place.mac : frame_bytes);
	packet.mac_len = place.net - place.mac;
	packet.link = (const struct sockaddr_ll *)(bytes + FRAME_SLL_OFFSET);
	packet.type = packet.link->sll_pkttype;
	*ret = packet;
	return 1;
}

int fancap_frames_map(struct fancap_frames *frames, int fd, const struct fancap_frame_geometry *geometry)
{
	const struct tpacket_req *req = &geometry->req;
	void *map = mmap(NULL, geometry->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	*frames = (struct fancap_frames){
		.map = map,
		.map_bytes = geometry->map_bytes,
		.version = geometry->version,
		.block_bytes = req->tp_block_size,
		.frame_bytes = req->tp_frame_size,
		.frames_per_block = req->tp_block_size / req->tp_frame_size,
		.frames = req->tp_frame_nr,
	};
	/* As for rings of blocks: packets are nobody's business in a core dump. */
	(void)madvise(map, geometry->map_bytes, MADV_DONTDUMP);
	return 0;
}

void fancap_frames_unmap(struct fancap_frames *frames)
{
	if (frames->map != NULL)
		munmap(frames->map, frames->map_bytes);
	*frames = (struct fancap_frames){0};
}

void *fancap_frames_at(const struct fancap_frames *frames, uint64_t position)
{
	uint32_t index = (uint32_t)(position % frames->frames);

	/* Not index * frame_bytes: a block's last frame may leave a gap before the next block. */
	return frames->map + (size_t)(index / frames->frames_per_block) * frames->block_bytes +
	       (size_t)(index % frames->frames_per_block) * frames->frame_bytes;
}

void fancap_frames_release(const struct fancap_frames *frames, uint64_t position)
{
	void *frame = fancap_frames_at(frames, position);

	/* All of V1's long: the kernel compares what it reads of it with 0. */
	if (frames->version == FANCAP_V1)
		__atomic_store_n(&((struct tpacket_hdr *)frame)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	else
		__atomic_store_n(&((struct tpacket2_hdr *)frame)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
}
