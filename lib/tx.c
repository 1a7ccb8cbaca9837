// SPDX-License-Identifier: BSD-3-Clause
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fancap/geometry_tx.h"
#include "fancap/tx.h"
#include "tx_frame.h"

/* In front of each packet with `copy`. */
#define COPY_HEADER_BYTES ((uint16_t)sizeof(struct virtio_net_hdr))
/* An ordinary frame with its tags; longer ones leave the rest as fragments, since that much memory in one piece is dear. */
#define COPY_MAX 1536u

/* What the kernel keeps in a status besides flags about timestamps. */
#define STATUS_MASK (TP_STATUS_SEND_REQUEST | TP_STATUS_SENDING | TP_STATUS_WRONG_FORMAT)

/*
 * Positions count frames over the ring's life; position p lies in frame p % frames.
 *
 *   reaped          kernel               head
 *   | sent, sending | queued, not taken  | free ...
 *
 * A wrong frame is taken out of the ring, those behind it move up, so its packet has no position any more: it is
 * remembered as the one before the packet that took its place.
 */
struct fancap_tx {
	int fd;
	uint8_t *map;
	struct fancap_geometry_tx geometry;
	struct sockaddr_ll address; /* DGRAM: where to, told with every send */
	enum fancap_version version;
	bool dgram, custom_offset, skip_wrong, packet_loss;
	uint32_t header_bytes; /* COPY_HEADER_BYTES or 0 */

	uint64_t reaped; /* the oldest packet whose fate was not asked for */
	uint64_t kernel; /* the first one not accepted; where tpacket_snd() goes on */
	uint64_t head;	 /* the next to be queued */

	uint64_t *wrong; /* one per frame: positions, as above; oldest at wrong_reaped */
	uint64_t wrong_reaped, wrong_head;
	uint8_t *fates; /* with packet_loss, one per frame: enum fancap_tx_fate */
};

static uint32_t frames(const struct fancap_tx *tx)
{
	return tx->geometry.req.tp_frame_nr;
}

/* Blocks need not be filled by their frames. */
static void *frame_at(const struct fancap_tx *tx, uint64_t position)
{
	uint32_t index = (uint32_t)(position % frames(tx));
	uint32_t per_block = tx->geometry.frames_per_block;

	return tx->map + (size_t)(index / per_block) * tx->geometry.req.tp_block_size +
	       (size_t)(index % per_block) * tx->geometry.req.tp_frame_size;
}

static uint32_t status_at(const struct fancap_tx *tx, uint64_t position)
{
	return tx_frame_status(tx->version, frame_at(tx, position)) & STATUS_MASK;
}

static uint32_t len_at(const struct fancap_tx *tx, uint64_t position)
{
	return tx_frame_len(tx->version, frame_at(tx, position)) - tx->header_bytes;
}

