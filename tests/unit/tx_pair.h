// SPDX-License-Identifier: BSD-3-Clause
/* A transmit ring on one end of a veth pair, and a socket that receives on the other. Failures end the test. */
#ifndef TESTS_TX_PAIR_H
#define TESTS_TX_PAIR_H

#include <stddef.h>
#include <stdint.h>

#include "fancap/tx.h"

/** Both ends' names: tests of one program share the pair. */
#define TX_FROM "tx0"
#define TX_TO "tx1"
#define TX_MTU 1500u
#define TX_ETHER 14u

struct tx_pair {
	struct fancap_tx *tx;
	int receiver;
	int marker; /* sends on the same end, beside the ring */
	unsigned sent, wrong, unknown; /* fates told so far */
};

/** Make the veth pair; a group setup of cmocka. */
int tx_link_make(void **state);

/** Params for the sending end: raw, frames of up to MTU + VLAN + 4, a ring of so many packets. */
struct fancap_tx_params tx_params(enum fancap_version version, uint32_t packets);

void tx_pair_open(struct tx_pair *pair, const struct fancap_tx_params *params);
void tx_pair_close(struct tx_pair *pair);

/** Queue a packet; its bytes follow from its number and length, so that none is like another. */
void tx_queue(struct tx_pair *pair, uint32_t number, uint32_t len);
/** The same at an offset. */
void tx_queue_at(struct tx_pair *pair, uint32_t number, uint32_t len, uint32_t offset);
/** The bytes of such a packet: an Ethernet frame, as far as its length goes. */
void tx_fill(uint8_t *data, uint32_t number, uint32_t len);

/** Count the fates that are known now. @return how many */
unsigned tx_reap(struct tx_pair *pair);
/** Count fates until there is none left, waiting for them. */
void tx_reap_all(struct tx_pair *pair);
/** Fails the test unless the next fate is known, and is this one. */
void tx_expect_fate(struct tx_pair *pair, enum fancap_tx_fate fate);

/** Receive a frame, waiting for it. @return its bytes; *vlan: its tag (TCI), or -1 */
size_t tx_receive(struct tx_pair *pair, uint8_t *data, size_t max, int *vlan);
/** Receive the packet of tx_queue() that has this number and length, right to the byte. */
void tx_expect(struct tx_pair *pair, uint32_t number, uint32_t len);
/** What was received is all that was sent: a frame sent beside the ring is the next to arrive. */
void tx_expect_silence(struct tx_pair *pair);

/** Three entries of a table of tests, one a version. */
#define EACH_VERSION(f) \
	{#f "_v1", f, NULL, NULL, (void *)&tx_versions[0]}, \
	{#f "_v2", f, NULL, NULL, (void *)&tx_versions[1]}, \
	{#f "_v3", f, NULL, NULL, (void *)&tx_versions[2]}
extern enum fancap_version tx_versions[3];

/** The version that a test of EACH_VERSION() is to use. */
enum fancap_version tx_version(void **state);

#endif
