// SPDX-License-Identifier: BSD-3-Clause
/*
 * Making the control socket, when there may be another daemon, or what a dead one left.
 *
 * Whether a socket file is stale can be asked by connect(). But between asking and replacing it, another daemon that
 * starts at the same time may do the same, and one of the two would serve a socket that has no name any more. So
 * daemons of the same path exclude each other by a lock on PATH.lock. It is a record lock (fcntl), since those are not
 * inherited by the workers we fork, as flock's are: a worker that outlives us does not keep the next daemon out. The
 * file is 0600, so nobody else can hold the lock to keep us from starting. connect() is asked all the same: systemd may
 * listen there on behalf of a daemon that is not started yet.
 */
#include "daemon/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_MODE 0660
#define DIRECTORY_MODE 0750
#define BACKLOG 64
#define LOCK_TRIES 100

static int fail(struct fancap_error *err, const char *path, const char *step)
{
	int r = -errno;

	fancap_error_set(err, "control socket %s: %s: %s", path, step, strerror(-r));
	return r;
}

static int address_set(const char *path, struct sockaddr_un *ret_address, struct fancap_error *err)
{
	size_t len = strlen(path);

	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (len && len < sizeof(ret_address->sun_path)) {
		memcpy(ret_address->sun_path, path, len + 1);
		return 0;
	}
	fancap_error_set(err, "control socket %s: a socket's path has 1 to %zu bytes, this one %zu", path,
			 sizeof(ret_address->sun_path) - 1, len);
	return len ? -ENAMETOOLONG : -EINVAL;
}

/* The unit denies chown(), even one that changes nothing. */
static int give(const char *path, uid_t owner, gid_t group)
{
	return owner == (uid_t)-1 && group == (gid_t)-1 ? 0 : chown(path, owner, group);
}

/* One level only: more would hide a mistyped path. */
static int directory_make(const char *path, uid_t owner, gid_t group, struct fancap_error *err)
{
	const char *slash = strrchr(path, '/');
	char *directory;
	int r = 0;

	if (!slash || slash == path)
		return 0;
	directory = strndup(path, (size_t)(slash - path));
	if (!directory)
		return -ENOMEM;

	if (mkdir(directory, DIRECTORY_MODE) == 0) {
		if (give(directory, owner, group) < 0)
			r = fail(err, path, "cannot give its directory away");
	} else if (errno != EEXIST) {
		r = fail(err, path, "cannot make its directory");
	}
	free(directory);
	return r;
}

/* --- the lock -------------------------------------------------------------------------------------- */

static int in_use(struct fancap_error *err, const char *path, pid_t pid)
{
	if (pid > 0)
		fancap_error_set(err, "another fancapd (pid %d) is running on %s", (int)pid, path);
	else
		fancap_error_set(err, "another fancapd is running on %s", path);
	return -EADDRINUSE;
}

