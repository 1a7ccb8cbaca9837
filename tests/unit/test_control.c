// SPDX-License-Identifier: BSD-3-Clause
/* A real server in a process of its own, and clients that behave badly. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <event2/event.h>

#include "daemon/control.h"
#include "tests/unit/fake_source.h"
#include "varlink/framer.h"
#include "varlink/interfaces.h"
#include "varlink/message.h"

#define STATUS "{\"method\":\"io.fancap.GetStatus\"}"
#define STATISTICS "{\"method\":\"io.fancap.GetStatistics\"}"
#define QUICK_STREAM(ms) \
	"{\"method\":\"io.fancap.GetStatistics\",\"more\":true,\"parameters\":{\"interval_ms\":" ms "}}"
#define SLOW_STREAM QUICK_STREAM("3600000") /* one reply, and no other for an hour */
#define INFO "{\"method\":\"org.varlink.service.GetInfo\"}"
#define PATIENCE_S 10

/* Every limit as shipped, but for the times, which nobody wants to wait for. */
static struct control_limits quick_limits(void)
{
	struct control_limits limits = control_limits_default;

	limits.request_ms = 300;
	limits.stall_ms = 300;
	limits.accept_retry_ms = 50;
	return limits;
}

/* --- the server ------------------------------------------------------------------------------------ */

struct server {
	char directory[64];
	char path[96];
	pid_t pid;
};

static void sleep_ms(long ms)
{
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int try_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return fd;
}

/* fork(), but a child that does not outlive a test that failed: it would keep whoever reads our output waiting. */
static pid_t fork_bound(void)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static pid_t serve(const char *path, const struct control_limits *limits, size_t n_workers)
{
	struct fake_source fake = { .n_workers = n_workers };
	pid_t pid = fork_bound();

	if (pid == 0)
		/* Through exit(), so that the leak checker looks at the server too. */
		exit(fake_source_serve(path, &fake, limits) < 0);
	return pid;
}

static int wait_for(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void wait_until_it_listens(const struct server *server)
{
	int fd = -1;

	for (int i = 0; i < 500 && (fd = try_connect(server->path)) < 0; i++)
		sleep_ms(10);
	assert_true(fd >= 0);
	close(fd);
}

static struct server *server_new(const struct control_limits *limits, size_t n_workers)
{
	struct server *server = calloc(1, sizeof(*server));

	strcpy(server->directory, "/tmp/fancap-test-XXXXXX");
	assert_non_null(mkdtemp(server->directory));
	snprintf(server->path, sizeof(server->path), "%s/s", server->directory);
	server->pid = serve(server->path, limits, n_workers);
	wait_until_it_listens(server);
	return server;
}

/* The server ends well, its memory freed, and leaves nothing behind. */
static void server_stop(struct server *server)
{
	kill(server->pid, SIGTERM);
	assert_int_equal(wait_for(server->pid), 0);
	assert_int_equal(rmdir(server->directory), 0);
	free(server);
}

static int setup(void **state)
{
	struct control_limits limits = quick_limits();

	*state = server_new(&limits, 2);
	return 0;
}

static int teardown(void **state)
{
	server_stop(*state);
	return 0;
}

/* --- clients --------------------------------------------------------------------------------------- */

struct client {
	int fd;
	struct varlink_framer framer;
};

static struct client client_open(const struct server *server)
{
	struct client client = { .fd = try_connect(server->path) };

	assert_true(client.fd >= 0);
	varlink_framer_init(&client.framer, VARLINK_REPLY_MAX_BYTES);
	return client;
}

static void client_close(struct client *client)
{
	close(client->fd);
	varlink_framer_done(&client->framer);
}

/* Send it all, or until the server does not want more. */
static void client_send(struct client *client, const void *bytes, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = send(client->fd, (const char *)bytes + at, len - at, MSG_NOSIGNAL);

		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return;
		assert_true(n > 0);
		at += (size_t)n;
	}
}

static void client_call(struct client *client, const char *text)
{
	client_send(client, text, strlen(text) + 1);
}

/* The next reply; root is NULL when the connection has ended. */
static struct varlink_reply client_reply(struct client *client)
{
	struct varlink_reply reply = { 0 };
	char bytes[65536];
	const char *text;
	size_t len;
	int r;

	while ((r = varlink_framer_next(&client->framer, &text, &len)) == 0) {
		ssize_t n = recv(client->fd, bytes, sizeof(bytes), 0);

		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return reply;
		assert_true(n > 0);
		assert_int_equal(varlink_framer_feed(&client->framer, bytes, (size_t)n), 0);
	}
	assert_int_equal(r, 1);
	assert_int_equal(varlink_reply_parse(text, len, &reply), VARLINK_OK);
	return reply;
}

static void assert_reply_has(struct client *client, const char *key)
{
	struct varlink_reply reply = client_reply(client);

	assert_non_null(reply.root);
	assert_null(reply.error);
	assert_non_null(json_object_get(reply.parameters, key));
	varlink_reply_done(&reply);
}

static void assert_error(struct client *client, const char *error, const char *key, const char *part)
{
	struct varlink_reply reply = client_reply(client);
	const char *value;

	assert_non_null(reply.root);
	assert_non_null(reply.error);
	assert_string_equal(reply.error, error);
	value = json_string_value(json_object_get(reply.parameters, key));
	if (!value || !strstr(value, part))
		fail_msg("%s: %s, not %s", error, value, part);
	varlink_reply_done(&reply);
}

