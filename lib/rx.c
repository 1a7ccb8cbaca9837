// SPDX-License-Identifier: BSD-3-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fancap/frames.h"
#include "fancap/ring.h"
#include "fancap/rx.h"

/* V3: the block being walked. */
struct rx_blocks {
	struct fancap_geometry geometry;
	struct fancap_ring ring;
	struct fancap_walk walk;
	bool held; /* the block before ring.next is ours */
};

/* V1 and V2. */
struct rx_frames {
	struct fancap_frame_geometry geometry;
	struct fancap_frames ring;
	uint64_t next;
	bool held; /* the frame before next is ours */
	uint8_t *copy; /* of the packet that was larger than its frame */
	size_t copy_bytes;
};

struct fancap_rx {
	int fd;
	enum fancap_version version;
	bool cooked;
	uint32_t snaplen;
	int error; /* -errno that recv() told in passing, for fancap_rx_next() to tell */
	union {
		struct rx_blocks blocks;
		struct rx_frames frames;
	} u;
};

/* --- set-up ---------------------------------------------------------------------------------------------------- */

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int plan_blocks(struct rx_blocks *blocks, const struct fancap_rx_params *p, struct fancap_error *err)
{
	const struct fancap_ring_params params = {
		.size_bytes = p->size_bytes,
		.block_bytes = p->block_bytes,
		.block_timeout_ms = p->block_timeout_ms,
		.snaplen = p->snaplen,
		.reserve_bytes = p->reserve_bytes,
	};

	return fancap_geometry_plan(&params, &blocks->geometry, err);
}

static int plan_frames(struct rx_frames *frames, const struct fancap_rx_params *p, struct fancap_error *err)
{
	struct fancap_frame_params params = {
		.version = p->version,
		.size_bytes = p->size_bytes,
		.block_bytes = p->block_bytes,
		.frame_bytes = p->frame_bytes,
		.reserve_bytes = p->reserve_bytes,
	};

	if (p->snaplen == 0) {
		fancap_error_set(err, "snaplen 0 keeps nothing of a packet: the least is 1");
		return -EINVAL;
	}
	if (params.frame_bytes == 0)
		params.frame_bytes = fancap_geometry_frame_bytes(p->version, p->snaplen, p->reserve_bytes);
	return fancap_geometry_frames(&params, &frames->geometry, err);
}

static int plan(struct fancap_rx *rx, const struct fancap_rx_params *p, struct fancap_error *err)
{
	struct fancap_error why = {""};
	int r;

	if (rx->version == FANCAP_V3)
		r = plan_blocks(&rx->u.blocks, p, &why);
	else
		r = plan_frames(&rx->u.frames, p, &why);
	if (r < 0)
		fancap_error_set(err, "%s: %s", p->interface, why.text);
	return r;
}

static int set_ring(const struct fancap_rx *rx)
{
	const void *req = &rx->u.frames.geometry.req;
	socklen_t len = sizeof(rx->u.frames.geometry.req);

	if (rx->version == FANCAP_V3) {
		req = &rx->u.blocks.geometry.req;
		len = sizeof(rx->u.blocks.geometry.req);
	}
	return setsockopt(rx->fd, SOL_PACKET, PACKET_RX_RING, req, len) < 0 ? -errno : 0;
}

static int map_ring(struct fancap_rx *rx)
{
	if (rx->version == FANCAP_V3)
		return fancap_ring_map(&rx->u.blocks.ring, rx->fd, &rx->u.blocks.geometry);
	return fancap_frames_map(&rx->u.frames.ring, rx->fd, &rx->u.frames.geometry);
}

/* ETH_P_ALL: a socket bound to one protocol would lose VLAN tags. */
static int bind_all(int fd, int ifindex)
{
	const struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = ifindex,
	};

	return bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

static int set_promiscuous(int fd, int ifindex)
{
	const struct packet_mreq mreq = {.mr_ifindex = ifindex, .mr_type = PACKET_MR_PROMISC};

	return setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof(mreq)) < 0 ? -errno : 0;
}

static int set_up_copies(const struct fancap_rx *rx, const struct fancap_rx_params *p, const char **step)
{
	int r;

	if (!p->whole || rx->version == FANCAP_V3) /* V3 knows nothing of it: blocks hold every packet */
		return 0;
	*step = "PACKET_COPY_THRESH";
	r = set_int(rx->fd, SOL_PACKET, PACKET_COPY_THRESH, 1); /* any value but 0 says yes */
	if (r < 0 || p->copies_bytes == 0)
		return r;
	*step = "SO_RCVBUF";
	r = set_int(rx->fd, SOL_SOCKET, SO_RCVBUFFORCE, p->copies_bytes);
	if (r == -EPERM) /* without CAP_NET_ADMIN, up to net.core.rmem_max */
		r = set_int(rx->fd, SOL_SOCKET, SO_RCVBUF, p->copies_bytes);
	return r;
}

