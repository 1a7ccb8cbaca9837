// SPDX-License-Identifier: BSD-3-Clause
/* fancapctl check: each finding from facts made by hand, facts from a made-up /sys and /proc, and losses for Nagios. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/check/findings.h"
#include "ctl/check/gather.h"
#include "ctl/check/judge.h"
#include "ctl/check/loss.h"
#include "tests/unit/ctl_run.h"

#define GIB (1ll << 30)
#define MIB (1ll << 20)

/* --- judging ---------------------------------------------------------------------------------------------- */

static void set_cpus(cpu_set_t *set, const char *list)
{
	assert_int_equal(gather_parse_cpus(list, set), 0);
}

/* A machine with nothing to complain of. */
static struct facts *facts_fit(void)
{
	struct facts *facts = calloc(1, sizeof(*facts));
	struct facts_interface *interface;
	struct facts_directory *directory;

	assert_non_null(facts);
	facts->kernel_major = 6;
	facts->kernel_minor = 1;
	facts->memory_available = 16 * GIB;
	strcpy(facts->clocksource, "tsc");
	facts->clock_synchronised = facts->packet_sockets = facts->io_uring = facts->landlock = facts->seccomp = 1;
	facts->unit_installed = 1;
	facts->selfcheck.made = true;
	facts->selfcheck.result = (struct fancap_selfcheck){.packets_sent = 800, .packets_seen = 800, .balance = 1.1};

	interface = &facts->interfaces[facts->n_interfaces++];
	strcpy(interface->name, "eth1");
	strcpy(interface->fanout, "hash");
	interface->workers = 4;
	interface->ring_bytes = 256 * MIB;
	interface->exists = interface->up = interface->carrier = interface->has_irqs = interface->has_node_cpus = true;
	set_cpus(&interface->cpus, "4-7");
	set_cpus(&interface->irq_cpus, "0-3");
	set_cpus(&interface->node_cpus, "0-15");
	interface->mtu = 9000;
	interface->speed_mbit = 10000;
	interface->queues = interface->queues_max = 4;
	interface->nic_ring = interface->nic_ring_max = 4096;

	directory = &facts->directories[facts->n_directories++];
	strcpy(directory->path, "/srv/fancap");
	strcpy(directory->fs_type, "xfs");
	directory->exists = true;
	directory->direct_io = 1;
	directory->total_bytes = 1000 * GIB;
	directory->free_bytes = 500 * GIB;
	directory->write_bytes_per_s = 2 * GIB;
	return facts;
}

static void fit_machine_is_fit(void **state)
{
	struct facts *facts = facts_fit();
	struct findings findings = {0};

	(void)state;
	judge(facts, &findings);
	for (size_t i = 0; i < findings.n; i++) {
		if (findings.rows[i].severity != FINDING_OK || findings.rows[i].why || findings.rows[i].mend[0])
			fail_msg("%s: %s", findings.rows[i].about, findings.rows[i].what);
	}
	assert_int_equal(findings.n, 26);
	findings_done(&findings);
	free(facts);
}

#define CASE(name, statement)                                                                                           \
	static void make_##name(struct facts *facts, struct facts_interface *interface, struct facts_directory *directory) \
	{                                                                                                               \
		(void)facts;                                                                                            \
		(void)interface;                                                                                        \
		(void)directory;                                                                                        \
		statement;                                                                                              \
	}