static void assert_end(struct client *client)
{
	struct varlink_reply reply = client_reply(client);

	assert_null(reply.root);
}

/* Someone else is answered. */
static void assert_served(const struct server *server)
{
	struct client client = client_open(server);

	client_call(&client, STATUS);
	assert_reply_has(&client, "version");
	client_close(&client);
}

/* --- answering ------------------------------------------------------------------------------------- */

static void calls_are_answered(void **state)
{
	struct client client = client_open(*state);

	client_call(&client, STATUS);
	assert_reply_has(&client, "pid");
	client_call(&client, STATISTICS);
	assert_reply_has(&client, "total");
	client_call(&client, INFO);
	assert_reply_has(&client, "product");
	client_close(&client);
}

static void pipelined_calls_are_answered_in_order(void **state)
{
	static const char *const calls[] = { STATUS, STATISTICS, INFO };
	static const char *const keys[] = { "pid", "total", "product" };
	struct client client = client_open(*state);
	char bytes[8192];
	size_t len = 0;

	for (int i = 0; i < 90; i++) {
		strcpy(bytes + len, calls[i % 3]);
		len += strlen(calls[i % 3]) + 1;
	}
	client_send(&client, bytes, len);
	for (int i = 0; i < 90; i++)
		assert_reply_has(&client, keys[i % 3]);
	client_close(&client);
}

static void calls_may_come_byte_by_byte(void **state)
{
	struct client client = client_open(*state);

	for (size_t i = 0; i < sizeof(STATUS); i++) {
		client_send(&client, &STATUS[i], 1);
		if (i % 8 == 0)
			sleep_ms(2);
	}
	assert_reply_has(&client, "pid");
	client_close(&client);
}

static void oneway_calls_are_not_answered(void **state)
{
	struct client client = client_open(*state);

	client_call(&client, "{\"method\":\"io.fancap.GetStatus\",\"oneway\":true}");
	client_call(&client, "{\"method\":\"io.fancap.Nonsense\",\"oneway\":true}");
	client_call(&client, INFO);
	assert_reply_has(&client, "product");
	client_close(&client);
}

static void more_is_answered_once(void **state)
{
	struct client client = client_open(*state);
	struct varlink_reply reply;

	client_call(&client, "{\"method\":\"io.fancap.GetStatus\",\"more\":true}");
	reply = client_reply(&client);
	assert_null(reply.error);
	assert_false(reply.continues);
	varlink_reply_done(&reply);
	client_call(&client, INFO);
	assert_reply_has(&client, "product");
	client_close(&client);
}

static void answers_reach_a_client_that_sends_no_more(void **state)
{
	struct client client = client_open(*state);

	client_call(&client, STATUS);
	client_call(&client, INFO);
	assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
	assert_reply_has(&client, "pid");
	assert_reply_has(&client, "product");
	assert_end(&client);
	client_close(&client);
}

static void wrong_calls_leave_the_connection_open(void **state)
{
	struct client client = client_open(*state);

	client_call(&client, "{\"method\":\"io.fancap.Nonsense\"}");
	assert_error(&client, VARLINK_ERROR_METHOD_NOT_FOUND, "method", "io.fancap.Nonsense");
	client_call(&client, STATUS);
	assert_reply_has(&client, "pid");
	client_close(&client);
}

/* --- nonsense -------------------------------------------------------------------------------------- */

static void assert_refused(const struct server *server, const void *bytes, size_t len, const char *reason)
{
	struct client client = client_open(server);

	client_send(&client, bytes, len);
	assert_error(&client, FANCAP_ERROR_PROTOCOL, "reason", reason);
	assert_end(&client);
	client_close(&client);
	assert_served(server);
}

/* A string's own NUL ends the request. */
#define assert_text_refused(server, text, reason) assert_refused(server, text, sizeof(text), reason)

static void nonsense_is_refused(void **state)
{
	assert_text_refused(*state, "GET / HTTP/1.1\r\n\r\n", "JSON");
	assert_text_refused(*state, "", "JSON");
	assert_text_refused(*state, "\xff\xfe\x01\x02", "JSON");
	assert_text_refused(*state, "{\"method\":\"a.\xc3(\"}", "JSON");
	assert_text_refused(*state, "[1]", "object");
	assert_text_refused(*state, "{}", "method");
	assert_text_refused(*state, "{\"method\":\"io.fancap.GetStatus\",\"parameters\":1}", "parameters");
}

static void nesting_is_limited(void **state)
{
	static const char head[] = "{\"method\":\"io.fancap.GetStatus\",\"x\":";
	char *bytes = malloc(60000);

	strcpy(bytes, head);
	memset(bytes + sizeof(head) - 1, '[', 50000);
	bytes[sizeof(head) - 1 + 50000] = '\0';
	assert_refused(*state, bytes, sizeof(head) + 50000, "nested");
	free(bytes);
}

/* A call to GetStatus of exactly so many bytes, without its NUL. */
static char *long_call(size_t len)
{
	static const char head[] = "{\"method\":\"io.fancap.GetStatus\",\"x\":\"";
	char *bytes = malloc(len + 1);

	memset(bytes, 'x', len);
	memcpy(bytes, head, sizeof(head) - 1);
	memcpy(bytes + len - 2, "\"}", 3);
	return bytes;
}

static void request_of_64_kib_is_answered(void **state)
{
	struct client client = client_open(*state);
	char *bytes = long_call(65536);

	client_send(&client, bytes, 65537);
	assert_reply_has(&client, "pid");
	free(bytes);
	client_close(&client);
}

