// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/check/gather.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#define LANDLOCK_VERSION 1u /* LANDLOCK_CREATE_RULESET_VERSION */

#define TEXT_MAX 4096

/* --- files ------------------------------------------------------------------------------------------------ */

/* The first line of a file, without its end; the format makes its name. @return whether there is one */
__attribute__((format(printf, 2, 3)))
static bool line_read(char text[TEXT_MAX], const char *format, ...)
{
	char path[PATH_MAX];
	va_list args;
	FILE *file;
	bool read;
	int n;

	va_start(args, format);
	n = vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	file = n < (int)sizeof(path) ? fopen(path, "re") : NULL;
	if (!file)
		return false;
	read = fgets(text, TEXT_MAX, file) != NULL;
	fclose(file);
	text[read ? strcspn(text, "\n") : 0] = '\0';
	return read;
}

static int64_t number_of(const char *text)
{
	char *end;
	long long number;

	errno = 0;
	number = strtoll(text, &end, 10);
	return end == text || errno || number < 0 ? -1 : number;
}

int gather_parse_cpus(const char *text, cpu_set_t *ret)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	while (*text) {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;

		if (*text < '0' || *text > '9')
			return -EINVAL;
		if (*end == '-') {
			text = end + 1;
			if (*text < '0' || *text > '9')
				return -EINVAL;
			last = strtoul(text, &end, 10);
		}
		if (last < first || last >= CPU_SETSIZE || (*end && *end != ','))
			return -EINVAL;
		for (unsigned long cpu = first; cpu <= last; cpu++)
			CPU_SET(cpu, &cpus);
		if (*end == ',' && !end[1])
			return -EINVAL;
		text = *end ? end + 1 : end;
	}
	*ret = cpus;
	return 0;
}

/* --- the machine ------------------------------------------------------------------------------------------ */

static void kernel_gather(const char *root, struct facts *facts)
{
	char text[TEXT_MAX];

	if (line_read(text, "%s/proc/sys/kernel/osrelease", root))
		(void)sscanf(text, "%d.%d", &facts->kernel_major, &facts->kernel_minor);
}

static void memory_gather(const char *root, struct facts *facts)
{
	char path[PATH_MAX], line[256];
	long long kib;
	FILE *file;

	facts->memory_available = -1;
	(void)snprintf(path, sizeof(path), "%s/proc/meminfo", root);
	file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "MemAvailable: %lld kB", &kib) == 1)
			facts->memory_available = kib * 1024;
	if (file)
		fclose(file);
}

static void clock_gather(const char *root, struct facts *facts)
{
	struct timex timex = {.modes = 0};
	char text[TEXT_MAX];
	int state = adjtimex(&timex);

	if (line_read(text, "%s/sys/devices/system/clocksource/clocksource0/current_clocksource", root))
		(void)snprintf(facts->clocksource, sizeof(facts->clocksource), "%.31s", text);
	facts->clock_synchronised = state < 0 ? -1 : state != TIME_ERROR && !(timex.status & STA_UNSYNC);
}

/* A ring is not made: version and a group are all that a kernel may lack. */
static void packet_gather(struct facts *facts)
{
	int version = TPACKET_V3, fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	facts->packet_sockets = 1;
	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) < 0) {
		facts->packet_error = errno;
		facts->packet_sockets = errno == EPERM || errno == EACCES ? -1 : 0;
	}
	if (fd >= 0)
		close(fd);
}

static void allowed_gather(const char *root, struct facts *facts)
{
	char text[TEXT_MAX], path[PATH_MAX];

	/* Kernels without the switch (before 6.6) allow it, if they have it at all. */
	facts->io_uring = syscall(SYS_io_uring_setup, 0, NULL) >= 0 || errno != ENOSYS;
	if (line_read(text, "%s/proc/sys/kernel/io_uring_disabled", root) && number_of(text) != 0)
		facts->io_uring = number_of(text) == 1 && geteuid() == 0;
	facts->landlock = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_VERSION) > 0;
	(void)snprintf(path, sizeof(path), "%s/proc/sys/kernel/seccomp/actions_avail", root);
	facts->seccomp = access(path, F_OK) == 0;
}

static void unit_gather(const char *root, struct facts *facts)
{
	static const char *const folders[] = {"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
					      "/usr/lib/systemd/system", "/lib/systemd/system"};
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s/fancapd.service", root, folders[i]);
		if (access(path, F_OK) == 0)
			facts->unit_installed = 1;
	}
}

void gather_machine(const char *root, struct facts *facts)
{
	kernel_gather(root, facts);
	memory_gather(root, facts);
	clock_gather(root, facts);
	packet_gather(facts);
	allowed_gather(root, facts);
	unit_gather(root, facts);
}

/* --- an interface ----------------------------------------------------------------------------------------- */

static void irqs_gather(const char *root, struct facts_interface *interface)
{
	char path[PATH_MAX], text[TEXT_MAX];
	struct dirent *entry;
	cpu_set_t cpus;
	DIR *folder;

	CPU_ZERO(&interface->irq_cpus);
	(void)snprintf(path, sizeof(path), "%s/sys/class/net/%s/device/msi_irqs", root, interface->name);
	folder = opendir(path);
	while (folder && (entry = readdir(folder))) {
		int64_t irq = number_of(entry->d_name);

		if (irq < 0)
			continue;
		if (!line_read(text, "%s/proc/irq/%lld/effective_affinity_list", root, (long long)irq) &&
		    !line_read(text, "%s/proc/irq/%lld/smp_affinity_list", root, (long long)irq))
			continue;
		if (gather_parse_cpus(text, &cpus) < 0)
			continue;
		CPU_OR(&interface->irq_cpus, &interface->irq_cpus, &cpus);
		interface->has_irqs = true;
	}
	if (folder)
		closedir(folder);
}

static void node_gather(const char *root, struct facts_interface *interface)
{
	char text[TEXT_MAX];

	interface->numa_node = -1;
	if (line_read(text, "%s/sys/class/net/%s/device/numa_node", root, interface->name))
		interface->numa_node = number_of(text);
	if (interface->numa_node >= 0 && line_read(text, "%s/sys/devices/system/node/node%lld/cpulist", root,
						   (long long)interface->numa_node))
		interface->has_node_cpus = gather_parse_cpus(text, &interface->node_cpus) == 0;
}

void gather_interface(const char *root, struct facts_interface *interface)
{
	char text[TEXT_MAX];

	interface->mtu = interface->speed_mbit = -1;
	interface->exists = line_read(text, "%s/sys/class/net/%s/mtu", root, interface->name);
	if (!interface->exists)
		return;
	interface->mtu = number_of(text);
	if (line_read(text, "%s/sys/class/net/%s/flags", root, interface->name))
		interface->up = strtoul(text, NULL, 16) & IFF_UP;
	/* Which cannot be read while it is down. */
	interface->carrier = line_read(text, "%s/sys/class/net/%s/carrier", root, interface->name) && text[0] == '1';
	if (line_read(text, "%s/sys/class/net/%s/speed", root, interface->name))
		interface->speed_mbit = number_of(text);
	irqs_gather(root, interface);
	node_gather(root, interface);
}