CASE(old_kernel, facts->kernel_major = 5; facts->kernel_minor = 14)
CASE(older_kernel, facts->kernel_major = 4; facts->kernel_minor = 99)
CASE(no_packet_sockets, facts->packet_sockets = 0; facts->packet_error = EAFNOSUPPORT)
CASE(packet_sockets_forbidden, facts->packet_sockets = -1; facts->packet_error = EPERM)
CASE(split_flows, facts->selfcheck.result.flows_split = 3)
CASE(lost_packets, facts->selfcheck.result.packets_seen = 799)
CASE(no_selfcheck, facts->selfcheck.made = false; strcpy(facts->selfcheck.why_not, "no veth pair: not today"))
CASE(no_io_uring, facts->io_uring = 0)
CASE(no_landlock, facts->landlock = 0)
CASE(no_seccomp, facts->seccomp = 0)
CASE(slow_clock, strcpy(facts->clocksource, "acpi_pm"))
CASE(lonely_clock, facts->clock_synchronised = 0)
CASE(no_unit, facts->unit_installed = 0)
CASE(much_memory, interface->ring_bytes = 3 * GIB)
CASE(too_much_memory, interface->ring_bytes = 4 * GIB + 1)
CASE(no_link, interface->exists = false)
CASE(down, interface->up = false)
CASE(no_carrier, interface->carrier = false)
CASE(small_mtu, interface->mtu = 1400)
CASE(gro, interface->gro = 1)
CASE(gro_hw, interface->gro_hw = 1)
CASE(lro, interface->lro = 1)
CASE(no_stamps, strcpy(interface->timestamps, "hardware"))
CASE(one_queue, interface->queues = 1; interface->queues_max = 8)
CASE(asymmetric, strcpy(interface->fanout, "cpu"))
CASE(small_ring, interface->nic_ring = 512)
CASE(not_pinned, CPU_ZERO(&interface->cpus))
CASE(same_cpus, set_cpus(&interface->irq_cpus, "3-4,9"))
CASE(other_node, interface->numa_node = 1; set_cpus(&interface->node_cpus, "8-15"))
CASE(no_directory, directory->exists = false; directory->error = ENOENT)
CASE(hidden_directory, directory->error = EACCES)
CASE(tmpfs, strcpy(directory->fs_type, "tmpfs"))
CASE(little_space, directory->free_bytes = 99 * GIB)
CASE(no_space, directory->free_bytes = 9 * GIB)
CASE(no_direct_io, directory->direct_io = 0)
CASE(slow_disk, directory->write_bytes_per_s = 1249999999)
CASE(slow_for_rate, directory->write_bytes_per_s = 99999999; facts->expected_bits_per_s = 800000000)
CASE(unwritable, directory->write_bytes_per_s = 0; directory->write_error = EROFS)

static const struct {
	void (*make)(struct facts *facts, struct facts_interface *interface, struct facts_directory *directory);
	enum severity severity;
	const char *about, *what, *mend;
} cases[] = {
	{make_old_kernel, FINDING_WARNING, "kernel", "Linux 5.14", ""},
	{make_older_kernel, FINDING_WARNING, "kernel", "Linux 4.99", ""},
	{make_no_packet_sockets, FINDING_CRITICAL, "packet sockets", "not supported", "modprobe af_packet"},
	{make_packet_sockets_forbidden, FINDING_NOTICE, "packet sockets", "not tried: Operation not permitted", "sudo fancapctl check"},
	{make_split_flows, FINDING_CRITICAL, "fanout self-check", "800 of 800 packets seen, 3 flows split", ""},
	{make_lost_packets, FINDING_CRITICAL, "fanout self-check", "799 of 800 packets seen, 0 flows split", ""},
	{make_no_selfcheck, FINDING_NOTICE, "fanout self-check", "not made: no veth pair: not today", "sudo fancapctl check"},
	{make_no_io_uring, FINDING_WARNING, "io_uring", "not allowed", "sysctl -w kernel.io_uring_disabled=0"},
	{make_no_landlock, FINDING_NOTICE, "landlock", "not in this kernel", ""},
	{make_no_seccomp, FINDING_WARNING, "seccomp", "not in this kernel", ""},
	{make_slow_clock, FINDING_WARNING, "clock source", "acpi_pm", "available_clocksource"},
	{make_lonely_clock, FINDING_WARNING, "clock", "not synchronised", "timedatectl set-ntp true"},
	{make_no_unit, FINDING_NOTICE, "systemd", "not installed", "systemctl daemon-reload"},
	{make_much_memory, FINDING_WARNING, "memory", "12.0 GiB for rings, 16.0 GiB available", "ring.size"},
	{make_too_much_memory, FINDING_CRITICAL, "memory", "16.0 GiB for rings", "ring.size"},
	{make_no_link, FINDING_CRITICAL, "link", "no such interface", "ip -br link"},
	{make_down, FINDING_CRITICAL, "link", "down", "ip link set dev eth1 up"},
	{make_no_carrier, FINDING_WARNING, "link", "without carrier", "ethtool eth1"},
	{make_small_mtu, FINDING_WARNING, "MTU", "1400 bytes", "ip link set dev eth1 mtu 1500"},
	{make_gro, FINDING_WARNING, "GRO", "on", "ethtool -K eth1 gro off"},
	{make_gro_hw, FINDING_WARNING, "GRO of the device", "on", "ethtool -K eth1 rx-gro-hw off"},
	{make_no_stamps, FINDING_WARNING, "time stamps", "the device cannot", "ethtool -T eth1"},
	{make_lro, FINDING_WARNING, "LRO", "on", "ethtool -K eth1 lro off"},
	{make_one_queue, FINDING_WARNING, "receive queues", "1, 8 are possible", "ethtool -L eth1 combined 4"},
	{make_asymmetric, FINDING_WARNING, "RSS", "not symmetric, and fanout mode is cpu", "ethtool -X eth1 equal 4 hkey"},
	{make_small_ring, FINDING_NOTICE, "device ring", "512 descriptors, 4096 are possible", "ethtool -G eth1 rx 4096"},
	{make_not_pinned, FINDING_NOTICE, "worker CPUs", "not pinned", "cpus in fancapd.yaml"},
	{make_same_cpus, FINDING_WARNING, "interrupts", "on CPUs 3-4,9, workers on 4-7", "/sys/class/net/eth1/device/msi_irqs"},
	{make_other_node, FINDING_WARNING, "NUMA", "device is on node 1 (CPUs 8-15), workers are on 4-7", "cpus of 8-15"},
	{make_no_directory, FINDING_CRITICAL, "directory", "No such file", "install -d -o fancap -g fancap -m 0750 /srv/fancap"},
	{make_hidden_directory, FINDING_NOTICE, "directory", "Permission denied", ""},
	{make_tmpfs, FINDING_WARNING, "file system", "tmpfs", "XFS or ext4"},
	{make_little_space, FINDING_WARNING, "free space", "99.0 GiB of 1000.0 GiB (9.9 %)", "du -xh /srv/fancap"},
	{make_no_space, FINDING_CRITICAL, "free space", "9.0 GiB of 1000.0 GiB (0.9 %)", "storage.retain.size"},
	{make_no_direct_io, FINDING_WARNING, "O_DIRECT", "does not work", "XFS or ext4"},
	{make_slow_disk, FINDING_WARNING, "write speed", "1.2 GiB/s, and so much may come: 1.2 GiB/s", "fancapctl plan"},
	{make_slow_for_rate, FINDING_CRITICAL, "write speed", "95.4 MiB/s, and so much may come: 95.4 MiB/s", "fancapctl plan"},
	{make_unwritable, FINDING_WARNING, "write speed", "cannot be measured: Read-only file system", ""},
};