static void larger_request_is_refused(void **state)
{
	char *bytes = long_call(65537);

	assert_refused(*state, bytes, 65538, "too large");
	free(bytes);
	bytes = long_call(4 * 1024 * 1024);
	assert_refused(*state, bytes, 4 * 1024 * 1024, "too large");
	free(bytes);
}

static void calls_before_nonsense_are_answered(void **state)
{
	struct client client = client_open(*state);

	client_send(&client, STATUS "\0nonsense\0" INFO, sizeof(STATUS "\0nonsense\0" INFO));
	assert_reply_has(&client, "pid");
	assert_error(&client, FANCAP_ERROR_PROTOCOL, "reason", "JSON");
	assert_end(&client);
	client_close(&client);
}

static void truncated_request_is_refused(void **state)
{
	struct client client = client_open(*state);

	client_send(&client, STATUS, 10);
	assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
	assert_error(&client, FANCAP_ERROR_PROTOCOL, "reason", "ended");
	assert_end(&client);
	client_close(&client);
}

/* --- slowness -------------------------------------------------------------------------------------- */

static void half_sent_request_is_closed_in_time(void **state)
{
	struct client client = client_open(*state);
	int64_t begin = now_ms();

	client_send(&client, STATUS, 10);
	assert_served(*state);
	assert_error(&client, FANCAP_ERROR_PROTOCOL, "reason", "in time");
	assert_end(&client);
	assert_in_range(now_ms() - begin, 250, 30000);
	client_close(&client);
}

