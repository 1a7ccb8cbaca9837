// SPDX-License-Identifier: BSD-3-Clause
/* fancap-exporter over HTTP, with daemons that answer, hang, talk nonsense, or are not there. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>

#include "exporter/connections.h"
#include "exporter/http.h"
#include "exporter/inquiry.h"
#include "exporter/metrics_table.h"
#include "tests/unit/fake_source.h"

#define RESPONSE_MAX ((size_t)1 << 19)
#define LONG_MS 30000 /* never reached */
#define SHORT_MS 100
#define STATUS_REPLY "{\"parameters\":{\"version\":\"9\",\"state\":\"running\"}}"
#define STATISTICS_REPLY "{\"parameters\":{\"interfaces\":[]}}"

/* --- a daemon, and an exporter that asks it --------------------------------------------------------------- */

struct fixture {
	char directory[64];
	char path[96];
	pid_t daemon; ///< 0: none
	int listener; ///< of a daemon that is the test itself; -1: none
	pid_t exporter;
	unsigned patience_ms; ///< of the exporter, with HTTP clients
	int port;
};

static void on_signal(evutil_socket_t number, short what, void *base)
{
	(void)number;
	(void)what;
	event_base_loopbreak(base);
}

/* In a process of its own; the exit status tells of leaks, too. */
static void exporter_main(const struct fixture *f, unsigned timeout_ms, int ready)
{
	struct event_base *base = event_base_new();
	struct event *terminate = evsignal_new(base, SIGTERM, on_signal, base);
	struct exporter_options options = { .socket = f->path, .listen_len = sizeof(struct sockaddr_in),
					    .patience_ms = f->patience_ms };
	struct inquiry *inquiry;
	struct http *http;
	struct fancap_error err;

	*(struct sockaddr_in *)&options.listen =
		(struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	signal(SIGPIPE, SIG_IGN);
	event_add(terminate, NULL);
	inquiry = inquiry_new(base, f->path, timeout_ms, &err);
	http = http_open(base, &options, inquiry, &err);
	if (!http || dprintf(ready, "%s", http_url(http)) < 0)
		_exit(99);
	event_base_dispatch(base);
	inquiry_free(inquiry);
	event_base_loop(base, EVLOOP_NONBLOCK);
	http_close(http);
	event_free(terminate);
	event_base_free(base);
	exit(0);
}

static void exporter_start(struct fixture *f, unsigned timeout_ms)
{
	char url[80] = "";
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	fflush(NULL);
	f->exporter = fork();
	if (f->exporter == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* cmocka's handlers would go on with the test, in here. */
		signal(SIGSEGV, SIG_DFL);
		signal(SIGABRT, SIG_DFL);
		dup2(ready[1], 3);
		close_range(4, ~0U, 0);
		exporter_main(f, timeout_ms, 3);
	}
	close(ready[1]);
	assert_true(read(ready[0], url, sizeof(url) - 1) > 0);
	close(ready[0]);
	assert_int_equal(sscanf(url, "http://127.0.0.1:%d/", &f->port), 1);
}

static void exporter_stop(struct fixture *f)
{
	int status;

	kill(f->exporter, SIGTERM);
	waitpid(f->exporter, &status, 0);
	assert_int_equal(status, 0);
	f->exporter = 0;
}

/* @param timeout_ms that the exporter gives a daemon */
static struct fixture fixture_start_impatient(unsigned timeout_ms, unsigned patience_ms)
{
	struct fixture f = { .directory = "/tmp/fancap-test-XXXXXX", .listener = -1, .patience_ms = patience_ms };

	assert_non_null(mkdtemp(f.directory));
	snprintf(f.path, sizeof(f.path), "%s/s", f.directory);
	exporter_start(&f, timeout_ms);
	return f;
}

static struct fixture fixture_start(unsigned timeout_ms)
{
	return fixture_start_impatient(timeout_ms, 10 * LONG_MS);
}

static void fixture_stop(struct fixture *f)
{
	if (f->exporter)
		exporter_stop(f);
	if (f->listener >= 0)
		close(f->listener);
	if (f->daemon) {
		kill(f->daemon, SIGTERM);
		waitpid(f->daemon, NULL, 0);
	}
	unlink(f->path);
	assert_int_equal(rmdir(f->directory), 0);
}

/* The test is the daemon: it accepts when it likes to. */
static void daemon_listen(struct fixture *f)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(f->listener, 8), 0);
}

