// SPDX-License-Identifier: BSD-3-Clause
/* A network namespace for a test program, and frames to send in it. Failures of set-up end the test. */
#ifndef TESTS_NETNS_H
#define TESTS_NETNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fancap/geometry.h"

/**
 * Move this process to a new network namespace: loopback up, no IPv6, so nobody sends but the test.
 *
 * @return false when that is not allowed; the TAP plan that skips the program has been printed then
 */
bool netns_enter(void);

/** Run a command line, printf-like; fails the test unless it exits with 0. */
void run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Make a veth pair, both ends up. */
void veth_add(const char *name, const char *peer);
/** Wait until frames can pass. */
void link_await_up(const char *name);
void link_delete(const char *name);

/** A socket to send whole frames on an interface. */
int sender_open(const char *interface);
void sender_send(int fd, const void *frame, size_t n);

/** The least and the most bytes of frame_numbered(). */
#define FRAME_MIN 18u
#define FRAME_MAX 1514u

/** Fill a frame of n bytes with its number and bytes that follow from it. */
void frame_numbered(uint8_t *frame, size_t n, uint32_t number);
/** The number of such a frame; fails the test unless all its bytes are right. */
uint32_t frame_number(const uint8_t *frame, size_t n);

#define FRAME_UDP_BYTES 60u
/** A UDP/IPv4 frame of FRAME_UDP_BYTES of a flow; reply: of its other direction. */
void frame_udp(uint8_t *frame, uint16_t flow, bool reply);
/** The flow of such a frame, whatever its direction. */
uint16_t frame_flow(const uint8_t *frame);

/** The plan of a ring; fails the test when the params are refused. */
struct fancap_geometry geometry_of(uint32_t blocks, uint32_t block_bytes, uint32_t snaplen,
				   uint32_t block_timeout_ms);

int ifindex_of(const char *interface);
/** How many file descriptors this process has open. */
unsigned fd_count(void);
void sleep_ms(unsigned ms);

#endif