/* Each byte does not begin the time anew. */
static void dripping_request_is_closed_in_time(void **state)
{
	struct client client = client_open(*state);
	int64_t begin = now_ms();

	for (int i = 0; i < 100 && now_ms() - begin < 30000; i++) {
		char byte;

		if (send(client.fd, "x", 1, MSG_NOSIGNAL) < 0 ||
		    recv(client.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
			break;
		sleep_ms(50);
	}
	assert_error(&client, FANCAP_ERROR_PROTOCOL, "reason", "in time");
	assert_in_range(now_ms() - begin, 250, 30000);
	client_close(&client);
}

static void idle_client_is_left_alone(void **state)
{
	struct client client = client_open(*state);

	client_call(&client, STATUS);
	assert_reply_has(&client, "pid");
	sleep_ms(700);
	client_call(&client, STATUS);
	assert_reply_has(&client, "pid");
	client_close(&client);
}

/* Send calls for as long as the server takes them. @return how many bytes it took */
static size_t pour(struct client *client, const char *call)
{
	size_t len = strlen(call) + 1, taken = 0;
	struct timeval moment = { .tv_usec = 150000 };

	setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &moment, sizeof(moment));
	while (taken < 64 * 1024 * 1024) {
		ssize_t n = send(client->fd, call, len, MSG_NOSIGNAL);

		if (n != (ssize_t)len)
			break;
		taken += len;
	}
	return taken;
}

static void client_that_reads_nothing_is_dropped(void **state)
{
	struct client client = client_open(*state);
	char bytes[65536];
	ssize_t n;

	/* Its requests are not read while its replies are not: nothing piles up but in the sockets. */
	assert_true(pour(&client, STATISTICS) < 4 * 1024 * 1024);
	assert_served(*state);
	sleep_ms(600);
	while ((n = recv(client.fd, bytes, sizeof(bytes), 0)) > 0)
		;
	assert_true(n == 0 || errno == ECONNRESET);
	client_close(&client);
	assert_served(*state);
}

static void slow_reader_gets_all_replies(void **state)
{
	struct client client = client_open(*state);
	int small = 4096;
	pid_t sender;

	setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	sender = fork_bound();
	if (sender == 0) {
		for (int i = 0; i < 2000; i++)
			client_call(&client, i % 2 ? STATISTICS : STATUS);
		_exit(0);
	}
	for (int i = 0; i < 2000; i++) {
		assert_reply_has(&client, i % 2 ? "total" : "pid");
		if (i % 100 == 0) {
			assert_served(*state);
			sleep_ms(10);
		}
	}
	assert_int_equal(wait_for(sender), 0);
	client_close(&client);
}

static void unread_output_is_limited(void **state)
{
	struct control_limits limits = quick_limits();
	struct server *server;
	struct client client;
	char bytes[65536];
	size_t got = 0;
	ssize_t n;

	(void)state;
	limits.stall_ms = 60000;
	server = server_new(&limits, 3000); /* one reply is 3 MiB */
	client = client_open(server);
	client_call(&client, STATISTICS);
	assert_served(server);
	sleep_ms(300);
	while ((n = recv(client.fd, bytes, sizeof(bytes), 0)) > 0)
		got += (size_t)n;
	assert_true(n == 0 || errno == ECONNRESET);
	assert_true(got < 1024 * 1024);
	client_close(&client);
	assert_served(server);
	server_stop(server);
}

/* --- clients that go, and many of them ---------------------------------------------------------------- */

static void disconnecting_at_any_time_disturbs_nobody(void **state)
{
	struct client steady = client_open(*state);
	char byte;

	for (int i = 0; i < 200; i++) {
		struct client client = client_open(*state);

		client_send(&client, STATISTICS, i % 3 ? sizeof(STATISTICS) : 7);
		if (i % 3 == 2)
			assert_int_equal(recv(client.fd, &byte, 1, 0), 1); /* in the middle of the reply */
		client_close(&client);
		if (i % 20 == 0) {
			client_call(&steady, STATUS);
			assert_reply_has(&steady, "pid");
		}
	}
	client_close(&steady);
}

static void flooding_client_does_not_hold_up_others(void **state)
{
	struct client client = client_open(*state);
	pid_t sender, reader;

	sender = fork_bound();
	if (sender == 0)
		for (;;)
			client_call(&client, STATISTICS);
	reader = fork_bound();
	if (reader == 0)
		for (;;)
			varlink_reply_done(&(struct varlink_reply){ client_reply(&client).root, 0, 0, 0 });
	for (int i = 0; i < 20; i++)
		assert_served(*state);
	kill(sender, SIGKILL);
	kill(reader, SIGKILL);
	wait_for(sender);
	wait_for(reader);
	client_close(&client);
}

/* Something is under way for each of the others. */
static void client_33_is_refused(void **state)
{
	struct client clients[32], extra;
	struct varlink_reply reply;

	for (int i = 0; i < 32; i++) {
		clients[i] = client_open(*state);
		client_call(&clients[i], SLOW_STREAM);
		assert_reply_has(&clients[i], "total");
	}
	extra = client_open(*state);
	reply = client_reply(&extra);
	assert_string_equal(reply.error, FANCAP_ERROR_TOO_MANY_CLIENTS);
	assert_int_equal(json_integer_value(json_object_get(reply.parameters, "limit")), 32);
	varlink_reply_done(&reply);
	assert_end(&extra);
	client_close(&extra);

	/* A place that becomes free is given away. */
	client_close(&clients[0]);
	sleep_ms(50);
	assert_served(*state);
	for (int i = 1; i < 32; i++)
		client_close(&clients[i]);
}

/* First those who have never said anything, then who has been quiet for longest; never one who waits for something. */
static void idle_client_makes_room(void **state)
{
	static const int gone[] = { 7, 30, 31 };
	struct client clients[32], extra[3];

	for (int i = 0; i < 32; i++) {
		clients[i] = client_open(*state);
		if (i == 7)
			continue;
		client_call(&clients[i], i < 30 ? SLOW_STREAM : STATUS);
		assert_reply_has(&clients[i], i < 30 ? "total" : "pid");
	}
	for (int i = 0; i < 3; i++) {
		extra[i] = client_open(*state);
		client_call(&extra[i], SLOW_STREAM);
		assert_reply_has(&extra[i], "total");
		assert_end(&clients[gone[i]]);
	}
	for (int i = 0; i < 32; i++)
		client_close(&clients[i]);
	for (int i = 0; i < 3; i++)
		client_close(&extra[i]);
}

static void silent_client_is_dropped_in_time(void **state)
{
	struct control_limits limits = quick_limits();
	struct client silent, idle, stream;
	struct server *server;

	(void)state;
	limits.silent_ms = 200;
	server = server_new(&limits, 2);
	stream = client_open(server);
	client_call(&stream, SLOW_STREAM);
	assert_reply_has(&stream, "total");
	idle = client_open(server);
	client_call(&idle, STATUS);
	assert_reply_has(&idle, "pid");
	silent = client_open(server);
	assert_end(&silent);
	client_close(&silent);
	client_call(&idle, STATUS);
	assert_reply_has(&idle, "pid");
	client_close(&idle);
	client_close(&stream);
	server_stop(server);
}

static void idle_client_is_dropped_in_time(void **state)
{
	struct control_limits limits = quick_limits();
	struct client silent, idle, stream;
	struct server *server;

	(void)state;
	limits.idle_ms = 200;
	server = server_new(&limits, 2);
	stream = client_open(server);
	client_call(&stream, QUICK_STREAM("600"));
	assert_reply_has(&stream, "total");
	silent = client_open(server);
	idle = client_open(server);
	client_call(&idle, STATUS);
	assert_reply_has(&idle, "pid");
	assert_end(&idle);
	client_close(&idle);
	client_call(&silent, STATUS);
	assert_reply_has(&silent, "pid");
	client_close(&silent);
	assert_reply_has(&stream, "total");
	client_close(&stream);
	server_stop(server);
}

/* User and system time of a child so far, from /proc. */
static unsigned long cpu_ticks(pid_t pid)
{
	unsigned long user = 0, sys = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "r");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys), 2);
	fclose(file);
	return user + sys;
}