/* One that tells what a real one would, and always the same. */
static void daemon_start(struct fixture *f)
{
	struct fake_source fake = { .n_workers = 2 };

	fflush(NULL);
	f->daemon = fork();
	if (f->daemon == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fake_source_serve(f->path, &fake, NULL) < 0);
	}
	while (access(f->path, F_OK) < 0)
		poll(NULL, 0, 1);
	/* The file is there before anybody listens. */
	for (int fd = -1, r = -1; r < 0; close(fd)) {
		struct sockaddr_un address = { .sun_family = AF_UNIX };

		strcpy(address.sun_path, f->path);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		r = connect(fd, (struct sockaddr *)&address, sizeof(address));
	}
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd pollfd = { .fd = fd, .events = POLLIN };

	return poll(&pollfd, 1, timeout_ms) == 1;
}

/* Accept, and read both questions. */
static int daemon_accept(const struct fixture *f)
{
	int fd, n = 0;
	char byte;

	assert_true(readable(f->listener, LONG_MS));
	fd = accept(f->listener, NULL, NULL);
	assert_true(fd >= 0);
	while (n < 2 && recv(fd, &byte, 1, 0) == 1)
		n += byte == '\0';
	assert_int_equal(n, 2);
	return fd;
}

/* --- a client of HTTP ------------------------------------------------------------------------------------ */

static int http_connect(const struct fixture *f)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)f->port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void http_send(int fd, const char *text)
{
	size_t len = strlen(text);

	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/* Until it is closed, or `upto` is there. */
static const char *http_receive(int fd, const char *upto)
{
	static char text[RESPONSE_MAX];
	size_t len = 0;

	text[0] = '\0';
	while (len < sizeof(text) - 1 && !(upto && strstr(text, upto))) {
		ssize_t n;

		assert_true(readable(fd, LONG_MS));
		n = recv(fd, text + len, sizeof(text) - 1 - len, 0);
		if (n <= 0)
			break;
		len += (size_t)n;
		text[len] = '\0';
	}
	return text;
}

static const char *exchange(const struct fixture *f, const char *request)
{
	int fd = http_connect(f);
	const char *response;

	http_send(fd, request);
	response = http_receive(fd, NULL);
	close(fd);
	return response;
}

#define HEAD_OF_REQUEST " HTTP/1.1\r\nHost: localhost\r\n"
#define REQUEST(method, target) method " " target HEAD_OF_REQUEST "Connection: close\r\n\r\n"
#define KEPT(target) "GET " target HEAD_OF_REQUEST "\r\n"

static void assert_status(const char *response, int status, const char *request)
{
	const size_t version = strlen("HTTP/1.1 ");

	if (strncmp(response, "HTTP/1.", version - 2) != 0 || atoi(response + version) != status)
		fail_msg("wanted %d, got \"%.60s\" for \"%.60s\"", status, response, request);
}

/* --- what is served --------------------------------------------------------------------------------------- */

static void serves_what_there_is(void **state)
{
	static const struct {
		const char *request, *type, *part;
	} cases[] = {
		{ REQUEST("GET", "/"), "text/html; charset=utf-8", "<title>fancap</title>" },
		{ REQUEST("GET", "/metrics"), "text/plain; version=0.0.4; charset=utf-8", "\nfancap_up 1\n" },
		{ REQUEST("GET", "/metrics?x=%00"), "text/plain; version=0.0.4; charset=utf-8",
		  "\nfancap_capture_packets_total{interface=\"eth1\",worker=\"1\"} 2234567\n" },
		{ REQUEST("GET", "/healthz"), "text/plain; charset=utf-8", "\r\n\r\nok\n" },
		{ REQUEST("GET", "/api/statistics"), "application/json", "\"ready\":true" },
		{ "GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
		  "text/plain; charset=utf-8", "\r\n\r\nok\n" },
	};
	struct fixture f = fixture_start(LONG_MS);
	char header[128];

	(void)state;
	daemon_start(&f);
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		const char *response = exchange(&f, cases[i].request);

		assert_status(response, 200, cases[i].request);
		snprintf(header, sizeof(header), "\r\nContent-Type: %s\r\n", cases[i].type);
		assert_has(response, header);
		assert_has(response, cases[i].part);
	}
	fixture_stop(&f);
}