/* One thing is wrong: that is found, and said to matter, and nothing else. */
static void each_finding_is_made_of_its_facts(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		struct facts *facts = facts_fit();
		struct findings findings = {0};
		const struct finding *found = NULL;

		cases[i].make(facts, &facts->interfaces[0], &facts->directories[0]);
		judge(facts, &findings);
		for (size_t k = 0; k < findings.n; k++) {
			if (findings.rows[k].severity == FINDING_OK)
				continue;
			if (found)
				fail_msg("%s, and %s", found->what, findings.rows[k].what);
			found = &findings.rows[k];
		}
		if (!found)
			fail_msg("nothing is found: %s %s", cases[i].about, cases[i].what);
		assert_string_equal(found->about, cases[i].about);
		assert_has(found->what, cases[i].what);
		assert_has(found->mend, cases[i].mend);
		assert_int_equal(found->mend[0] == '\0', cases[i].mend[0] == '\0');
		assert_int_equal(found->severity, cases[i].severity);
		assert_int_equal(findings_worst(&findings), cases[i].severity);
		assert_non_null(found->why);
		findings_done(&findings);
		free(facts);
	}
}

/* What is not known is neither well nor wrong. */
static void unknown_facts_are_left_out(void **state)
{
	struct facts *facts = calloc(1, sizeof(*facts));
	struct facts_interface *interface = &facts->interfaces[0];
	struct findings findings = {0};

	(void)state;
	facts->kernel_major = 6;
	facts->packet_sockets = facts->io_uring = facts->landlock = facts->seccomp = facts->unit_installed = 1;
	facts->selfcheck.made = true;
	facts->memory_available = facts->clock_synchronised = -1;
	facts->n_interfaces = 1;
	interface->exists = interface->up = interface->carrier = true;
	interface->mtu = interface->speed_mbit = interface->numa_node = interface->queues = interface->queues_max = -1;
	interface->nic_ring = interface->nic_ring_max = interface->gro = interface->lro = interface->rxvlan = -1;
	interface->rss_symmetric = interface->gro_hw = interface->stamps = -1;
	judge(facts, &findings);
	assert_int_equal(findings_worst(&findings), FINDING_OK);
	assert_int_equal(findings.n, 8);
	assert_string_equal(findings.rows[7].about, "link");
	findings_done(&findings);
	free(facts);
}

