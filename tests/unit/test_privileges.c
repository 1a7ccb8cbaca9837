// SPDX-License-Identifier: BSD-3-Clause
/* What processes give up for good: each test has a process of its own for that. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/disk.h"
#include "daemon/privileges.h"
#include "folder.h"

/* In a child cmocka's assertions would go on with the other tests. */
#define CHECK(condition) \
	do { \
		if (condition) \
			break; \
		fprintf(stderr, "%s:%d: not so: %s (%s)\n", __FILE__, __LINE__, #condition, strerror(errno)); \
		_exit(1); \
	} while (0)

static int status_of_child(void (*run)(const char *arg), const char *arg)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		run(arg);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void in_child(void (*run)(const char *arg), const char *arg)
{
	int status = status_of_child(run, arg);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- seccomp --- */

/* With arguments of -1 each of these fails for root without the filter as well, and does nothing; but not with EPERM. */
#define CALL(name) {#name, SYS_##name}
static const struct {
	const char *name;
	long number;
} denied[] = {
	CALL(execve), CALL(execveat), CALL(socket), CALL(socketpair), CALL(connect), CALL(bind), CALL(listen),
	CALL(accept), CALL(accept4), CALL(setsockopt), CALL(ptrace), CALL(process_vm_readv), CALL(process_vm_writev),
	CALL(pidfd_open), CALL(pidfd_getfd), CALL(pidfd_send_signal), CALL(kcmp), CALL(kill), CALL(tkill),
	CALL(rt_sigqueueinfo), CALL(bpf), CALL(perf_event_open), CALL(userfaultfd), CALL(init_module),
	CALL(finit_module), CALL(delete_module), CALL(kexec_load), CALL(syslog), CALL(io_uring_setup),
	CALL(io_uring_register), CALL(mount), CALL(umount2), CALL(pivot_root), CALL(chroot), CALL(move_mount),
	CALL(open_tree), CALL(fsopen), CALL(fsconfig), CALL(fsmount), CALL(fspick), CALL(open_by_handle_at),
	CALL(quotactl), CALL(fanotify_init), CALL(unshare), CALL(setns), CALL(add_key), CALL(request_key), CALL(keyctl),
	CALL(reboot), CALL(swapon), CALL(swapoff), CALL(acct), CALL(sethostname), CALL(setdomainname),
	CALL(settimeofday), CALL(clock_settime), CALL(clock_adjtime), CALL(adjtimex), CALL(setuid), CALL(setgid),
	CALL(setresuid), CALL(setresgid), CALL(setgroups), CALL(capset),
};

static void denied_calls_fail(const char *arg)
{
	(void)arg;
	CHECK(privileges_seccomp() == 0);
	CHECK(prctl(PR_GET_SECCOMP) == 2);
	CHECK(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	for (size_t i = 0; i < N_ELEMENTS(denied); i++) {
		long r = syscall(denied[i].number, -1, -1, -1, -1, -1, -1);

		if (r != -1 || errno != EPERM) {
			fprintf(stderr, "%s: %ld, %s\n", denied[i].name, r, strerror(errno));
			_exit(1);
		}
	}
}

static void what_recording_takes_none_of_is_denied(void **state)
{
	(void)state;
	in_child(denied_calls_fail, NULL);
}

/* Without the filter each of these succeeds, for anybody or for root. */
static void escapes_fail(const char *arg)
{
	char *const program[] = {(char *)(uintptr_t)"true", NULL};

	(void)arg;
	CHECK(privileges_seccomp() == 0);
	CHECK(execv("/bin/true", program) == -1 && errno == EPERM);
	CHECK(socket(AF_UNIX, SOCK_STREAM, 0) == -1 && errno == EPERM);
	CHECK(kill(getppid(), 0) == -1 && errno == EPERM);
	CHECK(syscall(SYS_tgkill, getppid(), getppid(), 0) == -1 && errno == EPERM);
	CHECK(setpriority(PRIO_PROCESS, 0, 1) == 0); /* the keeper's */
	/* A new user namespace gives all capabilities in it. */
	CHECK(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL) == -1 && errno == EPERM);
	CHECK(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS);
}

static void ways_out_are_closed(void **state)
{
	(void)state;
	in_child(escapes_fail, NULL);
}

static void *thread(void *arg)
{
	return arg;
}

static void recording_works(const char *folder)
{
	char path[256], byte = 'x', text[] = "written", *read_back;
	int pair[2], fd, error, why;
	socklen_t len = sizeof(error);
	struct disk *disk;
	struct disk_write write;
	pthread_t id;

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	CHECK(disk_open(2, DISK_IO_URING, &disk, &why) == 0);
	CHECK(privileges_seccomp() == 0);
	/* the channel, the event loop, threads */
	CHECK(send(pair[0], &byte, 1, MSG_NOSIGNAL) == 1 && recv(pair[1], &byte, 1, 0) == 1);
	CHECK(getsockopt(pair[0], SOL_SOCKET, SO_ERROR, &error, &len) == 0);
	CHECK(epoll_create1(EPOLL_CLOEXEC) >= 0 && eventfd(0, EFD_CLOEXEC) >= 0);
	CHECK(pthread_create(&id, NULL, thread, NULL) == 0 && pthread_join(id, NULL) == 0);
	/* files, and writing them through the ring that there is */
	snprintf(path, sizeof(path), "%s/recorded", folder);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	CHECK(fd >= 0 && fchmod(fd, 0640) == 0 && fdatasync(fd) == 0);
	write = (struct disk_write){.fd = fd, .buffered_fd = fd, .n_iov = 1, .iov = {{text, sizeof(text)}}};
	disk_submit(disk, &write);
	while (disk_wait(disk) > 0)
		;
	CHECK(write.done && write.error == 0);
	CHECK(disk_method(disk) == (why == 0 ? DISK_IO_URING : DISK_PWRITE));
	read_back = malloc(sizeof(text));
	CHECK(read_back != NULL && pread(fd, read_back, sizeof(text), 0) == (ssize_t)sizeof(text));
	CHECK(strcmp(read_back, text) == 0);
	free(read_back);
	disk_close(disk);
}

static void recording_goes_on(void **state)
{
	char *folder = folder_make();

	(void)state;
	in_child(recording_works, folder);
	folder_remove(folder);
}

static void fail_an_assertion(const char *arg)
{
	const struct rlimit none = {0};

	(void)arg;
	CHECK(setrlimit(RLIMIT_CORE, &none) == 0 && privileges_seccomp() == 0);
	signal(SIGABRT, SIG_DFL);
	abort();
}

/* It has a signal of its own process to end by: the log then says what happened. */
static void a_failed_assertion_is_seen_as_one(void **state)
{
	int status = status_of_child(fail_an_assertion, NULL);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* --- Landlock --- */

static char *other_folder;

static bool no_landlock(void)
{
	/* LANDLOCK_CREATE_RULESET_VERSION */
	bool none = syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 0;

	if (none)
		print_message("left out: this kernel has no Landlock, or does not use it\n");
	return none;
}

static const char *in(const char *folder, const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % N_ELEMENTS(paths)];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static void confine(const char *folder)
{
	const char *const folders[] = {"/nowhere/at/all", folder};

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(privileges_landlock(folders, 2) == 0);
}

static bool refused(int result)
{
	return result == -1 && errno == EACCES;
}

static void nothing_else_opens(const char *folder)
{
	int open_already = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	char byte;

	confine(folder);
	CHECK(refused(open("/etc/hostname", O_RDONLY)));
	CHECK(refused(open("/proc/self/status", O_RDONLY)));
	CHECK(refused(open("/", O_RDONLY | O_DIRECTORY)));
	CHECK(refused(open(in(folder, ".."), O_RDONLY | O_DIRECTORY)));
	CHECK(refused(open("/dev/null", O_WRONLY)));
	CHECK(refused(open(in(other_folder, "file"), O_RDONLY)));
	CHECK(refused(open(in(other_folder, "new"), O_WRONLY | O_CREAT, 0600)));
	CHECK(refused(unlink(in(other_folder, "file"))));
	CHECK(refused(mkdir(in(other_folder, "new"), 0700)));
	CHECK(read(open_already, &byte, 1) == 1);
	/* Nor what a keeper has no use for. */
	CHECK(refused(symlink("/etc/hostname", in(folder, "link"))));
	CHECK(refused(mkdir(in(folder, "new"), 0700)));
	CHECK(refused(mkfifo(in(folder, "fifo"), 0600)));
	CHECK(rename(in(folder, "day/file"), in(other_folder, "moved")) == -1 && (errno == EACCES || errno == EXDEV));
}

/* In the order of a keeper's work. */
static void work_goes_on(const char *folder)
{
	int fd, day;

	confine(folder);
	fd = open(in(folder, "day/file"), O_RDWR | O_CLOEXEC);
	CHECK(fd >= 0 && write(fd, "bytes", 5) == 5 && ftruncate(fd, 3) == 0 && fdatasync(fd) == 0);
	CHECK(fchmod(fd, 0640) == 0 && fchown(fd, geteuid(), getegid()) == 0);
	CHECK(renameat2(AT_FDCWD, in(folder, "day/file"), AT_FDCWD, in(folder, "day/done"), RENAME_NOREPLACE) == 0);
	CHECK(open(in(folder, "day/done.zst"), O_WRONLY | O_CREAT | O_TRUNC, 0600) >= 0);
	CHECK(link(in(folder, "day/done"), in(folder, "day/again")) == 0);
	day = open(in(folder, "day"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CHECK(day >= 0 && fsync(day) == 0);
	CHECK(unlink(in(folder, "day/done")) == 0 && unlink(in(folder, "day/done.zst")) == 0 &&
	      unlink(in(folder, "day/again")) == 0);
	CHECK(rmdir(in(folder, "day")) == 0);
	CHECK(open(folder, O_RDONLY | O_DIRECTORY) >= 0);
}

static void touch(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static void confined(void (*run)(const char *folder))
{
	char *folder = folder_make();

	if (!no_landlock()) {
		other_folder = folder_make();
		assert_int_equal(mkdir(in(folder, "day"), 0700), 0);
		touch(in(folder, "day/file"));
		touch(in(other_folder, "file"));
		in_child(run, folder);
		folder_remove(other_folder);
	}
	folder_remove(folder);
}

static void a_confined_process_opens_nothing_but_its_folders(void **state)
{
	(void)state;
	confined(nothing_else_opens);
}

static void a_confined_process_keeps_files(void **state)
{
	(void)state;
	confined(work_goes_on);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_recording_takes_none_of_is_denied),
		cmocka_unit_test(ways_out_are_closed),
		cmocka_unit_test(recording_goes_on),
		cmocka_unit_test(a_failed_assertion_is_seen_as_one),
		cmocka_unit_test(a_confined_process_opens_nothing_but_its_folders),
		cmocka_unit_test(a_confined_process_keeps_files),
	};

	return cmocka_run_group_tests_name("privileges", tests, NULL, NULL);
}