/* In the order the kernel wants; nothing is received before bind. *step names where it failed. */
static int set_up(struct fancap_rx *rx, const struct fancap_rx_params *p, const char **step)
{
	int r;

	*step = "PACKET_VERSION";
	r = set_int(rx->fd, SOL_PACKET, PACKET_VERSION, (int)rx->version);
	if (r < 0)
		return r;
	*step = "PACKET_RESERVE";
	r = set_int(rx->fd, SOL_PACKET, PACKET_RESERVE, p->reserve_bytes);
	if (r == 0)
		r = set_up_copies(rx, p, step);
	if (r < 0)
		return r;
	*step = "PACKET_RX_RING";
	r = set_ring(rx);
	if (r < 0)
		return r;
	*step = "mmap";
	r = map_ring(rx);
	if (r < 0)
		return r;
	if (p->filter != NULL) {
		*step = "SO_ATTACH_FILTER";
		r = fancap_filter_attach(rx->fd, p->filter);
		if (r < 0)
			return r;
	}
	*step = "bind";
	r = bind_all(rx->fd, p->ifindex); /* a link that is down leaves ENETDOWN, for fancap_rx_next() to tell */
	if (r < 0 || !p->promiscuous)
		return r;
	*step = "PACKET_ADD_MEMBERSHIP";
	return set_promiscuous(rx->fd, p->ifindex);
}

static int open_socket(struct fancap_rx *rx, const struct fancap_rx_params *p, struct fancap_error *err)
{
	const char *step = "socket";
	int r;

	/* Protocol 0: receives nothing until it is bound. */
	rx->fd = socket(AF_PACKET, (p->type == FANCAP_DGRAM ? SOCK_DGRAM : SOCK_RAW) | SOCK_CLOEXEC, 0);
	r = rx->fd < 0 ? -errno : set_up(rx, p, &step);
	if (r < 0)
		fancap_error_set(err, "%s: %s: %s", p->interface, step, strerror(-r));
	return r;
}

int fancap_rx_open(const struct fancap_rx_params *params, struct fancap_rx **ret, struct fancap_error *err)
{
	struct fancap_rx *rx = calloc(1, sizeof(*rx));
	int r;

	if (rx == NULL) {
		fancap_error_set(err, "%s: out of memory", params->interface);
		return -ENOMEM;
	}
	rx->fd = -1;
	rx->version = params->version;
	rx->snaplen = params->snaplen;
	rx->cooked = params->type == FANCAP_DGRAM;
	r = plan(rx, params, err);
	if (r == 0)
		r = open_socket(rx, params, err);
	if (r < 0) {
		fancap_rx_close(rx);
		return r;
	}
	*ret = rx;
	return 0;
}

void fancap_rx_close(struct fancap_rx *rx)
{
	if (rx == NULL)
		return;
	if (rx->version == FANCAP_V3) {
		fancap_ring_unmap(&rx->u.blocks.ring);
	} else {
		fancap_frames_unmap(&rx->u.frames.ring);
		free(rx->u.frames.copy);
	}
	if (rx->fd >= 0)
		close(rx->fd);
	free(rx);
}

int fancap_rx_fd(const struct fancap_rx *rx)
{
	return rx->fd;
}

/* --- V1 and V2 ------------------------------------------------------------------------------------------------- */

/* A buffer for the whole of a packet. Without memory for it the packet stays as short as its frame. */
static void make_room(struct rx_frames *frames, size_t bytes)
{
	uint8_t *larger;

	if (bytes <= frames->copy_bytes)
		return;
	larger = realloc(frames->copy, bytes);
	if (larger == NULL)
		return;
	frames->copy = larger;
	frames->copy_bytes = bytes;
}

/*
 * Take the oldest copy off the socket's queue. An error of the link comes out of the same call first, and is kept.
 *
 * @return bytes of the copy, of which the buffer holds what it has room for; -errno
 */
static ssize_t take_copy(struct fancap_rx *rx)
{
	struct rx_frames *frames = &rx->u.frames;
	ssize_t r;

	for (int attempt = 0; attempt < 2; attempt++) {
		r = recv(rx->fd, frames->copy, frames->copy_bytes, MSG_DONTWAIT | MSG_TRUNC);
		if (r >= 0)
			return r;
		if (errno != ENETDOWN)
			break;
		rx->error = -errno;
	}
	return -errno;
}

