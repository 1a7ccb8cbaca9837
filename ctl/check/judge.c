// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/check/judge.h"

#include <stdio.h>
#include <string.h>

#include "common/percent.h"
#include "ctl/check/judge_interface.h"
#include "ctl/output.h"

#define NUMBER(a) (sizeof(a) / sizeof((a)[0]))

#define KERNEL_MAJOR 5
#define KERNEL_MINOR 15
#define MEMORY_WARN_PERCENT 50
#define FREE_CRITICAL_PERCENT 1
#define FREE_WARN_PERCENT 10
#define MBIT 1000000

/* --- the machine ------------------------------------------------------------------------------------------ */

static void judge_kernel(const struct facts *facts, struct findings *findings)
{
	bool old = facts->kernel_major < KERNEL_MAJOR ||
		   (facts->kernel_major == KERNEL_MAJOR && facts->kernel_minor < KERNEL_MINOR);

	findings_add(findings, old ? FINDING_WARNING : FINDING_OK, "kernel", "",
		     old ? "fancap is made for 5.15 and later: what older ones lack has not been tried" : NULL,
		     "Linux %d.%d", facts->kernel_major, facts->kernel_minor);
}

static void judge_packet_sockets(const struct facts *facts, struct findings *findings)
{
	struct finding *row;

	if (facts->packet_sockets > 0) {
		findings_add(findings, FINDING_OK, "packet sockets", "", NULL, "TPACKET_V3 and PACKET_FANOUT work");
	} else if (facts->packet_sockets == 0) {
		row = findings_add(findings, FINDING_CRITICAL, "packet sockets", "", "there is no capture without them",
				   "no packet sockets with TPACKET_V3: %s", strerror(facts->packet_error));
		finding_mend(row, "modprobe af_packet");
	} else {
		row = findings_add(findings, FINDING_NOTICE, "packet sockets", "", "they take CAP_NET_RAW",
				   "not tried: %s", strerror(facts->packet_error));
		finding_mend(row, "sudo fancapctl check");
	}
}

static void judge_io_uring(const struct facts *facts, struct findings *findings)
{
	struct finding *row;

	if (facts->io_uring) {
		findings_add(findings, FINDING_OK, "io_uring", "", NULL, "allowed");
		return;
	}
	row = findings_add(findings, FINDING_WARNING, "io_uring", "",
			   "writes are done one after the other then, and a worker waits for each", "not allowed");
	finding_mend(row, "sysctl -w kernel.io_uring_disabled=0");
}

static void judge_confinement(const struct facts *facts, struct findings *findings)
{
	findings_add(findings, facts->landlock ? FINDING_OK : FINDING_NOTICE, "landlock", "",
		     facts->landlock ? NULL : "the storage keeper could reach files besides the recordings, if it were taken over",
		     facts->landlock ? "there" : "not in this kernel, or not enabled (lsm=landlock,...)");
	findings_add(findings, facts->seccomp ? FINDING_OK : FINDING_WARNING, "seccomp", "",
		     facts->seccomp ? NULL : "workers read what anybody sends: they should have no system calls they do not need",
		     facts->seccomp ? "there" : "not in this kernel");
}

static void judge_clock(const struct facts *facts, struct findings *findings)
{
	static const char *const slow[] = {"hpet", "acpi_pm", "jiffies", "refined-jiffies"};
	struct finding *row;
	bool is_slow = false;

	for (size_t i = 0; i < NUMBER(slow); i++)
		is_slow = is_slow || strcmp(facts->clocksource, slow[i]) == 0;
	if (facts->clocksource[0]) {
		row = findings_add(findings, is_slow ? FINDING_WARNING : FINDING_OK, "clock source", "",
				   is_slow ? "every packet is stamped: reading this one takes a microsecond or more" : NULL, "%s",
				   facts->clocksource);
		if (is_slow)
			finding_mend(row, "cat /sys/devices/system/clocksource/clocksource0/available_clocksource");
	}
	if (facts->clock_synchronised < 0)
		return;
	row = findings_add(findings, facts->clock_synchronised ? FINDING_OK : FINDING_WARNING, "clock", "",
			   facts->clock_synchronised ? NULL : "recordings of several machines cannot be compared, and retention by age errs",
			   facts->clock_synchronised ? "synchronised" : "not synchronised with any other");
	if (!facts->clock_synchronised)
		finding_mend(row, "timedatectl set-ntp true");
}

