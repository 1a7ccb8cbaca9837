// SPDX-License-Identifier: BSD-3-Clause
/* What the kernel says of devices: messages made by hand, whole and broken; then a real kernel in a namespace. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <event2/event.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/links.h"
#include "tests/unit/netns.h"

#define HANG_S 20

/* --- messages ---------------------------------------------------------------------------------------------------- */

static uint8_t room[4096] __attribute__((aligned(8)));

static struct nlmsghdr *message_new(uint16_t type, unsigned char family, int ifindex, unsigned flags)
{
	struct nlmsghdr *header;
	struct ifinfomsg *info;

	memset(room, 0, sizeof(room));
	header = mnl_nlmsg_put_header(room);
	header->nlmsg_type = type;
	info = mnl_nlmsg_put_extra_header(header, sizeof(*info));
	info->ifi_family = family;
	info->ifi_index = ifindex;
	info->ifi_flags = flags;
	return header;
}

/* From memory of just that size, so that a sanitizer sees whoever reads on. */
static int read_bytes(const void *message, size_t bytes, struct link_news *ret, size_t *ret_used)
{
	void *copy = malloc(bytes > 0 ? bytes : 1);
	int r;

	memcpy(copy, message, bytes);
	r = link_news_read(copy, bytes, ret, ret_used);
	free(copy);
	return r;
}

static int read_message(const struct nlmsghdr *header, struct link_news *ret)
{
	size_t used = 0;
	int r = read_bytes(header, header->nlmsg_len, ret, &used);

	if (r >= 0)
		assert_int_equal(used, header->nlmsg_len);
	return r;
}

static void assert_bad(const struct nlmsghdr *header)
{
	struct link_news news;

	assert_int_equal(read_message(header, &news), -EBADMSG);
}

static void a_link_is_read(void **state)
{
	const struct rtnl_link_stats64 stats = {
		.rx_packets = UINT64_C(1) << 40, .rx_errors = 2, .rx_dropped = 3, .rx_missed_errors = 4,
		.rx_fifo_errors = 5, .rx_nohandler = 6, .tx_packets = 99};
	struct nlmsghdr *header = message_new(RTM_NEWLINK, AF_UNSPEC, 7, IFF_UP | IFF_LOWER_UP);
	struct link_news news;

	(void)state;
	mnl_attr_put_u32(header, IFLA_MTU, 1500);
	mnl_attr_put_strz(header, IFLA_IFNAME, "fifteen-letters");
	mnl_attr_put(header, IFLA_STATS64, sizeof(stats), &stats);
	assert_int_equal(read_message(header, &news), 1);
	assert_int_equal(news.ifindex, 7);
	assert_string_equal(news.name, "fifteen-letters");
	assert_true(news.up);
	assert_true(news.carrier);
	assert_false(news.gone);
	assert_true(news.has_counters);
	assert_int_equal(news.counters.rx_packets, UINT64_C(1) << 40);
	assert_int_equal(news.counters.rx_errors, 2);
	assert_int_equal(news.counters.rx_dropped, 3);
	assert_int_equal(news.counters.rx_missed, 4);
	assert_int_equal(news.counters.rx_fifo, 5);
	assert_int_equal(news.counters.rx_nohandler, 6);
}

static void up_and_carrier_are_two_things(void **state)
{
	struct link_news news;

	(void)state;
	assert_int_equal(read_message(message_new(RTM_NEWLINK, AF_UNSPEC, 7, IFF_UP), &news), 1);
	assert_true(news.up && !news.carrier);
	assert_int_equal(read_message(message_new(RTM_NEWLINK, AF_UNSPEC, 7, IFF_LOWER_UP), &news), 1);
	assert_true(!news.up && news.carrier);
	assert_false(news.has_counters);
	assert_string_equal(news.name, "");
}

static void counters_of_an_older_kernel_are_zero(void **state)
{
	const struct rtnl_link_stats64 stats = {.rx_packets = 1, .rx_missed_errors = 4, .rx_nohandler = 6};
	const uint8_t newer[sizeof(stats) + 64] = {1};
	struct nlmsghdr *header = message_new(RTM_NEWLINK, AF_UNSPEC, 7, 0);
	struct link_news news;

	(void)state;
	mnl_attr_put(header, IFLA_STATS64, offsetof(struct rtnl_link_stats64, rx_nohandler), &stats);
	assert_int_equal(read_message(header, &news), 1);
	assert_int_equal(news.counters.rx_missed, 4);
	assert_int_equal(news.counters.rx_nohandler, 0);
	header = message_new(RTM_NEWLINK, AF_UNSPEC, 7, 0);
	mnl_attr_put(header, IFLA_STATS64, sizeof(newer), newer);
	assert_int_equal(read_message(header, &news), 1);
	assert_int_equal(news.counters.rx_packets, 1);
}