/* fancapd's whole answer has a place for each row of the table. */
static void every_metric_has_a_sample(void **state)
{
	struct fixture f = fixture_start(LONG_MS);
	const char *response;

	(void)state;
	daemon_start(&f);
	response = exchange(&f, REQUEST("GET", "/metrics"));
	for (size_t i = 0; i < metrics_table_length; i++) {
		char line[128];

		snprintf(line, sizeof(line), "\n# TYPE %s %s\n%s", metrics_table[i].name, metrics_table[i].type,
			 metrics_table[i].name);
		assert_has(response, line);
	}
	fixture_stop(&f);
}

static void head_has_all_but_the_body(void **state)
{
	struct fixture f = fixture_start(LONG_MS);
	const char *response = exchange(&f, REQUEST("HEAD", "/")), *length;

	(void)state;
	assert_status(response, 200, "HEAD /");
	length = strstr(response, "Content-Length: ");
	assert_non_null(length);
	assert_true(atoi(length + strlen("Content-Length: ")) > 10000);
	assert_string_equal(strstr(response, "\r\n\r\n"), "\r\n\r\n");
	fixture_stop(&f);
}

static void connections_are_kept(void **state)
{
	struct fixture f = fixture_start(LONG_MS);
	int fd = http_connect(&f);

	(void)state;
	for (int i = 0; i < 3; i++) {
		http_send(fd, KEPT("/metrics"));
		assert_has(http_receive(fd, "fancap_exporter_build_info{"), "\nfancap_up 0\n");
	}
	close(fd);
	fixture_stop(&f);
}

/* --- what is refused ---------------------------------------------------------------------------------------- */

