// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/check/judge_interface.h"

#include <stdio.h>
#include <string.h>

#define MTU_MIN 1500
#define FAST_MBIT 5000 /* more than one CPU can receive in small packets */
#define CPUS_TEXT 96

/* --- the link --------------------------------------------------------------------------------------------- */

/* @return false: there is nothing to be said of it */
static bool judge_link(const struct facts_interface *interface, struct findings *findings)
{
	const char *name = interface->name;
	struct finding *row;

	if (!interface->exists) {
		row = findings_add(findings, FINDING_CRITICAL, "link", name, "nothing is captured until it comes",
				   "there is no such interface");
		finding_mend(row, "ip -br link");
		return false;
	}
	if (!interface->up) {
		row = findings_add(findings, FINDING_CRITICAL, "link", name, "nothing is received", "down");
		finding_mend(row, "ip link set dev %s up", name);
	} else if (!interface->carrier) {
		row = findings_add(findings, FINDING_WARNING, "link", name, "nothing is received", "up, but without carrier");
		finding_mend(row, "look at cable, transceiver and the other end: ethtool %s", name);
	} else if (interface->speed_mbit > 0) {
		findings_add(findings, FINDING_OK, "link", name, NULL, "up, %lld Mbit/s", (long long)interface->speed_mbit);
	} else {
		findings_add(findings, FINDING_OK, "link", name, NULL, "up");
	}
	return true;
}

static void judge_mtu(const struct facts_interface *interface, struct findings *findings)
{
	struct finding *row;

	if (interface->mtu < 0)
		return;
	if (interface->mtu >= MTU_MIN) {
		findings_add(findings, FINDING_OK, "MTU", interface->name, NULL, "%lld bytes", (long long)interface->mtu);
		return;
	}
	row = findings_add(findings, FINDING_WARNING, "MTU", interface->name,
			   "most devices drop longer packets before anybody sees them, and count them at best as errors",
			   "%lld bytes", (long long)interface->mtu);
	finding_mend(row, "ip link set dev %s mtu %d", interface->name, MTU_MIN);
}

/* --- what the device does to packets ---------------------------------------------------------------------- */

static void judge_offload(const struct facts_interface *interface, int on, const char *about, const char *feature,
			  struct findings *findings)
{
	struct finding *row;

	if (on < 0)
		return;
	if (!on) {
		findings_add(findings, FINDING_OK, about, interface->name, NULL, "off");
		return;
	}
	row = findings_add(findings, FINDING_WARNING, about, interface->name,
			   "packets of a connection are merged before they are captured: what is recorded was never on the wire",
			   "on");
	finding_mend(row, "ethtool -K %s %s off", interface->name, feature);
}

static void judge_vlan(const struct facts_interface *interface, struct findings *findings)
{
	if (interface->rxvlan < 0)
		return;
	findings_add(findings, FINDING_OK, "VLAN offload", interface->name, NULL,
		     interface->rxvlan ? "on: tags come beside the packets, and are put back" : "off");
}

static void judge_stamps(const struct facts_interface *interface, struct findings *findings)
{
	struct finding *row;

	if (strcmp(interface->timestamps, "hardware") != 0 || interface->stamps < 0)
		return;
	if (interface->stamps) {
		findings_add(findings, FINDING_OK, "time stamps", interface->name, NULL, "of the device, for all packets");
		return;
	}
	row = findings_add(findings, FINDING_WARNING, "time stamps", interface->name,
			   "packets get the kernel's time instead, or fancapd does not start (timestamps-fallback)",
			   "timestamps: hardware is configured, and the device cannot");
	finding_mend(row, "timestamps: kernel in fancapd.yaml; see ethtool -T %s", interface->name);
}

static void judge_ring(const struct facts_interface *interface, struct findings *findings)
{
	struct finding *row;

	if (interface->nic_ring < 0 || interface->nic_ring_max <= 0)
		return;
	if (interface->nic_ring >= interface->nic_ring_max) {
		findings_add(findings, FINDING_OK, "device ring", interface->name, NULL, "%lld descriptors, the most there can be",
			     (long long)interface->nic_ring);
		return;
	}
	row = findings_add(findings, FINDING_NOTICE, "device ring", interface->name,
			   "bursts that the CPU does not take at once are lost in the device (rx_missed)",
			   "%lld descriptors, %lld are possible", (long long)interface->nic_ring, (long long)interface->nic_ring_max);
	finding_mend(row, "ethtool -G %s rx %lld", interface->name, (long long)interface->nic_ring_max);
}

/* --- queues ----------------------------------------------------------------------------------------------- */

static void judge_queues(const struct facts_interface *interface, struct findings *findings)
{
	long long queues = (long long)interface->queues, max = (long long)interface->queues_max;
	long long wanted = interface->workers && interface->workers < max ? interface->workers : max;
	struct finding *row;

	if (queues <= 0)
		return;
	if (queues > 1 || interface->speed_mbit < FAST_MBIT || max <= 1) {
		findings_add(findings, FINDING_OK, "receive queues", interface->name, NULL, "%lld", queues);
		return;
	}
	row = findings_add(findings, FINDING_WARNING, "receive queues", interface->name,
			   "all packets are received by one CPU, however many workers there are", "1, %lld are possible", max);
	finding_mend(row, "ethtool -L %s combined %lld", interface->name, wanted);
}

/* Modes that go by where a packet was received keep flows together only if the device does. */
static bool follows_queues(const struct facts_interface *interface)
{
	return !strcmp(interface->fanout, "cpu") || !strcmp(interface->fanout, "qm");
}