static void deleted_is_gone(void **state)
{
	struct nlmsghdr *header = message_new(RTM_DELLINK, AF_UNSPEC, 7, IFF_UP);
	struct link_news news;

	(void)state;
	mnl_attr_put_strz(header, IFLA_IFNAME, "eth0");
	assert_int_equal(read_message(header, &news), 1);
	assert_true(news.gone);
	assert_int_equal(news.ifindex, 7);
}

static void taken_out_of_a_bridge_is_not_gone(void **state)
{
	struct link_news news;

	(void)state;
	assert_int_equal(read_message(message_new(RTM_DELLINK, AF_BRIDGE, 7, IFF_UP), &news), 0);
	assert_int_equal(read_message(message_new(RTM_NEWLINK, AF_BRIDGE, 7, 0), &news), 0);
}

static int read_error(int error, uint16_t about, int ifindex, struct link_news *ret)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(memset(room, 0, sizeof(room)));
	struct nlmsgerr *body;
	struct ifinfomsg *info;

	header->nlmsg_type = NLMSG_ERROR;
	body = mnl_nlmsg_put_extra_header(header, sizeof(*body));
	body->error = error;
	body->msg.nlmsg_type = about;
	info = mnl_nlmsg_put_extra_header(header, sizeof(*info));
	info->ifi_index = ifindex;
	return read_message(header, ret);
}

static void an_unknown_index_is_gone_and_other_errors_say_nothing(void **state)
{
	struct nlmsghdr *header;
	struct nlmsgerr *body;
	struct link_news news;

	(void)state;
	assert_int_equal(read_error(-ENODEV, RTM_GETLINK, 7, &news), 1);
	assert_true(news.gone);
	assert_int_equal(news.ifindex, 7);
	assert_int_equal(read_error(-ENODEV, RTM_GETLINK, 0, &news), 0); /* a question by name */
	assert_int_equal(read_error(-EBUSY, RTM_GETLINK, 7, &news), 0);
	assert_int_equal(read_error(-ENODEV, RTM_GETADDR, 7, &news), 0);

	/* Without what it is about. */
	header = mnl_nlmsg_put_header(memset(room, 0, sizeof(room)));
	header->nlmsg_type = NLMSG_ERROR;
	assert_bad(header);
	body = mnl_nlmsg_put_extra_header(header, sizeof(*body));
	body->error = -ENODEV;
	body->msg.nlmsg_type = RTM_GETLINK;
	assert_bad(header);
}

static void broken_messages_are_refused(void **state)
{
	const char endless[] = {'e', 't', 'h', '0'};
	struct nlmsghdr *header;
	struct link_news news;
	struct nlattr *attribute;
	size_t used;

	(void)state;
	header = message_new(RTM_NEWLINK, AF_UNSPEC, 7, 0);
	for (size_t n = 0; n < header->nlmsg_len; n++)
		assert_int_equal(read_bytes(header, n, &news, &used), -EBADMSG);
	header->nlmsg_len = sizeof(*header) + 4; /* shorter than what must be in it */
	assert_bad(header);
	header->nlmsg_len = sizeof(*header) - 1;
	assert_int_equal(read_bytes(header, sizeof(room), &news, &used), -EBADMSG);

	assert_bad(message_new(RTM_NEWLINK, AF_UNSPEC, 0, 0));
	assert_bad(message_new(RTM_NEWLINK, AF_UNSPEC, -1, 0));

	header = message_new(RTM_NEWLINK, AF_UNSPEC, 7, 0);
	mnl_attr_put(header, IFLA_IFNAME, sizeof(endless), endless);
	assert_bad(header);
	header = message_new(RTM_NEWLINK, AF_UNSPEC, 7, 0);
	mnl_attr_put_strz(header, IFLA_IFNAME, "sixteen-letters!");
	assert_bad(header);
	header = message_new(RTM_NEWLINK, AF_UNSPEC, 7, 0);
	mnl_attr_put(header, IFLA_IFNAME, 0, NULL);
	assert_bad(header);

	for (uint16_t length = 0; length < 64; length++) {
		header = message_new(RTM_NEWLINK, AF_UNSPEC, 7, 0);
		attribute = mnl_nlmsg_get_payload_tail(header);
		mnl_attr_put_u32(header, IFLA_MTU, 1500);
		attribute->nla_len = length;
		if (length < sizeof(*attribute) || length > 8)
			assert_bad(header);
	}
}

/* Every byte of a good message made every other byte: nothing is read that is not there (under the sanitizers). */
static void any_damage_is_harmless(void **state)
{
	const struct rtnl_link_stats64 stats = {.rx_packets = 1};
	struct nlmsghdr *header = message_new(RTM_NEWLINK, AF_UNSPEC, 7, IFF_UP);
	struct link_news news;
	size_t used, bytes;

	(void)state;
	mnl_attr_put_strz(header, IFLA_IFNAME, "eth0");
	mnl_attr_put(header, IFLA_STATS64, sizeof(stats), &stats);
	bytes = header->nlmsg_len;
	for (size_t i = 0; i < bytes; i++) {
		uint8_t before = room[i];

		for (unsigned value = 0; value < 256; value++) {
			int r;

			room[i] = (uint8_t)value;
			r = read_bytes(room, bytes, &news, &used);
			assert_true(r == 1 || r == 0 || r == -EBADMSG);
			assert_true(r < 0 || (used > 0 && used <= bytes));
		}
		room[i] = before;
	}
}