/* All of them end the connection: exchange() waits for that. */
static void refuses_everything_else(void **state)
{
	static const struct {
		int status;
		const char *request, *part;
	} cases[] = {
		{ 405, REQUEST("POST", "/"), "\r\nAllow: GET, HEAD\r\n" },
		{ 405, REQUEST("PUT", "/metrics"), "\r\nAllow: GET, HEAD\r\n" },
		{ 405, REQUEST("DELETE", "/nothing"), "\r\nAllow: GET, HEAD\r\n" },
		{ 405, REQUEST("OPTIONS", "/"), "\r\nAllow: GET, HEAD\r\n" },
		{ 405, REQUEST("TRACE", "/"), "\r\nAllow: GET, HEAD\r\n" },
		{ 404, REQUEST("GET", "/index.html"), "" },
		{ 404, REQUEST("GET", "/metrics/"), "" },
		{ 421, REQUEST("GET", "//metrics"), "" }, /* "metrics" stands where a host does */
		{ 404, REQUEST("GET", "/../metrics"), "" },
		{ 404, REQUEST("GET", "/%6detrics"), "" },
		{ 404, REQUEST("GET", "/METRICS"), "" },
		{ 404, REQUEST("GET", "/api/"), "" },
		{ 421, "GET /metrics HTTP/1.1\r\nHost: evil.example.com\r\n\r\n", "--allow-host" },
		{ 421, "GET /metrics HTTP/1.1\r\nHost: evil.example.com:9847\r\n\r\n", "--allow-host" },
		{ 421, "GET http://evil.example.com/metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "--allow-host" },
		{ 421, "POST / HTTP/1.1\r\nHost: evil.example.com\r\nContent-Length: 0\r\n\r\n", "--allow-host" },
		{ 400, "GET /metrics HTTP/1.1\r\n\r\n", "one Host" },
		{ 400, "GET /metrics HTTP/1.0\r\n\r\n", "one Host" },
		{ 400, "GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", "one Host" },
		{ 400, "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nGET /", "no body" },
		{ 400, "GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "no body" },
	};
	struct fixture f = fixture_start(LONG_MS);

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		const char *response = exchange(&f, cases[i].request);

		assert_status(response, cases[i].status, cases[i].request);
		assert_has(response, cases[i].part);
		assert_has(response, "\r\nContent-Security-Policy: default-src 'none'; ");
	}
	fixture_stop(&f);
}

/* By evhttp itself; what matters is that it ends, and that others are served. */
static void nonsense_and_excess_end_the_connection(void **state)
{
	struct fixture f = fixture_start(LONG_MS);
	char *text = malloc(4 * HTTP_HEADERS_MAX_BYTES);
	static const char *const formats[] = {
		"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: localhost\r\n%s: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n%s",
		"\r\n%s\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(formats); i++) {
		char filler[2 * HTTP_HEADERS_MAX_BYTES];
		const char *response;
		int fd = http_connect(&f);

		memset(filler, 'a', sizeof(filler));
		filler[sizeof(filler) - 1] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(text, 4 * HTTP_HEADERS_MAX_BYTES, formats[i], filler);
#pragma GCC diagnostic pop
		/* It may be closed before all is sent. */
		(void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
		response = http_receive(fd, NULL);
		assert_true(response[0] == '\0' || !strncmp(response, "HTTP/1.1 4", 10));
		close(fd);
		assert_status(exchange(&f, REQUEST("GET", "/")), 200, "GET /");
	}
	assert_status(exchange(&f, "BREW / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), 501, "BREW");
	free(text);
	fixture_stop(&f);
}

static void replies_have_security_headers(void **state)
{
	static const char *const requests[] = { REQUEST("GET", "/"), REQUEST("GET", "/metrics"), REQUEST("GET", "/healthz"),
						REQUEST("GET", "/api/statistics"), REQUEST("GET", "/no"), REQUEST("PUT", "/") };
	static const char *const headers[] = { "X-Content-Type-Options: nosniff", "X-Frame-Options: DENY",
					       "Referrer-Policy: no-referrer", "Cache-Control: no-store",
					       "Cross-Origin-Resource-Policy: same-origin",
					       "Content-Security-Policy: default-src 'none';" };
	struct fixture f = fixture_start(LONG_MS);

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(requests); i++) {
		const char *response = exchange(&f, requests[i]);

		for (size_t k = 0; k < N_ELEMENTS(headers); k++)
			assert_has(response, headers[k]);
		assert_has(response, "frame-ancestors 'none'");
		assert_null(strstr(response, "Access-Control-"));
	}
	fixture_stop(&f);
}

/* --- daemons that do not answer ----------------------------------------------------------------------------- */

static void assert_down(const struct fixture *f, const char *reason)
{
	const char *response = exchange(f, REQUEST("GET", "/metrics"));

	assert_status(response, 200, "GET /metrics");
	assert_has(response, "\nfancap_up 0\n");
	assert_has(response, "\nfancap_exporter_build_info{version=\"");
	assert_null(strstr(response, "fancap_capture"));
	response = exchange(f, REQUEST("GET", "/healthz"));
	assert_status(response, 503, "GET /healthz");
	assert_has(response, reason);
	response = exchange(f, REQUEST("GET", "/api/statistics"));
	assert_status(response, 200, "GET /api/statistics");
	assert_has(response, "\"up\":false");
	assert_has(response, reason);
}

static void no_daemon_is_said(void **state)
{
	struct fixture f = fixture_start(LONG_MS);

	(void)state;
	assert_down(&f, "fancapd is not running");
	daemon_listen(&f);
	close(f.listener); /* its file stays */
	f.listener = -1;
	assert_down(&f, "fancapd is not running");
	unlink(f.path);
	/* And it is found when it comes. */
	daemon_start(&f);
	assert_status(exchange(&f, REQUEST("GET", "/healthz")), 200, "GET /healthz");
	fixture_stop(&f);
}

static void daemon_that_hangs_is_not_waited_for(void **state)
{
	struct fixture f = fixture_start(SHORT_MS);

	(void)state;
	daemon_listen(&f);
	assert_down(&f, "no answer: not within 0.1 s");
	fixture_stop(&f);
}

static void daemon_with_a_full_queue_is_not_waited_for(void **state)
{
	struct fixture f = fixture_start(SHORT_MS);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fds[4], n = 0;

	(void)state;
	daemon_listen(&f);
	listen(f.listener, 0);
	strcpy(address.sun_path, f.path);
	for (; n < 4; n++) {
		fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(fds[n], (struct sockaddr *)&address, sizeof(address));
	}
	assert_down(&f, "no answer: not within 0.1 s");
	while (n > 0)
		close(fds[--n]);
	fixture_stop(&f);
}

/* What it says to the next question, before it hangs up. */
static const char *health_with(struct fixture *f, const char *bytes, size_t len)
{
	int client = http_connect(f), fd;
	const char *response;

	http_send(client, REQUEST("GET", "/healthz"));
	fd = daemon_accept(f);
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
	close(fd);
	response = http_receive(client, NULL);
	close(client);
	return response;
}

static void nonsense_of_the_daemon_is_said(void **state)
{
	static const char starting[] = "{\"parameters\":{\"state\":\"starting\"}}\0"
				       "{\"error\":\"io.fancap.Unavailable\",\"parameters\":{\"reason\":\"it starts\"}}";
	static const struct {
		const char *bytes;
		size_t len;
		int status;
		const char *says;
	} cases[] = {
		{ "", 0, 503, "the connection ended before the answer did" },
		{ STATUS_REPLY, sizeof(STATUS_REPLY), 503, "the connection ended before the answer did" },
		{ STATUS_REPLY, 5, 503, "the connection ended before the answer did" },
		{ "hello", 6, 503, "does not speak Varlink" },
		{ "[]", 3, 503, "does not speak Varlink" },
		{ STATUS_REPLY "\0{", sizeof(STATUS_REPLY) + 2, 503, "does not speak Varlink" },
		{ "{\"error\":\"io.fancap.TooManyClients\"}", 37, 503, "fancapd answers: io.fancap.TooManyClients" },
		{ starting, sizeof(starting), 503, "fancapd answers: io.fancap.Unavailable: it starts" },
		{ STATUS_REPLY "\0" STATISTICS_REPLY, sizeof(STATUS_REPLY "\0" STATISTICS_REPLY), 200, "ok\n" },
	};
	struct fixture f = fixture_start(LONG_MS);

	(void)state;
	daemon_listen(&f);
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		const char *response = health_with(&f, cases[i].bytes, cases[i].len);

		assert_status(response, cases[i].status, cases[i].says);
		assert_has(response, cases[i].says);
	}
	fixture_stop(&f);
}

/* --- many at once ------------------------------------------------------------------------------------------- */

static void scrapes_at_once_share_a_question(void **state)
{
	static const char reply[] = STATUS_REPLY "\0" STATISTICS_REPLY;
	struct fixture f = fixture_start(LONG_MS);
	int one = http_connect(&f), two = http_connect(&f), fd;

	(void)state;
	daemon_listen(&f);
	http_send(one, REQUEST("GET", "/metrics"));
	fd = daemon_accept(&f);
	http_send(two, REQUEST("GET", "/healthz"));
	/* When others are served that came later, it has been looked at. */
	for (int i = 0; i < 3; i++)
		assert_status(exchange(&f, REQUEST("GET", "/")), 200, "GET /");
	assert_false(readable(f.listener, 0));
	assert_int_equal(send(fd, reply, sizeof(reply), MSG_NOSIGNAL), sizeof(reply));
	assert_has(http_receive(one, NULL), "\nfancap_build_info{version=\"9\"} 1\n");
	assert_status(http_receive(two, NULL), 200, "GET /healthz");
	/* And the next one asks anew. */
	http_send((close(one), one = http_connect(&f)), REQUEST("GET", "/healthz"));
	close(fd);
	fd = daemon_accept(&f);
	close(fd);
	assert_status(http_receive(one, NULL), 503, "GET /healthz");
	close(one);
	close(two);
	fixture_stop(&f);
}

static void clients_may_leave_while_they_wait(void **state)
{
	static const char reply[] = STATUS_REPLY "\0" STATISTICS_REPLY;
	struct fixture f = fixture_start(LONG_MS);
	int one = http_connect(&f), two = http_connect(&f), fd;

	(void)state;
	daemon_listen(&f);
	http_send(one, KEPT("/metrics"));
	fd = daemon_accept(&f);
	http_send(two, REQUEST("GET", "/metrics"));
	close(one);
	assert_status(exchange(&f, REQUEST("GET", "/")), 200, "GET /");
	assert_int_equal(send(fd, reply, sizeof(reply), MSG_NOSIGNAL), sizeof(reply));
	assert_has(http_receive(two, NULL), "\nfancap_up 1\n");
	close(two);
	close(fd);
	fixture_stop(&f);
}

static void stopping_answers_those_who_wait(void **state)
{
	struct fixture f = fixture_start(LONG_MS);
	int one = http_connect(&f), fd;

	(void)state;
	daemon_listen(&f);
	http_send(one, REQUEST("GET", "/healthz"));
	fd = daemon_accept(&f);
	exporter_stop(&f);
	assert_has(http_receive(one, NULL), "the exporter is stopping");
	close(one);
	close(fd);
	fixture_stop(&f);
}

/* All places taken by connections that say nothing more: the next one waits, but fancapd can still be asked. */
static void connections_are_limited(void **state)
{
	struct fixture f = fixture_start(LONG_MS);
	int fds[HTTP_CONNECTIONS_MAX], next;

	(void)state;
	daemon_start(&f);
	for (size_t i = 0; i < N_ELEMENTS(fds); i++) {
		fds[i] = http_connect(&f);
		http_send(fds[i], KEPT("/healthz"));
		assert_has(http_receive(fds[i], "\r\n\r\nok\n"), "HTTP/1.1 200 ");
	}
	next = http_connect(&f);
	http_send(next, REQUEST("GET", "/healthz"));
	http_send(fds[0], KEPT("/metrics"));
	assert_has(http_receive(fds[0], "fancap_storage_directory_free_bytes{"), "\nfancap_up 1\n");
	assert_false(readable(next, 3 * SHORT_MS));
	close(fds[0]);
	assert_has(http_receive(next, NULL), "\r\n\r\nok\n");
	close(next);
	for (size_t i = 1; i < N_ELEMENTS(fds); i++)
		close(fds[i]);
	fixture_stop(&f);
}

/* A byte now and then is not silence; but it is no request either. Who makes some keeps his place. */
static void slow_clients_lose_their_place(void **state)
{
	enum { PATIENCE_MS = 3000, PACE_MS = 50 };
	static const char request[] = KEPT("/healthz");
	struct fixture f = fixture_start_impatient(LONG_MS, PATIENCE_MS);
	int slow = http_connect(&f), kept = http_connect(&f);
	char byte;

	(void)state;
	daemon_start(&f);
	for (size_t i = 0; !readable(slow, PACE_MS); i++) {
		assert_true(i < LONG_MS / PACE_MS);
		(void)!send(slow, i < sizeof(request) - 5 ? &request[i] : "x", 1, MSG_NOSIGNAL);
		http_send(kept, KEPT("/healthz"));
		assert_has(http_receive(kept, "\r\n\r\nok\n"), "HTTP/1.1 200 ");
	}
	assert_true(recv(slow, &byte, 1, 0) <= 0);
	http_send(kept, REQUEST("GET", "/healthz"));
	assert_has(http_receive(kept, NULL), "\r\n\r\nok\n");
	close(slow);
	close(kept);
	fixture_stop(&f);
}

static void address_in_use_is_said(void **state)
{
	struct fixture f = fixture_start(LONG_MS);
	struct event_base *base = event_base_new();
	struct exporter_options options = { .socket = f.path, .listen_len = sizeof(struct sockaddr_in) };
	struct fancap_error err;

	(void)state;
	*(struct sockaddr_in *)&options.listen =
		(struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)f.port),
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_null(http_open(base, &options, NULL, &err));
	assert_string_equal(err.text, "cannot listen: Address already in use; see --listen");
	event_base_free(base);
	fixture_stop(&f);
}

static void socket_path_is_checked(void **state)
{
	struct event_base *base = event_base_new();
	char path[200] = "";
	struct fancap_error err;

	(void)state;
	assert_null(inquiry_new(base, path, LONG_MS, &err));
	assert_has(err.text, "1 to 107 bytes, this one 0");
	memset(path, 'a', sizeof(path) - 1);
	assert_null(inquiry_new(base, path, LONG_MS, &err));
	assert_has(err.text, "1 to 107 bytes, this one 199");
	event_base_free(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_what_there_is),
		cmocka_unit_test(every_metric_has_a_sample),
		cmocka_unit_test(head_has_all_but_the_body),
		cmocka_unit_test(connections_are_kept),
		cmocka_unit_test(refuses_everything_else),
		cmocka_unit_test(nonsense_and_excess_end_the_connection),
		cmocka_unit_test(replies_have_security_headers),
		cmocka_unit_test(no_daemon_is_said),
		cmocka_unit_test(daemon_that_hangs_is_not_waited_for),
		cmocka_unit_test(daemon_with_a_full_queue_is_not_waited_for),
		cmocka_unit_test(nonsense_of_the_daemon_is_said),
		cmocka_unit_test(scrapes_at_once_share_a_question),
		cmocka_unit_test(clients_may_leave_while_they_wait),
		cmocka_unit_test(stopping_answers_those_who_wait),
		cmocka_unit_test(connections_are_limited),
		cmocka_unit_test(slow_clients_lose_their_place),
		cmocka_unit_test(address_in_use_is_said),
		cmocka_unit_test(socket_path_is_checked),
	};

	return cmocka_run_group_tests_name("exporter_http", tests, NULL, NULL);
}