static void judge_symmetry(const struct facts_interface *interface, struct findings *findings)
{
	struct finding *row;

	if (interface->rss_symmetric < 0 || interface->queues <= 1)
		return;
	if (interface->rss_symmetric) {
		findings_add(findings, FINDING_OK, "RSS", interface->name, NULL, "symmetric: both directions come to one queue");
	} else if (!follows_queues(interface)) {
		findings_add(findings, FINDING_OK, "RSS", interface->name, NULL,
			     "not symmetric, which fanout mode hash does not depend on");
	} else {
		row = findings_add(findings, FINDING_WARNING, "RSS", interface->name,
				   "the directions of a flow come to different queues, so to different workers",
				   "not symmetric, and fanout mode is %s", interface->fanout);
		finding_mend(row, "fanout.mode: hash in fancapd.yaml, or ethtool -X %s equal %lld hkey "
			     "$(yes 6d:5a | head -20 | paste -sd:)", interface->name, (long long)interface->queues);
	}
}

/* --- CPUs ------------------------------------------------------------------------------------------------- */

/* "0-3,8" */
static void cpus_format(char text[CPUS_TEXT], const cpu_set_t *cpus)
{
	size_t at = 0;

	text[0] = '\0';
	for (size_t cpu = 0; cpu < CPU_SETSIZE && at < CPUS_TEXT - 16; cpu++) {
		size_t last = cpu;

		if (!CPU_ISSET(cpu, cpus))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus))
			last++;
		at += (size_t)snprintf(text + at, CPUS_TEXT - at, last > cpu ? "%s%zu-%zu" : "%s%zu", at ? "," : "", cpu, last);
		cpu = last;
	}
}

static void judge_irqs(const struct facts_interface *interface, struct findings *findings)
{
	cpu_set_t both;
	char texts[2][CPUS_TEXT];
	struct finding *row;

	if (!interface->has_irqs || !CPU_COUNT(&interface->cpus))
		return;
	CPU_AND(&both, &interface->cpus, &interface->irq_cpus);
	cpus_format(texts[0], &interface->irq_cpus);
	cpus_format(texts[1], &interface->cpus);
	if (!CPU_COUNT(&both)) {
		findings_add(findings, FINDING_OK, "interrupts", interface->name, NULL, "on CPUs %s, workers on %s", texts[0],
			     texts[1]);
		return;
	}
	row = findings_add(findings, FINDING_WARNING, "interrupts", interface->name,
			   "receiving goes before everything else on a CPU: a worker there gets what is left",
			   "on CPUs %s, workers on %s", texts[0], texts[1]);
	finding_mend(row, "cpus in fancapd.yaml, or for n in /sys/class/net/%s/device/msi_irqs/*; do "
		     "echo CPU >/proc/irq/${n##*/}/smp_affinity_list; done", interface->name);
}

static void judge_pinning(const struct facts_interface *interface, struct findings *findings)
{
	struct finding *row;
	char text[CPUS_TEXT];

	if (!interface->workers)
		return;
	if (CPU_COUNT(&interface->cpus)) {
		cpus_format(text, &interface->cpus);
		findings_add(findings, FINDING_OK, "worker CPUs", interface->name, NULL, "%s", text);
		return;
	}
	if (interface->speed_mbit < FAST_MBIT) {
		findings_add(findings, FINDING_OK, "worker CPUs", interface->name, NULL, "not pinned");
		return;
	}
	row = findings_add(findings, FINDING_NOTICE, "worker CPUs", interface->name,
			   "workers move from CPU to CPU, also to those that receive, and lose their caches", "not pinned");
	finding_mend(row, "cpus in fancapd.yaml, one for each worker");
}

static void judge_numa(const struct facts_interface *interface, struct findings *findings)
{
	cpu_set_t near;
	char texts[2][CPUS_TEXT];
	struct finding *row;

	if (interface->numa_node < 0 || !interface->has_node_cpus || !CPU_COUNT(&interface->cpus))
		return;
	CPU_AND(&near, &interface->cpus, &interface->node_cpus);
	cpus_format(texts[0], &interface->cpus);
	cpus_format(texts[1], &interface->node_cpus);
	if (CPU_EQUAL(&near, &interface->cpus)) {
		findings_add(findings, FINDING_OK, "NUMA", interface->name, NULL, "device and workers are on node %lld",
			     (long long)interface->numa_node);
		return;
	}
	row = findings_add(findings, FINDING_WARNING, "NUMA", interface->name,
			   "every packet crosses from one node's memory to the other's CPUs",
			   "device is on node %lld (CPUs %s), workers are on %s", (long long)interface->numa_node, texts[1], texts[0]);
	finding_mend(row, "cpus of %s in fancapd.yaml", texts[1]);
}

void judge_interface(const struct facts_interface *interface, struct findings *findings)
{
	if (!judge_link(interface, findings))
		return;
	judge_mtu(interface, findings);
	judge_offload(interface, interface->gro, "GRO", "gro", findings);
	judge_offload(interface, interface->gro_hw, "GRO of the device", "rx-gro-hw", findings);
	judge_offload(interface, interface->lro, "LRO", "lro", findings);
	judge_vlan(interface, findings);
	judge_queues(interface, findings);
	judge_symmetry(interface, findings);
	judge_ring(interface, findings);
	judge_stamps(interface, findings);
	judge_pinning(interface, findings);
	judge_irqs(interface, findings);
	judge_numa(interface, findings);
}