static int set_int(int fd, int option, int value)
{
	return setsockopt(fd, SOL_PACKET, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* The kernel refuses a changed PACKET_LOSS once there is a ring, and ignores a changed PACKET_TX_HAS_OFF. */
static int set_options(int fd, const struct fancap_tx_params *params, const char **step)
{
	int r;

	*step = "PACKET_VERSION";
	r = set_int(fd, PACKET_VERSION, (int)params->version);
	if (r == 0 && params->custom_offset) {
		*step = "PACKET_TX_HAS_OFF";
		r = set_int(fd, PACKET_TX_HAS_OFF, 1);
	}
	if (r == 0 && params->packet_loss) {
		*step = "PACKET_LOSS";
		r = set_int(fd, PACKET_LOSS, 1);
	}
	if (r == 0 && params->copy) {
		*step = "PACKET_VNET_HDR";
		r = set_int(fd, PACKET_VNET_HDR, 1);
	}
	if (r == 0 && params->qdisc_bypass) {
		*step = "PACKET_QDISC_BYPASS";
		r = set_int(fd, PACKET_QDISC_BYPASS, 1);
	}
	return r;
}

static int make_ring(struct fancap_tx *tx, const char **step)
{
	const struct fancap_geometry_tx *geometry = &tx->geometry;
	void *map;

	*step = "PACKET_TX_RING";
	if (setsockopt(tx->fd, SOL_PACKET, PACKET_TX_RING, &geometry->req, sizeof(geometry->req)) < 0)
		return -errno;
	*step = "mmap";
	map = mmap(NULL, geometry->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, tx->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	tx->map = map;
	return 0;
}

/* Protocol 0: a socket that never receives, and has no error of an interface that is down left in it. */
static int bind_to(int fd, int ifindex)
{
	const struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = ifindex};

	return bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

/* *step names where it failed. */
static int set_up(struct fancap_tx *tx, const struct fancap_tx_params *params, const char **step)
{
	int r;

	*step = "out of memory";
	tx->wrong = calloc(frames(tx), sizeof(*tx->wrong));
	tx->fates = calloc(frames(tx), sizeof(*tx->fates));
	if (tx->wrong == NULL || tx->fates == NULL)
		return -ENOMEM;
	*step = "socket";
	tx->fd = socket(AF_PACKET, (tx->dgram ? SOCK_DGRAM : SOCK_RAW) | SOCK_CLOEXEC, 0);
	if (tx->fd < 0)
		return -errno;
	r = set_options(tx->fd, params, step);
	if (r == 0)
		r = make_ring(tx, step);
	if (r < 0)
		return r;
	*step = "bind";
	return bind_to(tx->fd, params->ifindex);
}

static struct sockaddr_ll destination(const struct fancap_tx_params *params)
{
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(params->protocol),
		.sll_ifindex = params->ifindex,
		.sll_halen = params->address_bytes,
	};

	memcpy(address.sll_addr, params->address, sizeof(address.sll_addr));
	return address;
}

static const char *hint(int error)
{
	switch (error) {
	case EPERM: return " (sending needs CAP_NET_RAW)";
	case ENOMEM: return " (not enough memory for the ring: make it smaller)";
	default: return "";
	}
}

static int plan(const struct fancap_tx_params *params, struct fancap_geometry_tx *ret,
		struct fancap_error *err)
{
	const struct fancap_ring_tx_params wanted = {
		.version = params->version,
		.packet_max = params->packet_max,
		.packets = params->packets,
		.head_bytes = params->copy ? COPY_HEADER_BYTES : 0,
	};
	struct fancap_error why = {""};
	int r;

	if (params->copy && (params->type != FANCAP_RAW || params->custom_offset)) {
		fancap_error_set(err, "%s: copied packets are of RAW sockets, without custom offsets", params->interface);
		return -EINVAL;
	}
	if (params->address_bytes > sizeof(params->address)) {
		fancap_error_set(err, "%s: an address of %u bytes: at most %zu are allowed",
				 params->interface, params->address_bytes, sizeof(params->address));
		return -EINVAL;
	}
	r = fancap_geometry_tx_plan(&wanted, ret, &why);
	if (r < 0)
		fancap_error_set(err, "%s: %s", params->interface, why.text);
	return r;
}

int fancap_tx_open(const struct fancap_tx_params *params, struct fancap_tx **ret, struct fancap_error *err)
{
	struct fancap_geometry_tx geometry;
	const char *step = "out of memory";
	struct fancap_tx *tx;
	int r;

	r = plan(params, &geometry, err);
	if (r < 0)
		return r;
	tx = malloc(sizeof(*tx));
	if (tx == NULL) {
		fancap_error_set(err, "%s: out of memory", params->interface);
		return -ENOMEM;
	}
	*tx = (struct fancap_tx){
		.fd = -1,
		.geometry = geometry,
		.address = destination(params),
		.version = params->version,
		.dgram = params->type == FANCAP_DGRAM,
		.custom_offset = params->custom_offset,
		.skip_wrong = params->skip_wrong,
		.packet_loss = params->packet_loss,
		.header_bytes = params->copy ? COPY_HEADER_BYTES : 0,
	};
	r = set_up(tx, params, &step);
	if (r < 0) {
		fancap_error_set(err, "%s: %s: %s%s", params->interface, step, strerror(-r), hint(-r));
		fancap_tx_close(tx);
		return r;
	}
	*ret = tx;
	return 0;
}

void fancap_tx_close(struct fancap_tx *tx)
{
	if (tx == NULL)
		return;
	if (tx->map != NULL)
		munmap(tx->map, tx->geometry.map_bytes);
	if (tx->fd >= 0)
		close(tx->fd);
	free(tx->wrong);
	free(tx->fates);
	free(tx);
}

int fancap_tx_fd(const struct fancap_tx *tx)
{
	return tx->fd;
}

uint32_t fancap_tx_packets(const struct fancap_tx *tx)
{
	return frames(tx);
}

uint32_t fancap_tx_pending(const struct fancap_tx *tx)
{
	return (uint32_t)(tx->head - tx->reaped + tx->wrong_head - tx->wrong_reaped);
}

/* Wrong packets nobody asked for count as well, though their frames are free: there is no room to remember more. */
void *fancap_tx_frame(struct fancap_tx *tx)
{
	if (fancap_tx_pending(tx) >= frames(tx))
		return NULL;
	return (uint8_t *)frame_at(tx, tx->head) + tx->geometry.data_offset + tx->header_bytes;
}

/* In front of the packet: how much of it to copy. @return bytes of packet and header */
static uint32_t put_header(const struct fancap_tx *tx, void *frame, uint32_t len)
{
	struct virtio_net_hdr *header = (void *)((uint8_t *)frame + tx->geometry.data_offset);

	/*
	 * In place, not copied from the stack: that load would span several stores just made, and the processor would
	 * wait until those of the whole packet have left its store buffer.
	 */
	if (tx->header_bytes != 0)
		*header = (struct virtio_net_hdr){.hdr_len = (uint16_t)(len < COPY_MAX ? len : COPY_MAX)};
	return len + tx->header_bytes;
}

int fancap_tx_queue(struct fancap_tx *tx, uint32_t len, uint32_t offset)
{
	uint32_t from_frame = tx->geometry.data_offset + offset;
	uint32_t room = tx->geometry.room - tx->header_bytes;
	void *frame;

	if (offset != 0 && !tx->custom_offset)
		return -EINVAL;
	if (offset > room || len > room - offset || from_frame > UINT16_MAX)
		return -EMSGSIZE;
	if (fancap_tx_frame(tx) == NULL)
		return -ENOBUFS;
	frame = frame_at(tx, tx->head++);
	tx_frame_describe(tx->version, frame, put_header(tx, frame, len), (uint16_t)from_frame);
	tx_frame_set_status(tx->version, frame, TP_STATUS_SEND_REQUEST);
	return 0;
}

static void move_up(struct fancap_tx *tx, uint64_t to)
{
	const uint8_t *source = frame_at(tx, to + 1);
	uint8_t *target = frame_at(tx, to);
	uint32_t len = tx_frame_len(tx->version, source);
	uint16_t offset = tx_frame_offset(tx->version, source);

	memcpy(target + offset, source + offset, len);
	tx_frame_describe(tx->version, target, len, offset);
	tx_frame_set_status(tx->version, target, TP_STATUS_SEND_REQUEST);
}

/*
 * tpacket_snd() leaves at the first wrong frame, marks it, and stays there: later calls find no SEND_REQUEST in it and
 * send nothing, for ever, until that very frame holds a good packet. So the packets behind it move up by one; the
 * kernel has not looked at them yet.
 *
 * @return false: it was not a wrong frame that stopped it
 */
static bool take_out_wrong(struct fancap_tx *tx)
{
	if (tx->kernel == tx->head || status_at(tx, tx->kernel) != TP_STATUS_WRONG_FORMAT)
		return false;
	tx->wrong[tx->wrong_head++ % frames(tx)] = tx->kernel;
	tx->head--;
	for (uint64_t position = tx->kernel; position < tx->head; position++)
		move_up(tx, position);
	tx_frame_set_status(tx->version, frame_at(tx, tx->head), TP_STATUS_AVAILABLE);
	return true;
}

/* Past what the kernel has accepted: errors hide its own count. @return bytes of that */
static uint64_t follow_kernel(struct fancap_tx *tx)
{
	uint64_t bytes = 0;

	while (tx->kernel != tx->head) {
		uint32_t status = status_at(tx, tx->kernel);

		if (status == TP_STATUS_SEND_REQUEST || status == TP_STATUS_WRONG_FORMAT)
			break;
		bytes += len_at(tx, tx->kernel++);
	}
	return bytes;
}

/*
 * With PACKET_LOSS a skipped frame looks like a sent one. All there is to know is how many bytes were accepted
 * (nothing, if an error was returned instead); an empty packet does not even show there.
 */
static void settle_loss(struct fancap_tx *tx, uint64_t from, uint64_t bytes, int accepted)
{
	enum fancap_tx_fate fate = FANCAP_TX_UNKNOWN;

	if (accepted >= 0 && (uint64_t)accepted == bytes)
		fate = FANCAP_TX_SENT;
	else if (accepted == 0)
		fate = FANCAP_TX_WRONG;
	for (; from != tx->kernel; from++)
		tx->fates[from % frames(tx)] = (uint8_t)(len_at(tx, from) == 0 ? FANCAP_TX_UNKNOWN : fate);
}

/* One system call. *bytes grows by what was accepted, errors or not. @return 0 or -errno */
static int send_once(struct fancap_tx *tx, bool wait, int *bytes)
{
	const struct sockaddr *to = tx->dgram ? (const struct sockaddr *)&tx->address : NULL;
	socklen_t to_bytes = tx->dgram ? sizeof(tx->address) : 0;
	uint64_t from = tx->kernel, passed;
	ssize_t n;
	int r;

	n = sendto(tx->fd, NULL, 0, wait ? 0 : MSG_DONTWAIT, to, to_bytes);
	r = n < 0 ? -errno : (int)n;
	passed = follow_kernel(tx);
	if (tx->packet_loss)
		settle_loss(tx, from, passed, r);
	*bytes += tx->packet_loss && r >= 0 ? r : (int)passed;
	return r < 0 ? r : 0;
}

/* "No more for now", which is no error when something was accepted before it came up. */
static bool is_for_now(int error)
{
	return error == -EAGAIN || error == -ENOBUFS;
}

int fancap_tx_send(struct fancap_tx *tx, bool wait)
{
	int bytes = 0, r;

	for (;;) {
		r = send_once(tx, wait, &bytes);
		if (r == 0 || (bytes > 0 && is_for_now(r)))
			return bytes;
		if (!take_out_wrong(tx))
			return r;
		if (!tx->skip_wrong)
			return -EINVAL; /* whatever the kernel says: it has several words for it */
	}
}

static bool wrong_is_next(const struct fancap_tx *tx)
{
	return tx->wrong_reaped != tx->wrong_head &&
	       tx->wrong[tx->wrong_reaped % frames(tx)] == tx->reaped;
}

int fancap_tx_reap(struct fancap_tx *tx, enum fancap_tx_fate *ret_fate)
{
	if (wrong_is_next(tx)) {
		tx->wrong_reaped++;
		*ret_fate = FANCAP_TX_WRONG;
		return 1;
	}
	if (tx->reaped == tx->kernel || status_at(tx, tx->reaped) != TP_STATUS_AVAILABLE)
		return 0;
	*ret_fate = (enum fancap_tx_fate)tx->fates[tx->reaped++ % frames(tx)];
	return 1;
}