static void running_out_of_descriptors_does_not_spin(void **state)
{
	struct server *server = *state;
	struct rlimit limit = { 0 }, none;
	struct client client;
	unsigned long before;

	assert_int_equal(prlimit(server->pid, RLIMIT_NOFILE, NULL, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	assert_int_equal(prlimit(server->pid, RLIMIT_NOFILE, &none, NULL), 0);
	client = client_open(server);
	client_call(&client, STATUS);
	before = cpu_ticks(server->pid);
	sleep_ms(500);
	assert_true(cpu_ticks(server->pid) - before < (unsigned long)sysconf(_SC_CLK_TCK) / 10);

	/* It waits in the queue, and is answered when there are descriptors again. */
	assert_int_equal(prlimit(server->pid, RLIMIT_NOFILE, &limit, NULL), 0);
	assert_reply_has(&client, "pid");
	client_close(&client);
}

static size_t descriptors_of(pid_t pid)
{
	char path[64];
	struct stat st;
	size_t n = 0;

	for (int fd = 0; fd < 1024; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
		n += lstat(path, &st) == 0;
	}
	return n;
}

static void no_descriptors_leak(void **state)
{
	struct server *server = *state;
	size_t before;

	assert_served(server);
	sleep_ms(50);
	before = descriptors_of(server->pid);
	disconnecting_at_any_time_disturbs_nobody(state);
	assert_text_refused(server, "x", "JSON");
	sleep_ms(100);
	assert_int_equal(descriptors_of(server->pid), before);
}

/* --- answers that come later ---------------------------------------------------------------------------- */

/* In the fake daemon a reload ends all rotations. */
#define ROTATE "{\"method\":\"io.fancap.Rotate\"}"
#define ROTATE_ONEWAY "{\"method\":\"io.fancap.Rotate\",\"oneway\":true}"
#define RELOAD "{\"method\":\"io.fancap.Reload\"}"

static void end_rotations(const struct server *server)
{
	struct client client = client_open(server);
	struct varlink_reply reply;

	client_call(&client, RELOAD);
	reply = client_reply(&client);
	assert_non_null(reply.root);
	assert_null(reply.error);
	varlink_reply_done(&reply);
	client_close(&client);
}

/* Nothing has been sent to this client. By then, what it called has been seen: others are answered after it. */
static void assert_silent(const struct server *server, const struct client *client)
{
	char byte;

	assert_served(server);
	assert_served(server);
	assert_int_equal(recv(client->fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

static void answer_that_takes_its_time_holds_up_nobody_else(void **state)
{
	struct client client = client_open(*state);

	client_call(&client, ROTATE);
	client_call(&client, STATUS); /* to be answered after it */
	assert_silent(*state, &client);
	end_rotations(*state);
	assert_reply_has(&client, "workers");
	assert_reply_has(&client, "pid");
	client_call(&client, ROTATE);
	assert_silent(*state, &client);
	end_rotations(*state);
	assert_reply_has(&client, "workers");
	client_close(&client);
}

static void answer_that_nobody_wants_is_kept_back(void **state)
{
	struct client client = client_open(*state);

	client_call(&client, ROTATE_ONEWAY);
	client_call(&client, STATUS);
	assert_silent(*state, &client);
	end_rotations(*state);
	assert_reply_has(&client, "pid");
	client_close(&client);
}

static void answer_that_takes_its_time_reaches_a_client_that_sends_no_more(void **state)
{
	struct client client = client_open(*state);

	client_call(&client, ROTATE);
	assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
	assert_silent(*state, &client);
	end_rotations(*state);
	assert_reply_has(&client, "workers");
	assert_end(&client);
	client_close(&client);
}

/* More than there are places, and no rotation ends: those who left have made room, and their answers are forgotten. */
static void leaving_before_the_answer_disturbs_nobody(void **state)
{
	for (int i = 0; i < 100; i++) {
		struct client client = client_open(*state);

		client_call(&client, ROTATE);
		if (i % 2 == 0)
			assert_served(*state);
		client_close(&client);
		assert_served(*state);
	}
	end_rotations(*state);
	assert_served(*state);
}

/* --- streams --------------------------------------------------------------------------------------------- */

static void assert_continues(struct client *client)
{
	struct varlink_reply reply = client_reply(client);

	assert_non_null(reply.root);
	assert_null(reply.error);
	assert_true(reply.continues);
	varlink_reply_done(&reply);
}

/* Of others it may have known then, some have gone by now. */
static void assert_descriptors_as_before(const struct server *server, size_t before)
{
	for (int i = 0; i < 1000 && descriptors_of(server->pid) > before; i++)
		sleep_ms(10);
	assert_true(descriptors_of(server->pid) <= before);
}

static void stream_goes_on_until_it_is_closed(void **state)
{
	const struct server *server = *state;
	size_t before = descriptors_of(server->pid);
	struct client client = client_open(server);

	client_call(&client, QUICK_STREAM("100"));
	for (int i = 0; i < 5; i++)
		assert_continues(&client);
	assert_served(server);
	assert_continues(&client);
	client_close(&client);
	assert_descriptors_as_before(server, before);
}

static void stream_that_nobody_reads_is_bounded_and_ends(void **state)
{
	struct control_limits limits = quick_limits();
	struct server *server;
	struct client client;
	char bytes[65536];
	size_t got = 0;
	ssize_t n;

	(void)state;
	server = server_new(&limits, 300); /* one reply is 300 KiB */
	client = client_open(server);
	client_call(&client, QUICK_STREAM("100"));
	assert_served(server);
	sleep_ms(1500);
	while ((n = recv(client.fd, bytes, sizeof(bytes), 0)) > 0)
		got += (size_t)n;
	assert_true(n == 0 || errno == ECONNRESET);
	assert_true(got < 2 * 1024 * 1024);
	client_close(&client);
	assert_served(server);
	server_stop(server);
}

/* It sends no more, yet has its stream; that it goes away later is noticed though there is nothing to send. */
static void stream_to_a_client_that_sends_no_more_ends_with_it(void **state)
{
	const struct server *server = *state;
	size_t before = descriptors_of(server->pid);
	struct client client = client_open(server);

	client_call(&client, SLOW_STREAM);
	assert_continues(&client);
	assert_int_equal(shutdown(client.fd, SHUT_WR), 0);
	assert_silent(server, &client);
	client_close(&client);
	assert_descriptors_as_before(server, before);
}

/* --- who may call ------------------------------------------------------------------------------------- */

#define OWN_UID 65533
#define OTHER_UID 65534
#define ADMIN_GROUP "daemon"
#define ADMIN_GID 1

struct who {
	uid_t uid;
	gid_t gid;
	gid_t group; /* a supplementary one, the last of many; 0: none */
	bool may_read, may_act;
};

static void become(const struct who *who)
{
	gid_t groups[100];
	size_t n = who->group ? 100 : 0;

	for (size_t i = 0; i < 100; i++)
		groups[i] = i < 99 ? (gid_t)(70000 + i) : who->group;
	if (setgroups(n, groups) < 0 || setresgid(who->gid, who->gid, who->gid) < 0 ||
	    setresuid(who->uid, who->uid, who->uid) < 0)
		_exit(100);
}

/* @return whether a call was allowed; in a child, since an assertion that fails there would go on as the test */
static bool is_allowed(const struct server *server, const struct who *who, const char *call)
{
	pid_t pid = fork_bound();
	int status;

	if (pid == 0) {
		struct client client;
		struct varlink_reply reply;

		become(who);
		client = client_open(server);
		client_call(&client, call);
		reply = client_reply(&client);
		if (!reply.root)
			_exit(101);
		_exit(reply.error && !strcmp(reply.error, FANCAP_ERROR_PERMISSION_DENIED) ? 1 : 2);
	}
	status = wait_for(pid);
	assert_true(status == 1 || status == 2);
	return status == 2;
}

/* A server of that user, which lets everybody in: what is refused is refused by method. */
static struct server *server_of(uid_t uid, const char *admin_group)
{
	struct server *server = calloc(1, sizeof(*server));

	strcpy(server->directory, "/tmp/fancap-test-XXXXXX");
	assert_non_null(mkdtemp(server->directory));
	snprintf(server->path, sizeof(server->path), "%s/s", server->directory);
	assert_int_equal(chmod(server->directory, 0755), 0);
	assert_int_equal(chown(server->directory, uid, uid), 0);
	server->pid = fork_bound();
	if (server->pid == 0) {
		struct fake_source fake = { .n_workers = 1, .admin_group = admin_group };

		become(&(struct who){ uid, uid, 0, false, false });
		exit(fake_source_serve(server->path, &fake, NULL) < 0);
	}
	wait_until_it_listens(server);
	assert_int_equal(chmod(server->path, 0666), 0);
	return server;
}

/* What there is, as it describes itself: the next method, from at on. NULL: there is none. @return its end */
static const char *next_method(const char *at, char *ret_name, size_t size)
{
	at = strstr(at, "\nmethod ");
	if (!at)
		return NULL;
	at += strlen("\nmethod ");
	snprintf(ret_name, size, "io.fancap.%.*s", (int)strcspn(at, " ("), at);
	return at;
}

static bool is_reading(const char *method)
{
	return !strncmp(method, "io.fancap.Get", 13) || !strncmp(method, "io.fancap.List", 14) ||
	       !strcmp(method, "io.fancap.Events");
}

static void assert_right(const struct server *server, const struct who *who, const char *method, bool right)
{
	char call[160];

	/* Whether one may is asked before what with, so that nothing is done here. */
	snprintf(call, sizeof(call), "{\"method\":\"%s\",\"parameters\":{\"nonsense\":1}}", method);
	if (is_allowed(server, who, call) != right)
		fail_msg("user %d, group %d and %d: %s", (int)who->uid, (int)who->gid, (int)who->group, method);
}

/* Every one of these callers, every method. */
static void assert_matrix(const char *admin_group, const struct who *rows, size_t n)
{
	struct server *server = server_of(OWN_UID, admin_group);
	char method[64];

	for (size_t i = 0; i < n; i++) {
		unsigned acting = 0;

		for (const char *at = varlink_io_fancap; (at = next_method(at, method, sizeof(method)));) {
			assert_right(server, &rows[i], method, is_reading(method) ? rows[i].may_read : rows[i].may_act);
			acting += !is_reading(method);
		}
		assert_true(acting >= 9);
		assert_right(server, &rows[i], "org.varlink.service.GetInfo", rows[i].may_read);
		assert_right(server, &rows[i], "io.fancap.NoSuchMethod", rows[i].may_read);
		assert_int_equal(is_allowed(server, &rows[i], STATUS), rows[i].may_read);
		assert_int_equal(is_allowed(server, &rows[i], RELOAD), rows[i].may_act);
	}
	server_stop(server);
}

static void only_root_we_and_groups_may_call(void **state)
{
	static const struct who rows[] = {
		{ 0, 0, 0, true, true },
		{ 0, OTHER_UID, 0, true, true },
		{ OWN_UID, OTHER_UID, 0, true, true },
		{ OTHER_UID, OTHER_UID, 0, false, false },
		{ OTHER_UID, 0, 0, false, false }, /* root's group is not root */
		{ OTHER_UID, OWN_UID, 0, true, false },
		{ OTHER_UID, OTHER_UID, OWN_UID, true, false },
		{ OTHER_UID, ADMIN_GID, 0, true, true },
		{ OTHER_UID, OTHER_UID, ADMIN_GID, true, true },
		{ OTHER_UID, OTHER_UID, 4, false, false },
		{ OTHER_UID, ADMIN_GID, 4, true, true },
	};
	static const struct who without_group[] = {
		{ 0, 0, 0, true, true },
		{ OWN_UID, OTHER_UID, 0, true, true },
		{ OTHER_UID, OTHER_UID, 0, false, false },
		{ OTHER_UID, OWN_UID, ADMIN_GID, true, false },
		{ OTHER_UID, ADMIN_GID, 0, false, false },
	};

	(void)state;
	if (geteuid() != 0 || !getgrnam(ADMIN_GROUP) || getgrnam(ADMIN_GROUP)->gr_gid != ADMIN_GID) {
		print_message("not tried: it takes root, and a group %s\n", ADMIN_GROUP);
		return;
	}
	assert_matrix(ADMIN_GROUP, rows, sizeof(rows) / sizeof(*rows));
	assert_matrix("no-such-group-here", without_group, sizeof(without_group) / sizeof(*without_group));
	assert_matrix(NULL, without_group, sizeof(without_group) / sizeof(*without_group));
}

/* --- the socket itself ------------------------------------------------------------------------------- */

static void socket_is_for_owner_and_group(void **state)
{
	struct server *server = *state;
	struct stat st;

	assert_int_equal(stat(server->path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0660);
}

struct watch {
	const char *path;
	atomic_bool stop;
	atomic_uint seen;
	mode_t widest;
};

static void *watch_mode(void *arg)
{
	struct watch *watch = arg;
	struct stat st;

	while (!watch->stop)
		if (lstat(watch->path, &st) == 0) {
			watch->widest |= st.st_mode & 07777;
			watch->seen++;
		}
	return NULL;
}

/* A base, a control socket with the default limits on path; both made and gone within one test. */
static struct control *control_new(struct event_base *base, const char *path, int listen_fd, int *ret_r,
				   struct fancap_error *err)
{
	static struct fake_source fake = { .n_workers = 1 };
	struct control_options options = {
		.path = path, .listen_fd = listen_fd, .owner = (uid_t)-1, .group = (gid_t)-1, .source = fake_source(&fake),
	};
	struct control *control = NULL;

	*ret_r = control_open(base, &options, &control, err);
	return control;
}

static void socket_is_not_wider_for_an_instant(void **state)
{
	char directory[] = "/tmp/fancap-test-XXXXXX", path[64];
	struct watch watch = { .path = path };
	struct event_base *base = event_base_new();
	mode_t mask = umask(0);
	pthread_t thread;
	int r;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/s", directory);
	assert_int_equal(pthread_create(&thread, NULL, watch_mode, &watch), 0);
	for (int i = 0; i < 20000 && (i < 500 || watch.seen < 1000); i++) {
		control_close(control_new(base, path, -1, &r, NULL));
		assert_int_equal(r, 0);
	}
	watch.stop = true;
	pthread_join(thread, NULL);
	umask(mask);
	assert_true(watch.seen > 0);
	assert_int_equal(watch.widest, 0660);
	event_base_free(base);
	assert_int_equal(rmdir(directory), 0);
}

static void umask_does_not_narrow_it(void **state)
{
	char directory[] = "/tmp/fancap-test-XXXXXX", path[64];
	struct event_base *base = event_base_new();
	mode_t mask = umask(077);
	struct control *control;
	struct stat st;
	int r;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/s", directory);
	control = control_new(base, path, -1, &r, NULL);
	umask(mask);
	assert_int_equal(r, 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	control_close(control);
	event_base_free(base);
	assert_int_equal(rmdir(directory), 0);
}

static void socket_of_a_dead_daemon_is_replaced(void **state)
{
	struct server *server = *state;
	struct stat st;

	kill(server->pid, SIGKILL);
	assert_int_equal(wait_for(server->pid), -SIGKILL);
	assert_int_equal(stat(server->path, &st), 0);
	server->pid = serve(server->path, NULL, 1);
	for (int i = 0, fd = -1; i < 500 && fd < 0; i++) {
		sleep_ms(10);
		fd = try_connect(server->path);
		if (fd >= 0)
			close(fd);
	}
	assert_served(server);
}

static void assert_open_fails(const char *path, int expected, const char *part)
{
	struct event_base *base = event_base_new();
	struct fancap_error err = { .text = "" };
	int r;

	assert_null(control_new(base, path, -1, &r, &err));
	event_base_free(base);
	assert_int_equal(r, expected);
	if (!strstr(err.text, part))
		fail_msg("%s", err.text);
}

static void socket_of_a_live_daemon_is_not_taken(void **state)
{
	struct server *server = *state;
	char expected[160];

	snprintf(expected, sizeof(expected), "another fancapd (pid %d) is running on %s", (int)server->pid,
		 server->path);
	assert_open_fails(server->path, -EADDRINUSE, expected);
	assert_served(server);
}

static void socket_of_somebody_else_is_not_taken(void **state)
{
	char directory[] = "/tmp/fancap-test-XXXXXX", path[64];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;
	int queued;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/s", directory);
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_open_fails(path, -EADDRINUSE, "another fancapd is running on");
	assert_int_equal(stat(path, &st), 0);
	close(fd);
	unlink(path);

	/* One that is too busy to accept is alive, too. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 0), 0);
	queued = try_connect(path);
	assert_true(queued >= 0);
	assert_open_fails(path, -EADDRINUSE, "another fancapd is running on");
	assert_int_equal(stat(path, &st), 0);
	close(queued);
	close(fd);
	unlink(path);

	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_open_fails(path, -EEXIST, "no socket");
	assert_int_equal(stat(path, &st), 0);
	unlink(path);
	assert_int_equal(rmdir(directory), 0);
}

/* What a link beside the socket points to is not for us to make. */
static void lock_file_is_no_link(void **state)
{
	char directory[] = "/tmp/fancap-test-XXXXXX", path[64], lock[80], target[80];
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/s", directory);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	snprintf(target, sizeof(target), "%s/target", directory);
	assert_int_equal(symlink(target, lock), 0);
	assert_open_fails(path, -ELOOP, "cannot open its lock file");
	assert_int_equal(stat(target, &st), -1);
	unlink(lock);
	assert_int_equal(rmdir(directory), 0);
}

/* Many daemons start at once where a dead one's socket is: one serves, all others are told. */
static void of_daemons_that_start_together_one_serves(void **state)
{
	struct server *server = *state;
	pid_t pids[8];
	int alive = 0;

	for (int round = 0; round < 10; round++) {
		kill(server->pid, SIGKILL);
		wait_for(server->pid);
		for (int i = 0; i < 8; i++)
			pids[i] = serve(server->path, NULL, 1);
		for (alive = 8; alive > 1; alive--) {
			int status;
			pid_t pid = waitpid(-1, &status, 0);

			assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
			for (int i = 0; i < 8; i++)
				if (pids[i] == pid)
					pids[i] = 0;
		}
		for (int i = 0; i < 8; i++)
			if (pids[i])
				server->pid = pids[i];
		wait_until_it_listens(server); /* when it has the lock, the others leave */
		assert_served(server);
	}
}

static void missing_directory_is_made_but_not_its_parent(void **state)
{
	char directory[] = "/tmp/fancap-test-XXXXXX", made[64], path[80];
	struct event_base *base = event_base_new();
	struct stat st;
	int r;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(made, sizeof(made), "%s/run", directory);
	snprintf(path, sizeof(path), "%s/s", made);
	control_close(control_new(base, path, -1, &r, NULL));
	assert_int_equal(r, 0);
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_mode & 07777 & ~0750U, 0);
	assert_int_equal(rmdir(made), 0);
	event_base_free(base);

	snprintf(path, sizeof(path), "%s/a/b/s", directory);
	assert_open_fails(path, -ENOENT, "cannot make its directory");
	assert_int_equal(rmdir(directory), 0);
}

static void path_that_is_too_long_is_said_so(void **state)
{
	char path[201];

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_open_fails(path, -ENAMETOOLONG, "1 to 107 bytes, this one 200");
	assert_open_fails("", -EINVAL, "this one 0");
}

static void given_socket_is_served_and_not_removed(void **state)
{
	char directory[] = "/tmp/fancap-test-XXXXXX", path[64];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct event_base *base = event_base_new();
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), peer, r;
	struct control *control;
	char byte;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/s", directory);
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_null(control_new(base, NULL, fd, &r, NULL)); /* it does not listen yet */
	assert_int_equal(r, -EINVAL);
	assert_int_equal(listen(fd, 8), 0);
	control = control_new(base, NULL, fd, &r, NULL);
	assert_int_equal(r, 0);
	peer = try_connect(path);
	assert_int_equal(send(peer, STATUS, sizeof(STATUS), 0), sizeof(STATUS));
	for (int i = 0; i < 10; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(recv(peer, &byte, 1, 0), 1);
	assert_int_equal(byte, '{');
	close(peer);
	control_close(control);
	event_base_free(base);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(directory), 0);
}

#define with_server(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_server(calls_are_answered),
		with_server(pipelined_calls_are_answered_in_order),
		with_server(calls_may_come_byte_by_byte),
		with_server(oneway_calls_are_not_answered),
		with_server(more_is_answered_once),
		with_server(answers_reach_a_client_that_sends_no_more),
		with_server(wrong_calls_leave_the_connection_open),
		with_server(nonsense_is_refused),
		with_server(nesting_is_limited),
		with_server(request_of_64_kib_is_answered),
		with_server(larger_request_is_refused),
		with_server(calls_before_nonsense_are_answered),
		with_server(truncated_request_is_refused),
		with_server(half_sent_request_is_closed_in_time),
		with_server(dripping_request_is_closed_in_time),
		with_server(idle_client_is_left_alone),
		with_server(client_that_reads_nothing_is_dropped),
		with_server(slow_reader_gets_all_replies),
		cmocka_unit_test(unread_output_is_limited),
		with_server(disconnecting_at_any_time_disturbs_nobody),
		with_server(flooding_client_does_not_hold_up_others),
		with_server(client_33_is_refused),
		with_server(idle_client_makes_room),
		cmocka_unit_test(silent_client_is_dropped_in_time),
		cmocka_unit_test(idle_client_is_dropped_in_time),
		with_server(running_out_of_descriptors_does_not_spin),
		with_server(no_descriptors_leak),
		with_server(answer_that_takes_its_time_holds_up_nobody_else),
		with_server(answer_that_nobody_wants_is_kept_back),
		with_server(answer_that_takes_its_time_reaches_a_client_that_sends_no_more),
		with_server(leaving_before_the_answer_disturbs_nobody),
		with_server(stream_goes_on_until_it_is_closed),
		cmocka_unit_test(stream_that_nobody_reads_is_bounded_and_ends),
		with_server(stream_to_a_client_that_sends_no_more_ends_with_it),
		cmocka_unit_test(only_root_we_and_groups_may_call),
		with_server(socket_is_for_owner_and_group),
		cmocka_unit_test(socket_is_not_wider_for_an_instant),
		cmocka_unit_test(umask_does_not_narrow_it),
		with_server(socket_of_a_dead_daemon_is_replaced),
		with_server(socket_of_a_live_daemon_is_not_taken),
		cmocka_unit_test(socket_of_somebody_else_is_not_taken),
		cmocka_unit_test(lock_file_is_no_link),
		with_server(of_daemons_that_start_together_one_serves),
		cmocka_unit_test(missing_directory_is_made_but_not_its_parent),
		cmocka_unit_test(path_that_is_too_long_is_said_so),
		cmocka_unit_test(given_socket_is_served_and_not_removed),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