/* @return the descriptor, locked; -EADDRINUSE; -ESTALE: its file was removed meanwhile, try again; other -errno */
static int lock_try(const struct control_socket *sock, struct fancap_error *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat ours, named;
	int fd, r = -ESTALE;

	fd = open(sock->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail(err, sock->path, "cannot open its lock file");

	if (fcntl(fd, F_SETLK, &lock) < 0) {
		r = fail(err, sock->path, "cannot lock");
		if (r == -EAGAIN || r == -EACCES)
			r = in_use(err, sock->path, fcntl(fd, F_GETLK, &lock) == 0 ? lock.l_pid : 0);
	} else if (fstat(fd, &ours) == 0 && lstat(sock->lock_path, &named) == 0 &&
		   ours.st_dev == named.st_dev && ours.st_ino == named.st_ino) {
		return fd;
	}
	close(fd);
	return r;
}

/* The holder removes the file before it unlocks: who waited at the door may find itself with one that has no name. */
static int lock_take(struct control_socket *sock, struct fancap_error *err)
{
	int r = -ESTALE;

	for (int i = 0; i < LOCK_TRIES && r == -ESTALE; i++)
		r = lock_try(sock, err);
	if (r == -ESTALE)
		return in_use(err, sock->path, 0);
	if (r < 0)
		return r;
	sock->lock_fd = r;
	return 0;
}

/* --- the socket ------------------------------------------------------------------------------------ */

/* Remove what a dead daemon left. @return 0 the path is free, -EADDRINUSE, -EEXIST not a socket, other -errno */
static int stale_remove(const struct sockaddr_un *address, struct fancap_error *err)
{
	const char *path = address->sun_path;
	struct stat st;
	int fd, r;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : fail(err, path, "cannot look");
	if (!S_ISSOCK(st.st_mode)) {
		fancap_error_set(err, "control socket %s: something that is no socket is there", path);
		return -EEXIST;
	}

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(err, path, "socket");
	r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
	close(fd);

	/* Anything but a clear "nobody listens" (EAGAIN: its queue is full) means that somebody is there. */
	if (r != ECONNREFUSED && r != ENOENT)
		return in_use(err, path, 0);
	if (unlink(path) < 0 && errno != ENOENT)
		return fail(err, path, "cannot remove what a dead daemon left");
	return 0;
}

/*
 * Linux makes the file of a socket with the mode that the unbound socket has, less the umask: so fchmod() before bind()
 * keeps it from ever being accessible more widely, without touching the umask of the whole process. What the umask took
 * is given back afterwards.
 */
static int bind_and_listen(struct control_socket *sock, const struct sockaddr_un *address, uid_t owner,
			   gid_t group, struct fancap_error *err)
{
	sock->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock->fd < 0)
		return fail(err, sock->path, "socket");
	if (fchmod(sock->fd, SOCKET_MODE) < 0)
		return fail(err, sock->path, "fchmod");
	if (bind(sock->fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return fail(err, sock->path, "bind");
	sock->bound = true;
	if (give(sock->path, owner, group) < 0)
		return fail(err, sock->path, "cannot give it away");
	if (chmod(sock->path, SOCKET_MODE) < 0)
		return fail(err, sock->path, "chmod");
	if (listen(sock->fd, BACKLOG) < 0)
		return fail(err, sock->path, "listen");
	return 0;
}

static int paths_set(struct control_socket *sock, const char *path)
{
	sock->path = strdup(path);
	if (!sock->path || asprintf(&sock->lock_path, "%s.lock", path) < 0) {
		sock->lock_path = NULL;
		return -ENOMEM;
	}
	return 0;
}

int control_socket_open(const char *path, uid_t owner, gid_t group, struct control_socket *ret_socket,
			struct fancap_error *err)
{
	struct control_socket sock = CONTROL_SOCKET_NONE;
	struct sockaddr_un address;
	int r;

	r = address_set(path, &address, err);
	if (!r)
		r = paths_set(&sock, path);
	if (!r)
		r = directory_make(path, owner, group, err);
	if (!r)
		r = lock_take(&sock, err);
	if (!r)
		r = stale_remove(&address, err);
	if (!r)
		r = bind_and_listen(&sock, &address, owner, group, err);
	if (!r) {
		*ret_socket = sock;
		return 0;
	}
	if (r == -ENOMEM)
		fancap_error_set(err, "control socket %s: out of memory", path);
	control_socket_close(&sock);
	return r;
}

int control_socket_adopt(int fd, struct control_socket *ret_socket, struct fancap_error *err)
{
	int domain = 0, type = 0, listening = 0, flags;
	socklen_t len = sizeof(int);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 || domain != AF_UNIX ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM ||
	    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || !listening) {
		fancap_error_set(err, "control socket: descriptor %d is no listening Unix stream socket", fd);
		return -EINVAL;
	}
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return fail(err, "(given)", "fcntl");

	*ret_socket = (struct control_socket)CONTROL_SOCKET_NONE;
	ret_socket->fd = fd;
	return 0;
}

void control_socket_close(struct control_socket *sock)
{
	/* Names first, while the lock keeps others away. */
	if (sock->bound)
		unlink(sock->path);
	if (sock->lock_fd >= 0) {
		unlink(sock->lock_path);
		close(sock->lock_fd);
	}
	if (sock->fd >= 0)
		close(sock->fd);
	free(sock->path);
	free(sock->lock_path);
	*sock = (struct control_socket)CONTROL_SOCKET_NONE;
}