/* --- printing --------------------------------------------------------------------------------------------- */

static void print_some(bool json, const char *expected)
{
	struct findings findings = {0};
	struct ctl ctl = {.json = json};
	char *text;
	size_t len;

	findings_add(&findings, FINDING_OK, "MTU", "eth1", NULL, "%d bytes", 1500);
	finding_mend(findings_add(&findings, FINDING_CRITICAL, "link", "eth1\x1b[2J", "nothing is received", "down"),
		     "ip link set dev %s up", "eth1");
	findings_add(&findings, FINDING_NOTICE, "landlock", "", "it could be worse", "not there");
	ctl.out = ctl.err = open_memstream(&text, &len);
	assert_int_equal(findings_print(&ctl, &findings), CTL_OK);
	fclose(ctl.out);
	assert_string_equal(text, expected);
	free(text);
	findings_done(&findings);
}

static void findings_are_printed_worst_first(void **state)
{
	(void)state;
	print_some(false,
"critical  eth1\\x1b[2J, link: down\n"
"          nothing is received\n"
"          => ip link set dev eth1 up\n"
"notice    landlock: not there\n"
"          it could be worse\n"
"ok        eth1, MTU: 1500 bytes\n"
"\n"
"not fit to capture: 1 critical, 0 warnings, 1 notices, 1 ok\n");
	print_some(true,
"{\n"
"  \"format\": 1,\n"
"  \"fit\": false,\n"
"  \"worst\": \"critical\",\n"
"  \"findings\": [\n"
"    {\n"
"      \"severity\": \"ok\",\n"
"      \"about\": \"MTU\",\n"
"      \"subject\": \"eth1\",\n"
"      \"what\": \"1500 bytes\",\n"
"      \"why\": null,\n"
"      \"mend\": null\n"
"    },\n"
"    {\n"
"      \"severity\": \"critical\",\n"
"      \"about\": \"link\",\n"
"      \"subject\": \"eth1\\u001B[2J\",\n"
"      \"what\": \"down\",\n"
"      \"why\": \"nothing is received\",\n"
"      \"mend\": \"ip link set dev eth1 up\"\n"
"    },\n"
"    {\n"
"      \"severity\": \"notice\",\n"
"      \"about\": \"landlock\",\n"
"      \"subject\": null,\n"
"      \"what\": \"not there\",\n"
"      \"why\": \"it could be worse\",\n"
"      \"mend\": null\n"
"    }\n"
"  ]\n"
"}\n");
}

/* --- gathering -------------------------------------------------------------------------------------------- */