static void judge_unit(const struct facts *facts, struct findings *findings)
{
	struct finding *row;

	if (facts->unit_installed) {
		findings_add(findings, FINDING_OK, "systemd", "", NULL, "fancapd.service is installed");
		return;
	}
	row = findings_add(findings, FINDING_NOTICE, "systemd", "",
			   "without the unit nobody starts fancapd again, or keeps its rings meanwhile",
			   "fancapd.service is not installed");
	finding_mend(row, "make install && systemctl daemon-reload");
}

static void judge_memory(const struct facts *facts, struct findings *findings)
{
	uint64_t rings = 0, available = (uint64_t)facts->memory_available;
	char texts[2][FORMAT_TEXT_MAX];
	enum severity severity = FINDING_OK;
	struct finding *row;

	for (size_t i = 0; i < facts->n_interfaces; i++)
		rings += facts->interfaces[i].workers * facts->interfaces[i].ring_bytes;
	if (facts->memory_available < 0 || !rings)
		return;
	if (rings > available)
		severity = FINDING_CRITICAL;
	else if (statistics_percent(rings, available) > MEMORY_WARN_PERCENT)
		severity = FINDING_WARNING;
	format_bytes(texts[0], rings);
	format_bytes(texts[1], available);
	row = findings_add(findings, severity, "memory", "",
			   severity ? "rings cannot be swapped: what else needs memory is killed, or fancapd does not start" : NULL,
			   "%s for rings, %s available", texts[0], texts[1]);
	if (severity)
		finding_mend(row, "smaller ring.size, or fewer workers, in fancapd.yaml; see fancapctl plan");
}

static void judge_selfcheck(const struct facts *facts, struct findings *findings)
{
	const struct fancap_selfcheck *result = &facts->selfcheck.result;
	struct finding *row;

	if (!facts->selfcheck.made) {
		row = findings_add(findings, FINDING_NOTICE, "fanout self-check", "",
				   "whether both directions of a flow come to one worker is not known of this kernel", "not made: %s",
				   facts->selfcheck.why_not);
		finding_mend(row, "sudo fancapctl check");
	} else if (result->packets_seen != result->packets_sent || result->flows_split) {
		findings_add(findings, FINDING_CRITICAL, "fanout self-check", "",
			     "the files of one worker would not have whole flows",
			     "%u of %u packets seen, %u flows split over workers", result->packets_seen, result->packets_sent,
			     result->flows_split);
	} else {
		findings_add(findings, FINDING_OK, "fanout self-check", "", NULL,
			     "%u packets, no flow split over %d workers, balance %.2f", result->packets_sent,
			     FACTS_SELFCHECK_MEMBERS, result->balance);
	}
}

/* --- disks ------------------------------------------------------------------------------------------------ */

static bool judge_directory_exists(const struct facts_directory *directory, struct findings *findings)
{
	struct finding *row;

	if (directory->exists && !directory->error)
		return true;
	if (directory->exists) {
		findings_add(findings, FINDING_NOTICE, "directory", directory->path, "nothing more is known of it", "%s",
			     strerror(directory->error));
		return false;
	}
	row = findings_add(findings, FINDING_CRITICAL, "directory", directory->path, "there is nowhere to record to", "%s",
			   strerror(directory->error));
	finding_mend(row, "install -d -o fancap -g fancap -m 0750 %.180s", directory->path);
	return false;
}

static void judge_file_system(const struct facts_directory *directory, struct findings *findings)
{
	static const struct {
		const char *type;
		const char *why;
	} unfit[] = {
		{"tmpfs", "recordings take the memory that rings need, and are gone with the next boot"},
		{"ramfs", "recordings take the memory that rings need, and are gone with the next boot"},
		{"overlay", "of a container: gone with it, and slow"},
		{"nfs", "a server that does not answer stops the workers"},
		{"cifs", "a server that does not answer stops the workers"},
		{"fuse", "every write takes a way through another process"},
		{"msdos", "files end at 4 GiB, and there is no space reserved ahead"},
	};
	struct finding *row;

	for (size_t i = 0; i < NUMBER(unfit); i++)
		if (strcmp(directory->fs_type, unfit[i].type) == 0) {
			row = findings_add(findings, FINDING_WARNING, "file system", directory->path, unfit[i].why, "%s",
					   directory->fs_type);
			finding_mend(row, "storage.directory on XFS or ext4, of a disk of its own");
			return;
		}
	findings_add(findings, FINDING_OK, "file system", directory->path, NULL, "%s",
		     directory->fs_type[0] ? directory->fs_type : "of a kind not known");
}

