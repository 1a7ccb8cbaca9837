// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/runner.h"

/* linux/ioprio.h has these since 5.16 only. */
#define IOPRIO_WHO_PROCESS_SELF 1
#define IOPRIO_IDLE (3 << 13)
#define NICE_LOWEST 19

struct queue {
	struct job *first, **last;
};

struct runner {
	pthread_t thread;
	enum runner_priority priority;
	struct event *event;
	int event_fd;
	size_t pending; /* the event loop's */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* below: under the lock */
	struct queue waiting, finished;
	bool ending;
};

static void queue_init(struct queue *queue)
{
	queue->first = NULL;
	queue->last = &queue->first;
}

static void queue_put(struct queue *queue, struct job *job)
{
	job->next = NULL;
	*queue->last = job;
	queue->last = &job->next;
}

static struct job *queue_take(struct queue *queue)
{
	struct job *job = queue->first;

	if (job != NULL)
		queue->first = job->next;
	if (queue->first == NULL)
		queue->last = &queue->first;
	return job;
}

/* In Linux both are the thread's own. */
static void become_idle(void)
{
	pid_t self = (pid_t)syscall(SYS_gettid);

	(void)setpriority(PRIO_PROCESS, (id_t)self, NICE_LOWEST);
	(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS_SELF, 0, IOPRIO_IDLE);
}

static void *run(void *arg)
{
	struct runner *runner = arg;
	const uint64_t one = 1;
	struct job *job;

	if (runner->priority == RUNNER_IDLE)
		become_idle();
	pthread_mutex_lock(&runner->lock);
	while (!runner->ending) {
		job = queue_take(&runner->waiting);
		if (job == NULL) {
			pthread_cond_wait(&runner->wake, &runner->lock);
			continue;
		}
		pthread_mutex_unlock(&runner->lock);
		job->run(job);
		pthread_mutex_lock(&runner->lock);
		queue_put(&runner->finished, job);
		/* A counter: it cannot be full, and being there is all that matters. */
		if (write(runner->event_fd, &one, sizeof(one)) < 0)
			continue;
	}
	pthread_mutex_unlock(&runner->lock);
	return NULL;
}

static struct job *take_finished(struct runner *runner)
{
	struct job *job;

	pthread_mutex_lock(&runner->lock);
	job = queue_take(&runner->finished);
	pthread_mutex_unlock(&runner->lock);
	return job;
}

static void on_finished(evutil_socket_t fd, short what, void *arg)
{
	struct runner *runner = arg;
	struct job *job;
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	while ((job = take_finished(runner)) != NULL) {
		runner->pending--;
		job->done(job);
	}
}

/* Signals are the event loop's. */
static int start_thread(struct runner *runner, const char *name)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&runner->thread, NULL, run, runner);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		(void)pthread_setname_np(runner->thread, name);
	return -r;
}

int runner_new(struct event_base *base, const char *name, enum runner_priority priority, struct runner **ret)
{
	struct runner *runner = calloc(1, sizeof(*runner));
	int r = -ENOMEM;

	if (runner == NULL)
		return r;
	runner->priority = priority;
	queue_init(&runner->waiting);
	queue_init(&runner->finished);
	pthread_mutex_init(&runner->lock, NULL);
	pthread_cond_init(&runner->wake, NULL);
	runner->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (runner->event_fd < 0) {
		r = -errno;
		goto fail;
	}
	runner->event = event_new(base, runner->event_fd, EV_READ | EV_PERSIST, on_finished, runner);
	if (runner->event == NULL || event_add(runner->event, NULL) < 0)
		goto fail;
	r = start_thread(runner, name);
	if (r < 0)
		goto fail;
	*ret = runner;
	return 0;
fail:
	if (runner->event != NULL)
		event_free(runner->event);
	if (runner->event_fd >= 0)
		close(runner->event_fd);
	free(runner);
	return r;
}

void runner_add(struct runner *runner, struct job *job)
{
	runner->pending++;
	pthread_mutex_lock(&runner->lock);
	queue_put(&runner->waiting, job);
	pthread_cond_signal(&runner->wake);
	pthread_mutex_unlock(&runner->lock);
}

size_t runner_pending(const struct runner *runner)
{
	return runner->pending;
}

void runner_free(struct runner *runner)
{
	if (runner == NULL)
		return;
	pthread_mutex_lock(&runner->lock);
	runner->ending = true;
	pthread_cond_signal(&runner->wake);
	pthread_mutex_unlock(&runner->lock);
	pthread_join(runner->thread, NULL);
	event_free(runner->event);
	close(runner->event_fd);
	pthread_cond_destroy(&runner->wake);
	pthread_mutex_destroy(&runner->lock);
	free(runner);
}