/* A file below a root, with the folders it is in. */
static void put(const char *root, const char *path, const char *text)
{
	char name[512];
	FILE *file;

	snprintf(name, sizeof(name), "%s%s", root, path);
	for (char *slash = name + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		assert_true(mkdir(name, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	file = fopen(name, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void remove_all(const char *root)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -r '%s'", root);
	assert_int_equal(system(command), 0);
}

static void interface_is_read(void **state)
{
	char root[] = "/tmp/fancap-test-XXXXXX";
	struct facts_interface interface = {.name = "eth1"}, none = {.name = "eth2"};
	cpu_set_t expected;

	(void)state;
	assert_non_null(mkdtemp(root));
	put(root, "/sys/class/net/eth1/mtu", "9000\n");
	put(root, "/sys/class/net/eth1/flags", "0x1003\n");
	put(root, "/sys/class/net/eth1/carrier", "1\n");
	put(root, "/sys/class/net/eth1/speed", "25000\n");
	put(root, "/sys/class/net/eth1/device/numa_node", "1\n");
	put(root, "/sys/devices/system/node/node1/cpulist", "8-15,24\n");
	put(root, "/sys/class/net/eth1/device/msi_irqs/40", "msix\n");
	put(root, "/sys/class/net/eth1/device/msi_irqs/41", "msix\n");
	put(root, "/sys/class/net/eth1/device/msi_irqs/42", "msix\n");
	put(root, "/proc/irq/40/effective_affinity_list", "3\n");
	put(root, "/proc/irq/40/smp_affinity_list", "0-31\n");
	put(root, "/proc/irq/41/smp_affinity_list", "5-6\n");
	put(root, "/proc/irq/42/effective_affinity_list", "\n");
	gather_interface(root, &interface);
	assert_true(interface.exists && interface.up && interface.carrier && interface.has_irqs && interface.has_node_cpus);
	assert_int_equal(interface.mtu, 9000);
	assert_int_equal(interface.speed_mbit, 25000);
	assert_int_equal(interface.numa_node, 1);
	set_cpus(&expected, "8-15,24");
	assert_true(CPU_EQUAL(&interface.node_cpus, &expected));
	set_cpus(&expected, "3,5,6");
	assert_true(CPU_EQUAL(&interface.irq_cpus, &expected));

	put(root, "/sys/class/net/eth1/flags", "0x1002\n");
	put(root, "/sys/class/net/eth1/speed", "-1\n");
	put(root, "/sys/class/net/eth1/device/numa_node", "-1\n");
	interface = (struct facts_interface){.name = "eth1"};
	gather_interface(root, &interface);
	assert_false(interface.up || interface.has_node_cpus);
	assert_int_equal(interface.speed_mbit, -1);
	assert_int_equal(interface.numa_node, -1);
	gather_interface(root, &none);
	assert_false(none.exists);
	remove_all(root);
}

static void machine_is_read(void **state)
{
	char root[] = "/tmp/fancap-test-XXXXXX";
	struct facts *facts = calloc(1, sizeof(*facts)), *empty = calloc(1, sizeof(*empty));

	(void)state;
	assert_non_null(mkdtemp(root));
	gather_machine(root, empty);
	assert_int_equal(empty->memory_available, -1);
	assert_string_equal(empty->clocksource, "");
	assert_int_equal(empty->seccomp, 0);
	assert_int_equal(empty->unit_installed, 0);
	put(root, "/proc/sys/kernel/osrelease", "6.12.3-1-amd64\n");
	put(root, "/proc/sys/kernel/io_uring_disabled", "2\n");
	put(root, "/proc/sys/kernel/seccomp/actions_avail", "kill_process\n");
	put(root, "/proc/meminfo", "MemTotal: 100 kB\nMemAvailable:   12345 kB\nMemAvailableNot: 1 kB\n");
	put(root, "/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
	put(root, "/usr/lib/systemd/system/fancapd.service", "[Unit]\n");
	gather_machine(root, facts);
	assert_int_equal(facts->kernel_major, 6);
	assert_int_equal(facts->kernel_minor, 12);
	assert_int_equal(facts->memory_available, 12345 * 1024);
	assert_string_equal(facts->clocksource, "hpet");
	assert_int_equal(facts->io_uring, 0);
	assert_int_equal(facts->seccomp, 1);
	assert_int_equal(facts->unit_installed, 1);
	remove_all(root);
	free(facts);
	free(empty);
}

/* Loopback has no driver to ask, but a name that nobody has is none either. */
static void device_that_is_not_there_is_not_known(void **state)
{
	struct facts_interface interface = {.name = "nosuch0"};

	(void)state;
	gather_device(&interface);
	assert_int_equal(interface.gro, -1);
	assert_int_equal(interface.queues, -1);
	assert_int_equal(interface.rss_symmetric, -1);
	strcpy(interface.name, "lo");
	gather_device(&interface);
	assert_in_range(interface.gro, 0, 1);
	assert_in_range(interface.gro_hw, 0, 1); /* a feature that all have, if only off */
}

static void directory_is_tried_and_left_as_it_was(void **state)
{
	static struct facts_directory directory, missing, file;
	char root[] = "/tmp/fancap-test-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(root));
	strcpy(directory.path, root);
	gather_directory(&directory, 4 << 20);
	assert_true(directory.exists);
	assert_int_equal(directory.error, 0);
	assert_int_equal(directory.write_error, 0);
	assert_true(directory.write_bytes_per_s > 0);
	assert_true(directory.total_bytes >= directory.free_bytes && directory.total_bytes > 0);
	assert_true(directory.fs_type[0] != '\0');
	snprintf(missing.path, sizeof(missing.path), "%s/x", root);
	gather_directory(&missing, 0);
	assert_false(missing.exists);
	assert_int_equal(missing.error, ENOENT);
	put(root, "/y", "");
	snprintf(file.path, sizeof(file.path), "%s/y", root);
	gather_directory(&file, 0);
	assert_int_equal(file.error, ENOTDIR);
	unlink(file.path);
	assert_int_equal(rmdir(root), 0);
}

static void lists_of_cpus_are_read(void **state)
{
	static const char *const bad[] = {"-", "1-", "-1", "2-1", "1,,2", "1,", ",1", "x", "1 ", "1-2-3", "1024", "0-99999"};
	cpu_set_t set;

	(void)state;
	assert_int_equal(gather_parse_cpus("0-3,8", &set), 0);
	assert_int_equal(CPU_COUNT(&set), 5);
	assert_true(CPU_ISSET(0, &set) && CPU_ISSET(3, &set) && CPU_ISSET(8, &set));
	assert_int_equal(gather_parse_cpus("", &set), 0);
	assert_int_equal(CPU_COUNT(&set), 0);
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		if (gather_parse_cpus(bad[i], &set) != -EINVAL)
			fail_msg("%s", bad[i]);
}

/* --- losses ----------------------------------------------------------------------------------------------- */

static void percentages_are_read(void **state)
{
	static const struct {
		const char *text;
		uint64_t millionths;
	} good[] = {{"0", 0}, {"0%", 0}, {"0.1%", 1000}, {"0.0001", 1}, {"5", 50000}, {"99.9999%", 999999}, {"100%", 1000000}};
	static const char *const bad[] = {"", "%", "-1", "101%", "100.1", "1.", ".1", "0.00001%", "1%%", "1 %", "1e1", "99999999999999999999"};
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(good); i++) {
		assert_int_equal(loss_parse_percent(good[i].text, &value), 0);
		assert_int_equal(value, good[i].millionths);
	}
	for (size_t i = 0; i < N_ELEMENTS(bad); i++)
		if (loss_parse_percent(bad[i], &value) != -EINVAL)
			fail_msg("%s", bad[i]);
}

static void losses_are_judged_exactly(void **state)
{
	const struct loss_limits limits = {.warn = 1000, .max = 10000}; /* 0.1 %, 1 % */

	(void)state;
	assert_int_equal(loss_judge(&(struct loss){0, 0, 0}, &limits), PLUGIN_OK);
	assert_int_equal(loss_judge(&(struct loss){1000, 1, 0}, &limits), PLUGIN_OK);
	assert_int_equal(loss_judge(&(struct loss){1000, 1, 1}, &limits), PLUGIN_WARNING);
	assert_int_equal(loss_judge(&(struct loss){1000, 0, 10}, &limits), PLUGIN_WARNING);
	assert_int_equal(loss_judge(&(struct loss){1000, 0, 11}, &limits), PLUGIN_CRITICAL);
	assert_int_equal(loss_judge(&(struct loss){UINT64_MAX, UINT64_MAX / 100 + 2, 0}, &limits), PLUGIN_CRITICAL);
	assert_int_equal(loss_judge(&(struct loss){UINT64_MAX, UINT64_MAX / 100, 0}, &limits), PLUGIN_WARNING);
	assert_int_equal(loss_judge(&(struct loss){1000, 1, 0}, &(struct loss_limits){0, 0}), PLUGIN_CRITICAL);
}

static void assert_loss(const char *answer, const char *line, int exit, const char *out)
{
	struct daemon daemon = daemon_start(ANSWERS, answer, strlen(answer) + 1);
	struct result result = run_line(daemon.path, line);

	daemon_stop(&daemon);
	assert_string_equal(result.err, "");
	assert_string_equal(result.out, out);
	assert_int_equal((int)result.exit, exit);
	result_free(&result);
}

static void one_line_tells_nagios(void **state)
{
	static const char answer[] = "{\"parameters\":{\"total\":{\"packets_seen\":200000,\"packets_dropped\":150,"
				     "\"packets_discarded\":50}}}";
	static const char none[] = "{\"parameters\":{\"total\":{\"packets_seen\":0,\"packets_dropped\":0,"
				   "\"packets_discarded\":0}}}";
	static const char unknown[] = "{\"error\":\"io.fancap.NoSuchInterface\",\"parameters\":{\"interface\":\"a|b\"}}";

	(void)state;
	assert_loss(answer, "check loss --max 0.1%", 0,
		    "OK - all interfaces: lost 200 of 200,000 packets (0.10 %)|loss=0.1000%;0.1;0.1;0;100 dropped=150c "
		    "discarded=50c seen=200000c\n");
	assert_loss(answer, "check loss --max 0.1% --warn 0.05% --interface eth1", 1,
		    "WARNING - eth1: lost 200 of 200,000 packets (0.10 %)|loss=0.1000%;0.05;0.1;0;100 dropped=150c discarded=50c "
		    "seen=200000c\n");
	assert_loss(answer, "check loss", 2,
		    "CRITICAL - all interfaces: lost 200 of 200,000 packets (0.10 %)|loss=0.1000%;0;0;0;100 dropped=150c "
		    "discarded=50c seen=200000c\n");
	assert_loss(none, "check loss", 0,
		    "OK - all interfaces: lost 0 of 0 packets (0.00 %)|loss=0.0000%;0;0;0;100 dropped=0c discarded=0c seen=0c\n");
	assert_loss(unknown, "check loss --interface a|b", 3,
		    "UNKNOWN - fancapd does not capture from 'a/b'; see fancapctl status\n");
	assert_loss("{\"parameters\":{}}", "check loss", 3, "UNKNOWN - fancapd's answer is not as it should be\n");
	assert_loss(answer, "check --json loss --max 1%", 0,
		    "{\n  \"format\": 1,\n  \"state\": \"OK\",\n  \"interface\": null,\n  \"packets_seen\": 200000,\n"
		    "  \"packets_dropped\": 150,\n  \"packets_discarded\": 50,\n  \"loss_percent\": 0.10000000000000001\n}\n");
}

static void what_is_not_known_is_unknown_to_nagios(void **state)
{
	static const char limits[] = "UNKNOWN - --max and --warn are percentages from 0% to 100%, as 0.1%, and --warn is no more "
				     "than --max\n";
	struct daemon daemon;
	struct result result;

	(void)state;
	assert_line("check loss", (enum ctl_exit)PLUGIN_UNKNOWN,
		    "UNKNOWN - fancapd is not running: nothing listens on /nonexistent/s\n", "");
	assert_line("check loss --json", (enum ctl_exit)PLUGIN_UNKNOWN,
		    "{\n  \"format\": 1,\n  \"state\": \"UNKNOWN\",\n  \"reason\": \"fancapd is not running: nothing listens on "
		    "/nonexistent/s\"\n}\n", "");
	/* Not two interfaces, one of them called loss. */
	assert_line("check loss eth1 --max 1%", (enum ctl_exit)PLUGIN_UNKNOWN,
		    "UNKNOWN - check loss takes no more words: an interface is named by --interface\n", "");
	assert_line("check loss --max much", (enum ctl_exit)PLUGIN_UNKNOWN, limits, "");
	assert_line("check loss --max 1% --warn 2%", (enum ctl_exit)PLUGIN_UNKNOWN, limits, "");
	daemon = daemon_start(HANGS, "", 0);
	result = run_line(daemon.path, "check loss --timeout 0.3");
	daemon_stop(&daemon);
	assert_has(result.out, "UNKNOWN - /tmp/fancap-test-");
	assert_has(result.out, "/s: no answer within 0.3 s\n");
	assert_int_equal((int)result.exit, PLUGIN_UNKNOWN);
	result_free(&result);
}

/* --- the command ------------------------------------------------------------------------------------------ */

static void wrong_options_are_told(void **state)
{
	static const char *const rows[][2] = {
		{"check --workers 0", "--workers '0' is no whole number from 1 to 256"},
		{"check --cpus x", "--cpus 'x' is no list of CPUs"},
		{"check --ring x", "--ring: 'x' is not a whole number with a unit"},
		{"check --rate 5Mpps", "--rate '5Mpps' is no number of bits per second"},
		{"check --write-test 65GiB", "more than 64GiB"},
		{"check --write-test x", "--write-test: 'x'"},
		{"check a/b", "'a/b' can be no interface's name"},
		{"check --interface sixteenbytes1234", "can be no interface's name"},
		{"check --max 1%", "--max and --warn are for check loss"},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++)
		assert_fails(run_line("/nonexistent/s", rows[i][0]), CTL_USAGE, rows[i][1]);
}

/* On the machine that the test runs on, whatever that is: fit or not, and never a failure of the command. */
static void this_machine_is_checked(void **state)
{
	struct result result = run_line("/nonexistent/s", "check lo --directory /tmp --write-test 1MiB --no-selfcheck");

	(void)state;
	assert_string_equal(result.err, "");
	assert_has(result.out, "notice    daemon: none is running\n");
	assert_has(result.out, "ok        lo, MTU: ");
	assert_has(result.out, "/tmp, write speed: ");
	assert_has(result.out, strstr(result.out, "not fit to capture: ") ? "critical  " : "\nfit to capture: 0 critical");
	assert_int_equal(result.exit, strstr(result.out, "not fit to capture: ") ? CTL_FAILED : CTL_OK);
	result_free(&result);
	/* That is not there for sure. */
	result = run_line("/nonexistent/s", "check nosuch0 --write-test 0 --no-selfcheck");
	assert_has(result.out, "critical  nosuch0, link: there is no such interface\n");
	assert_has(result.out, "notice    directories: none named\n");
	assert_int_equal(result.exit, CTL_FAILED);
	result_free(&result);
	/* No daemon is a notice, no warning; what else this machine has may be one. */
	result = run_line("/nonexistent/s", "check --strict --write-test 0 --no-selfcheck");
	assert_int_equal(result.exit, strstr(result.out, "\nwarning ") || !strncmp(result.out, "warning ", 8) ||
			 strstr(result.out, "not fit") ? CTL_FAILED : CTL_OK);
	result_free(&result);
}

static void a_daemon_that_does_not_answer_is_found(void **state)
{
	static const struct {
		const char *error, *says;
	} rows[] = {
		{"org.varlink.service.PermissionDenied", "notice    daemon: it may not be asked: permission denied\n"},
		{"org.varlink.service.MethodNotFound", "warning   daemon: it does not answer as it should\n"},
	};

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		char answer[128];
		int n = snprintf(answer, sizeof(answer), "{\"error\":\"%s\",\"parameters\":{}}", rows[i].error);
		struct daemon daemon = daemon_start(ANSWERS, answer, (size_t)n + 1);
		struct result result = run_line(daemon.path, "check --write-test 0 --no-selfcheck");

		daemon_stop(&daemon);
		assert_has(result.out, rows[i].says);
		assert_string_equal(result.err, "");
		result_free(&result);
	}
}

/* What a daemon captures is looked at: interfaces, workers, CPUs, rings, directories. */
static void daemon_says_what_to_check(void **state)
{
	static const char answers[] =
		"{\"parameters\":{\"interfaces\":[{\"interface\":\"wan\",\"device\":\"nosuch1\",\"workers\":2,\"ring_bytes\":1048576,"
		"\"timestamps\":\"kernel\",\"fanout_mode\":\"hash\"},{\"interface\":\"lo\",\"device\":\"lo\",\"workers\":2,\"ring_bytes\":1048576,"
		"\"timestamps\":\"kernel\",\"fanout_mode\":\"hash\"}]}}\0"
		"{\"parameters\":{\"workers\":[{\"interface\":\"lo\",\"cpu\":0},{\"interface\":\"lo\",\"cpu\":3}]}}\0"
		"{\"parameters\":{\"storage\":{\"directories\":[{\"path\":\"/nonexistent/recordings\"}]}}}";
	struct daemon daemon = daemon_start(TALKS, answers, sizeof(answers));
	struct result result = run_line(daemon.path, "check --write-test 0 --no-selfcheck");

	(void)state;
	daemon_stop(&daemon);
	assert_has(result.out, "ok        daemon: it runs: what it captures is looked at\n");
	assert_has(result.out, "critical  nosuch1, link: there is no such interface\n");
	assert_has(result.out, "ok        lo, worker CPUs: 0,3\n");
	assert_has(result.out, "ok        memory: 4.0 MiB for rings");
	assert_has(result.out, "critical  /nonexistent/recordings, directory: No such file or directory\n");
	assert_int_equal(result.exit, CTL_FAILED);
	result_free(&result);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(fit_machine_is_fit),
		cmocka_unit_test(each_finding_is_made_of_its_facts),
		cmocka_unit_test(unknown_facts_are_left_out),
		cmocka_unit_test(findings_are_printed_worst_first),
		cmocka_unit_test(interface_is_read),
		cmocka_unit_test(machine_is_read),
		cmocka_unit_test(device_that_is_not_there_is_not_known),
		cmocka_unit_test(directory_is_tried_and_left_as_it_was),
		cmocka_unit_test(lists_of_cpus_are_read),
		cmocka_unit_test(percentages_are_read),
		cmocka_unit_test(losses_are_judged_exactly),
		cmocka_unit_test(one_line_tells_nagios),
		cmocka_unit_test(what_is_not_known_is_unknown_to_nagios),
		cmocka_unit_test(wrong_options_are_told),
		cmocka_unit_test(this_machine_is_checked),
		cmocka_unit_test(a_daemon_that_does_not_answer_is_found),
		cmocka_unit_test(daemon_says_what_to_check),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
