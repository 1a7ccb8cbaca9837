// SPDX-License-Identifier: BSD-3-Clause
#include "unit.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/channel.h"

static int fds[2];

static int setup(void **state)
{
	(void)state;
	return channel_pair(fds);
}

static int teardown(void **state)
{
	(void)state;
	close(fds[0]);
	close(fds[1]);
	return 0;
}

static void messages_arrive_whole_and_in_order(void **state)
{
	struct channel_message in, out;

	(void)state;
	assert_int_equal(channel_send(fds[0], &(struct channel_message){.type = CHANNEL_STOP, .stop_packets = 42}), 0);
	memset(&in, 0, sizeof(in));
	in.type = CHANNEL_CONFIGURE;
	in.settings.snaplen = 128;
	memset(in.settings.filter, 'x', sizeof(in.settings.filter) - 1);
	assert_int_equal(channel_send(fds[0], &in), 0);
	assert_int_equal(channel_send(fds[0], &(struct channel_message){.type = CHANNEL_HELLO}), 0);

	assert_int_equal(channel_receive(fds[1], &out), 1);
	assert_int_equal(out.type, CHANNEL_STOP);
	assert_int_equal(out.stop_packets, 42);
	assert_int_equal(channel_receive(fds[1], &out), 1);
	assert_int_equal(out.type, CHANNEL_CONFIGURE);
	assert_memory_equal(&out.settings, &in.settings, sizeof(in.settings));
	assert_int_equal(channel_receive(fds[1], &out), 1);
	assert_int_equal(out.type, CHANNEL_HELLO);
	assert_int_equal(channel_receive(fds[1], &out), -EAGAIN);
}

static void the_other_end_gone_is_told_after_the_last_message(void **state)
{
	struct channel_message out;

	(void)state;
	assert_int_equal(channel_send(fds[0], &(struct channel_message){.type = CHANNEL_LOSING}), 0);
	shutdown(fds[0], SHUT_RDWR);
	assert_int_equal(channel_receive(fds[1], &out), 1);
	assert_int_equal(channel_receive(fds[1], &out), 0);
	assert_int_equal(channel_send(fds[1], &out), -EPIPE); /* and no SIGPIPE */
}

static void what_is_no_message_of_ours_is_refused(void **state)
{
	struct channel_message out;
	const uint32_t unknown = 99, stop_without_body = CHANNEL_STOP;

	(void)state;
	send(fds[0], "x", 1, 0);
	assert_int_equal(channel_receive(fds[1], &out), -EBADMSG);
	send(fds[0], &unknown, sizeof(unknown), 0);
	assert_int_equal(channel_receive(fds[1], &out), -EBADMSG);
	send(fds[0], &stop_without_body, sizeof(stop_without_body), 0);
	assert_int_equal(channel_receive(fds[1], &out), -EBADMSG);
}

static void log_texts_are_ended_by_the_receiver(void **state)
{
	struct channel_message in = {.type = CHANNEL_LOG}, out;

	(void)state;
	memset(in.log.text, 'x', sizeof(in.log.text));
	memset(in.log.message_id, 'y', sizeof(in.log.message_id));
	assert_int_equal(channel_send(fds[0], &in), 0);
	assert_int_equal(channel_receive(fds[1], &out), 1);
	assert_int_equal(strlen(out.log.text), sizeof(out.log.text) - 1);
	assert_int_equal(strlen(out.log.message_id), sizeof(out.log.message_id) - 1);
}

static void a_full_channel_does_not_block(void **state)
{
	struct channel_message message = {.type = CHANNEL_LOG};
	int r = 0;

	(void)state;
	for (int i = 0; r == 0 && i < 100000; i++)
		r = channel_send(fds[0], &message);
	assert_int_equal(r, -EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages_arrive_whole_and_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(the_other_end_gone_is_told_after_the_last_message, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_message_of_ours_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(log_texts_are_ended_by_the_receiver, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_channel_does_not_block, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
