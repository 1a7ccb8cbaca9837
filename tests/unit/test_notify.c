// SPDX-License-Identifier: BSD-3-Clause
/* What the service manager hears, and that one who does not listen holds nobody up. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/notify.h"
#include "tests/unit/folder.h"

#define QUEUE_MANY 1000 /* more than any net.unix.max_dgram_qlen here */

static struct fixture {
	char *folder;
	int fd;
} fx;

static void listen_at(const struct sockaddr_un *address, size_t n)
{
	assert_int_equal(bind(fx.fd, (const struct sockaddr *)address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)), 0);
}

static int setup(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)state;
	fx = (struct fixture){.folder = folder_make()};
	fx.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(fx.fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", fx.folder);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	listen_at(&address, strlen(address.sun_path));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	close(fx.fd);
	folder_remove(fx.folder);
	return 0;
}

static void assert_heard(const char *expected)
{
	char text[512] = "";

	assert_true(recv(fx.fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	if (strncmp(text, expected, strlen(expected)) != 0)
		fail_msg("heard \"%s\", not \"%s\"", text, expected);
}

static void says_what_goes_on(void **state)
{
	(void)state;
	notify_ready();
	notify_status("%d packets", 17);
	notify_reloading();
	notify_stopping();
	assert_heard("READY=1");
	assert_heard("STATUS=17 packets");
	assert_heard("RELOADING=1\nMONOTONIC_USEC=");
	assert_heard("STOPPING=1");
}

static void does_not_wait_for_one_who_does_not_listen(void **state)
{
	(void)state;
	alarm(20); /* ends the test */
	for (int i = 0; i < QUEUE_MANY; i++)
		notify_status("%d", i);
	notify_stopping();
	alarm(0);
	assert_heard("STATUS=0");
}

static void finds_an_abstract_socket(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[64];

	(void)state;
	snprintf(name, sizeof(name), "@fancap-test-%d", (int)getpid());
	memcpy(address.sun_path + 1, name + 1, strlen(name) - 1);
	close(fx.fd);
	fx.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	listen_at(&address, strlen(name));
	setenv("NOTIFY_SOCKET", name, 1);
	notify_ready();
	assert_heard("READY=1");
}

static void says_nothing_where_nobody_asks(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	notify_ready();
	setenv("NOTIFY_SOCKET", "nonsense", 1);
	notify_ready();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(says_what_goes_on),
		TEST(does_not_wait_for_one_who_does_not_listen),
		TEST(finds_an_abstract_socket),
		TEST(says_nothing_where_nobody_asks),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