/*
 * The frame is flagged TP_STATUS_COPY: the kernel has queued the whole packet, in the order of the frames. It must be
 * taken off the queue whatever becomes of it: what stays there would be taken for the next one's, and poll() would not
 * wait any more. Without the copy the packet is what the frame holds of it.
 */
static void fetch_copy(struct fancap_rx *rx, struct fancap_packet *packet)
{
	struct rx_frames *frames = &rx->u.frames;
	uint32_t wanted = 0;
	ssize_t bytes;

	if (packet != NULL)
		wanted = packet->len < rx->snaplen ? packet->len : rx->snaplen;
	make_room(frames, wanted);
	bytes = take_copy(rx);
	if (packet == NULL)
		return;
	if (bytes < 0 || frames->copy_bytes < wanted) {
		packet->status &= ~(uint32_t)TP_STATUS_COPY;
		return;
	}
	packet->data = frames->copy;
	packet->caplen = bytes < (ssize_t)wanted ? (uint32_t)bytes : wanted;
}

static void release_frame(struct rx_frames *frames)
{
	if (!frames->held)
		return;
	fancap_frames_release(&frames->ring, frames->next - 1);
	frames->held = false;
}

static int next_in_frames(struct fancap_rx *rx, struct fancap_packet *ret)
{
	struct rx_frames *frames = &rx->u.frames;
	const void *frame;
	int r;

	release_frame(frames);
	frame = fancap_frames_at(&frames->ring, frames->next);
	r = fancap_frame_parse(rx->version, frame, frames->ring.frame_bytes, ret);
	if (r == 0)
		return 0;
	frames->next++;
	frames->held = true;
	if (fancap_frame_status(rx->version, frame) & TP_STATUS_COPY)
		fetch_copy(rx, r == 1 ? ret : NULL);
	return r;
}

/* --- V3 -------------------------------------------------------------------------------------------------------- */

/* Hand the block back, unless it has packets left. */
static void release_block(struct rx_blocks *blocks)
{
	if (!blocks->held || blocks->walk.left > 0)
		return;
	fancap_ring_release(&blocks->ring, blocks->ring.next - 1);
	blocks->held = false;
}

/* What is left of a block that makes no sense. */
static int skip_block(struct rx_blocks *blocks)
{
	blocks->walk.left = 0;
	release_block(blocks);
	return -EBADMSG;
}

/* @return 1 a block with packets is being walked, 0 none is ready, -EBADMSG */
static int acquire_block(struct rx_blocks *blocks)
{
	release_block(blocks);
	while (!blocks->held) {
		const void *block = fancap_ring_acquire(&blocks->ring);

		if (block == NULL)
			return 0;
		blocks->held = true;
		if (fancap_walk_start(&blocks->walk, block, blocks->ring.block_bytes) < 0)
			return skip_block(blocks);
		release_block(blocks); /* blocks may be retired empty */
	}
	return 1;
}

static int next_in_blocks(struct rx_blocks *blocks, struct fancap_packet *ret)
{
	int r = acquire_block(blocks);

	if (r <= 0)
		return r;
	if (fancap_walk_next(&blocks->walk, ret) < 0)
		return skip_block(blocks);
	if (fancap_block_losing(blocks->walk.block)) /* V3 tells per block only */
		ret->status |= TP_STATUS_LOSING;
	return 1;
}

/* --- both ------------------------------------------------------------------------------------------------------ */

/* What happened to the link. Reading it clears it. */
static int pending_error(struct fancap_rx *rx)
{
	int error = -rx->error;
	socklen_t len = sizeof(error);

	rx->error = 0;
	if (error == 0 && getsockopt(rx->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

int fancap_rx_next(struct fancap_rx *rx, struct fancap_packet *ret)
{
	int r;

	if (rx->version == FANCAP_V3)
		r = next_in_blocks(&rx->u.blocks, ret);
	else
		r = next_in_frames(rx, ret);
	if (r == 0)
		return pending_error(rx);
	if (r < 0)
		return r;
	ret->cooked = rx->cooked;
	/* Copies come whole, whatever the filter said. */
	if (ret->caplen > rx->snaplen)
		ret->caplen = rx->snaplen;
	return 1;
}

void fancap_rx_done(struct fancap_rx *rx)
{
	if (rx->version == FANCAP_V3)
		release_block(&rx->u.blocks);
	else
		release_frame(&rx->u.frames);
}
