// SPDX-License-Identifier: BSD-3-Clause
#include "replay/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file and the packet of it that comes next. */
struct head {
	struct fancap_capfile *file;
	size_t order; /* of the file on the command line */
	struct fancap_capfile_packet packet;
};

struct merge {
	struct fancap_capfile **files;
	struct pollfd *pipes; /* the files that are none on a disk */
	nfds_t n_pipes;
	size_t n_files;
	struct head *heads; /* sorted: the next packet is the first one's; files at their end have none */
	size_t n_heads;
	size_t started;	 /* files whose first packet has been read */
	bool first_used; /* the caller has the first head's packet */
};

static int open_fd(const char *path)
{
	int fd = strcmp(path, "-") == 0 ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int open_one(struct merge *merge, const char *path, struct fancap_error *err)
{
	const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
	int fd = open_fd(path), r;
	struct stat status;

	if (fd < 0) {
		fancap_error_set(err, "%s: %s", name, strerror(-fd));
		return fd;
	}
	r = fancap_capfile_open_fd(fd, name, &merge->files[merge->n_files], err);
	if (r < 0)
		close(fd);
	else if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
		merge->pipes[merge->n_pipes++] = (struct pollfd){.fd = fd, .events = POLLIN};
	return r;
}

int merge_open(const char *const *paths, size_t n, struct merge **ret, struct fancap_error *err)
{
	struct merge *merge = calloc(1, sizeof(*merge));
	int r = -ENOMEM;

	if (merge == NULL)
		goto fail;
	merge->files = calloc(n, sizeof(*merge->files));
	merge->heads = calloc(n, sizeof(*merge->heads));
	merge->pipes = calloc(n, sizeof(*merge->pipes));
	if (merge->files == NULL || merge->heads == NULL || merge->pipes == NULL)
		goto fail;
	for (; merge->n_files < n; merge->n_files++) {
		r = open_one(merge, paths[merge->n_files], err);
		if (r < 0)
			goto close;
	}
	*ret = merge;
	return 0;
fail:
	fancap_error_set(err, "out of memory");
close:
	merge_close(merge);
	return r;
}

void merge_close(struct merge *merge)
{
	if (merge == NULL)
		return;
	for (size_t i = 0; i < merge->n_files; i++)
		fancap_capfile_close(merge->files[i]);
	free(merge->files);
	free(merge->heads);
	free(merge->pipes);
	free(merge);
}

static bool comes_before(const struct head *a, const struct head *b)
{
	if (a->packet.time_ns != b->packet.time_ns)
		return a->packet.time_ns < b->packet.time_ns;
	return a->order < b->order;
}

/* Files usually follow each other, so the place is mostly the very first. */
static void insert(struct merge *merge, const struct head *head)
{
	size_t i = 0;

	while (i < merge->n_heads && comes_before(&merge->heads[i], head))
		i++;
	memmove(&merge->heads[i + 1], &merge->heads[i], (merge->n_heads - i) * sizeof(*head));
	merge->heads[i] = *head;
	merge->n_heads++;
}

static int start(struct merge *merge, struct fancap_error *err)
{
	for (; merge->started < merge->n_files; merge->started++) {
		struct head head = {.file = merge->files[merge->started], .order = merge->started};
		int r = fancap_capfile_next(head.file, &head.packet, err);

		if (r < 0)
			return r;
		if (r == 1)
			insert(merge, &head);
	}
	return 0;
}

/* Put the next packet of the first head's file in its place among the heads. */
static int advance(struct merge *merge, struct fancap_error *err)
{
	struct head head = merge->heads[0];
	int r = fancap_capfile_next(head.file, &head.packet, err);

	if (r < 0)
		return r;
	if (r == 1 && (merge->n_heads == 1 || comes_before(&head, &merge->heads[1]))) {
		merge->heads[0].packet = head.packet;
		return 0;
	}
	merge->n_heads--;
	memmove(&merge->heads[0], &merge->heads[1], merge->n_heads * sizeof(head));
	if (r == 1)
		insert(merge, &head);
	return 0;
}

int merge_next(struct merge *merge, struct fancap_capfile_packet *ret, struct fancap_error *err)
{
	int r = start(merge, err);

	if (r == 0 && merge->first_used)
		r = advance(merge, err);
	if (r < 0)
		return r;
	merge->first_used = merge->n_heads != 0;
	if (!merge->first_used)
		return 0;
	*ret = merge->heads[0].packet;
	return 1;
}

/* An end of file is something to read as well. */
bool merge_may_wait(const struct merge *merge)
{
	return merge->n_pipes != 0 && poll(merge->pipes, merge->n_pipes, 0) < (int)merge->n_pipes;
}

int merge_rewind(struct merge *merge, struct fancap_error *err)
{
	for (size_t i = 0; i < merge->n_files; i++) {
		int r = fancap_capfile_rewind(merge->files[i], err);

		if (r < 0)
			return r;
	}
	merge->n_heads = merge->started = 0;
	merge->first_used = false;
	return 0;
}