static void judge_free(const struct facts_directory *directory, struct findings *findings)
{
	double percent = statistics_percent(directory->free_bytes, directory->total_bytes);
	enum severity severity = percent < FREE_CRITICAL_PERCENT ? FINDING_CRITICAL :
				 percent < FREE_WARN_PERCENT	 ? FINDING_WARNING : FINDING_OK;
	char texts[2][FORMAT_TEXT_MAX];
	struct finding *row;

	format_bytes(texts[0], directory->free_bytes);
	format_bytes(texts[1], directory->total_bytes);
	row = findings_add(findings, severity, "free space", directory->path,
			   severity ? "on a full disk packets are discarded, or old recordings go early" : NULL,
			   "%s of %s (%.1f %%)", texts[0], texts[1], percent);
	if (severity)
		finding_mend(row, "storage.retain.size or .age in fancapd.yaml, or remove what else is there: du -xh %.120s | sort -h",
			     directory->path);
}

static void judge_direct_io(const struct facts_directory *directory, struct findings *findings)
{
	struct finding *row;

	if (directory->direct_io < 0)
		return;
	if (directory->direct_io) {
		findings_add(findings, FINDING_OK, "O_DIRECT", directory->path, NULL, "works");
		return;
	}
	row = findings_add(findings, FINDING_WARNING, "O_DIRECT", directory->path,
			   "recordings push everything else out of the page cache, and cost a copy", "does not work here");
	finding_mend(row, "storage.directory on XFS or ext4");
}

/* What has to be written at most: what was said, or what all links together can bring. */
static uint64_t bytes_expected(const struct facts *facts)
{
	uint64_t mbit = 0;

	if (facts->expected_bits_per_s > 0)
		return (uint64_t)facts->expected_bits_per_s / 8;
	for (size_t i = 0; i < facts->n_interfaces; i++)
		mbit += facts->interfaces[i].speed_mbit > 0 ? (uint64_t)facts->interfaces[i].speed_mbit : 0;
	return mbit * MBIT / 8;
}

/* Workers are spread over the directories; so is what they write. */
static void judge_write_speed(const struct facts *facts, const struct facts_directory *directory, struct findings *findings)
{
	uint64_t share = bytes_expected(facts) / facts->n_directories;
	uint64_t speed = (uint64_t)directory->write_bytes_per_s;
	enum severity severity = FINDING_OK;
	char texts[2][FORMAT_TEXT_MAX];
	struct finding *row;

	if (directory->write_error) {
		findings_add(findings, FINDING_WARNING, "write speed", directory->path,
			     "whether the disk is fast enough is not known", "cannot be measured: %s",
			     strerror(directory->write_error));
		return;
	}
	if (directory->write_bytes_per_s <= 0)
		return;
	/* A link need not be full; what was said to come will. */
	if (share > speed)
		severity = facts->expected_bits_per_s > 0 ? FINDING_CRITICAL : FINDING_WARNING;
	format_bytes(texts[0], speed);
	format_bytes(texts[1], share);
	strcat(texts[1], "/s");
	row = findings_add(findings, severity, "write speed", directory->path,
			   severity ? "what arrives faster than the disk writes has to find room in the rings, and is dropped then" : NULL,
			   "%s/s%s%s", texts[0], share ? ", and so much may come: " : "", share ? texts[1] : "");
	if (severity)
		finding_mend(row, "storage.directories on more disks, snaplen or filter in fancapd.yaml; see fancapctl plan");
}

static void judge_directory(const struct facts *facts, const struct facts_directory *directory, struct findings *findings)
{
	if (!judge_directory_exists(directory, findings))
		return;
	judge_file_system(directory, findings);
	judge_free(directory, findings);
	judge_direct_io(directory, findings);
	judge_write_speed(facts, directory, findings);
}

void judge(const struct facts *facts, struct findings *findings)
{
	judge_kernel(facts, findings);
	judge_packet_sockets(facts, findings);
	judge_selfcheck(facts, findings);
	judge_io_uring(facts, findings);
	judge_confinement(facts, findings);
	judge_clock(facts, findings);
	judge_unit(facts, findings);
	judge_memory(facts, findings);
	for (size_t i = 0; i < facts->n_interfaces; i++)
		judge_interface(&facts->interfaces[i], findings);
	for (size_t i = 0; i < facts->n_directories; i++)
		judge_directory(facts, &facts->directories[i], findings);
}