/* --- a kernel ---------------------------------------------------------------------------------------------------- */

static struct fixture {
	struct event_base *base;
	struct event *hang;
	struct links *links;
	struct link_news wanted; /* what await() waits for */
	struct link_news found;
	bool lost;
} fx;

static void on_news(const struct link_news *news, void *arg)
{
	(void)arg;
	if (news->gone != fx.wanted.gone || (news->up && news->carrier) != fx.wanted.up ||
	    (fx.wanted.ifindex != 0 && news->ifindex != fx.wanted.ifindex) ||
	    (fx.wanted.name[0] != '\0' && strcmp(news->name, fx.wanted.name) != 0))
		return;
	fx.found = *news;
	event_base_loopbreak(fx.base);
}

static void on_lost(void *arg)
{
	(void)arg;
	fx.lost = true;
}

static void on_hang(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	fail_msg("no news for %d s", HANG_S);
}

static int setup(void **state)
{
	const struct links_owner owner = {.news = on_news, .lost = on_lost};
	struct fancap_error err;

	(void)state;
	fx = (struct fixture){.base = event_base_new()};
	fx.hang = evtimer_new(fx.base, on_hang, NULL);
	return links_open(fx.base, &owner, &fx.links, &err);
}

static int teardown(void **state)
{
	(void)state;
	links_close(fx.links);
	event_free(fx.hang);
	event_base_free(fx.base);
	return 0;
}

static struct link_news await(struct link_news wanted)
{
	fx.wanted = wanted;
	event_add(fx.hang, &(struct timeval){.tv_sec = HANG_S});
	event_base_dispatch(fx.base);
	return fx.found;
}

static void a_device_is_followed_through_its_life(void **state)
{
	int ifindex;

	(void)state;
	/* What happens before the start is told after it. */
	run("ip link add ls0 type veth peer name ls1");
	ifindex = ifindex_of("ls0");
	assert_int_equal(links_start(fx.links), 0);
	assert_int_equal(await((struct link_news){.name = "ls0"}).ifindex, ifindex);
	run("ip link set ls0 up && ip link set ls1 up");
	assert_true(await((struct link_news){.name = "ls0", .up = true}).carrier);
	run("ip link set ls1 down");
	assert_true(await((struct link_news){.name = "ls0"}).up); /* but without carrier */
	run("ip link set ls0 down && ip link set ls0 name ls9");
	assert_int_equal(await((struct link_news){.name = "ls9"}).ifindex, ifindex);
	run("ip link del ls9");
	assert_int_equal(await((struct link_news){.ifindex = ifindex, .gone = true}).ifindex, ifindex);
	assert_false(fx.lost);
}

static void questions_are_answered(void **state)
{
	struct link_news news;

	(void)state;
	assert_int_equal(links_start(fx.links), 0);
	links_ask_name(fx.links, "nonesuch"); /* no answer */
	links_ask_name(fx.links, "lo");
	news = await((struct link_news){.name = "lo", .up = true});
	assert_int_equal(news.ifindex, 1);
	assert_true(news.has_counters);
	links_ask_index(fx.links, 1);
	assert_string_equal(await((struct link_news){.ifindex = 1, .up = true}).name, "lo");
	links_ask_index(fx.links, 12345);
	await((struct link_news){.ifindex = 12345, .gone = true});
}

static void more_than_there_is_room_for_is_said_to_be_lost(void **state)
{
	(void)state;
	run("ip link add lsx type veth peer name lsy && ip link set lsx up"); /* of what is down, nothing is said */
	run("i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); echo link set lsx alias n$i; done | ip -batch -");
	assert_int_equal(links_start(fx.links), 0);
	await((struct link_news){.name = "lsx"});
	assert_true(fx.lost);
	run("ip link del lsx");
}

#define KERNEL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_is_read),
		cmocka_unit_test(up_and_carrier_are_two_things),
		cmocka_unit_test(counters_of_an_older_kernel_are_zero),
		cmocka_unit_test(deleted_is_gone),
		cmocka_unit_test(taken_out_of_a_bridge_is_not_gone),
		cmocka_unit_test(an_unknown_index_is_gone_and_other_errors_say_nothing),
		cmocka_unit_test(broken_messages_are_refused),
		cmocka_unit_test(any_damage_is_harmless),
		KERNEL_TEST(a_device_is_followed_through_its_life),
		KERNEL_TEST(questions_are_answered),
		KERNEL_TEST(more_than_there_is_room_for_is_said_to_be_lost),
	};

	if (!netns_enter())
		return 0;
	return cmocka_run_group_tests_name("links", tests, NULL, NULL);
}
