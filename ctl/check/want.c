// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/check/want.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "ctl/check/gather.h"
#include "ctl/client.h"
#include "ctl/reader.h"
#include "varlink/interfaces.h"

#define MILLION 1000000u

static struct facts_interface *interface_find(struct facts *facts, const char *name)
{
	for (size_t i = 0; i < facts->n_interfaces; i++)
		if (strcmp(facts->interfaces[i].name, name) == 0)
			return &facts->interfaces[i];
	return NULL;
}

/* @return NULL: there are too many, or it cannot be a name */
static struct facts_interface *interface_add(struct facts *facts, const char *name)
{
	struct facts_interface *interface = interface_find(facts, name);

	if (interface)
		return interface;
	if (facts->n_interfaces == FACTS_INTERFACES_MAX || !*name || strlen(name) >= IFNAMSIZ || strchr(name, '/') ||
	    strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return NULL;
	interface = &facts->interfaces[facts->n_interfaces++];
	*interface = (struct facts_interface){.workers = 0};
	(void)snprintf(interface->name, sizeof(interface->name), "%s", name);
	return interface;
}

static bool directory_add(struct facts *facts, const char *path)
{
	struct facts_directory *directory = &facts->directories[facts->n_directories];

	if (facts->n_directories == FACTS_DIRECTORIES_MAX || strlen(path) >= sizeof(directory->path))
		return false;
	*directory = (struct facts_directory){.exists = false};
	(void)snprintf(directory->path, sizeof(directory->path), "%s", path);
	facts->n_directories++;
	return true;
}

/* --- of the daemon ---------------------------------------------------------------------------------------- */

/* A device may have another name by now: that is the one to look at. */
static void interface_read(struct facts *facts, struct reader *reader, json_t *info, bool all)
{
	const char *device = json_string_value(json_object_get(info, "device"));
	const char *name = device ? device : read_text(reader, info, "interface");
	struct facts_interface *interface = all ? interface_add(facts, name) : interface_find(facts, name);

	if (!interface)
		return;
	interface->workers = (unsigned)read_count(reader, info, "workers");
	interface->ring_bytes = read_count(reader, info, "ring_bytes");
	read_text_copy(interface->timestamps, sizeof(interface->timestamps), reader, info, "timestamps");
	read_text_copy(interface->fanout, sizeof(interface->fanout), reader, info, "fanout_mode");
}

static void interfaces_read(struct facts *facts, json_t *answer)
{
	bool all = facts->n_interfaces == 0;
	json_t *info, *array = json_object_get(answer, "interfaces");
	struct reader reader = {NULL};
	size_t i;

	json_array_foreach(array, i, info)
		interface_read(facts, &reader, info, all);
}

static void workers_read(struct facts *facts, json_t *answer)
{
	json_t *worker, *array = json_object_get(answer, "workers");
	size_t i;

	json_array_foreach(array, i, worker) {
		const char *name = json_string_value(json_object_get(worker, "interface"));
		json_t *cpu = json_object_get(worker, "cpu");
		struct facts_interface *interface = name ? interface_find(facts, name) : NULL;

		if (interface && json_is_integer(cpu) && json_integer_value(cpu) >= 0 && json_integer_value(cpu) < CPU_SETSIZE)
			CPU_SET((size_t)json_integer_value(cpu), &interface->cpus);
	}
}

static void storage_read(struct facts *facts, json_t *answer)
{
	json_t *directory, *array = json_object_get(json_object_get(answer, "storage"), "directories");
	size_t i;

	if (facts->n_directories)
		return;
	json_array_foreach(array, i, directory) {
		const char *path = json_string_value(json_object_get(directory, "path"));

		if (path)
			(void)directory_add(facts, path);
	}
}

/* Quietly: without a daemon there is the command line. */
static enum ctl_exit daemon_ask(const struct ctl *ctl, struct facts *facts)
{
	static const struct {
		const char *method;
		void (*read)(struct facts *facts, json_t *answer);
	} rows[] = {
		{FANCAP_INTERFACE ".ListInterfaces", interfaces_read},
		{FANCAP_INTERFACE ".ListWorkers", workers_read},
		{FANCAP_INTERFACE ".GetStatus", storage_read},
	};
	struct ctl quiet = *ctl;
	enum ctl_exit result = CTL_OK;

	quiet.err = fopen("/dev/null", "we");
	for (size_t i = 0; quiet.err && !result && i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *answer = NULL;

		result = client_call(&quiet, rows[i].method, NULL, &answer);
		if (!result)
			rows[i].read(facts, answer);
		json_decref(answer);
	}
	if (quiet.err)
		fclose(quiet.err);
	return result;
}

/* --- of the command line ---------------------------------------------------------------------------------- */

static enum ctl_exit names_read(const struct ctl *ctl, const struct arguments *arguments, struct facts *facts)
{
	for (int i = 0; i < arguments->n; i++)
		if (!interface_add(facts, arguments->words[i]))
			return wrong_usage(ctl, arguments->command, "'%s' can be no interface's name, or there are too many",
					   arguments->words[i]);
	if (ctl->interface && !interface_add(facts, ctl->interface))
		return wrong_usage(ctl, arguments->command, "'%s' can be no interface's name", ctl->interface);
	return CTL_OK;
}

/* Of each interface that is checked. */
static enum ctl_exit options_read(const struct ctl *ctl, const struct arguments *arguments, struct facts *facts)
{
	const char *ring = arguments_option(arguments, "ring"), *cpus = arguments_option(arguments, "cpus");
	const char *rate = arguments_option(arguments, "rate");
	struct units_rate bits = {UNITS_BITS, 0};
	struct fancap_error err = {""};
	uint64_t ring_bytes = 0;
	long long workers = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	if (arguments_number(ctl, arguments, "workers", 1, 256, &workers))
		return CTL_USAGE;
	if (ring && units_parse_size(ring, &ring_bytes, &err) < 0)
		return wrong_usage(ctl, arguments->command, "--ring: %s", err.text);
	if (cpus && gather_parse_cpus(cpus, &set) < 0)
		return wrong_usage(ctl, arguments->command, "--cpus '%s' is no list of CPUs, such as 2-5,8", cpus);
	if (rate && (units_parse_rate(rate, &bits) < 0 || bits.kind != UNITS_BITS))
		return wrong_usage(ctl, arguments->command, "--rate '%s' is no number of bits per second, such as 10Gbit", rate);
	facts->expected_bits_per_s = (int64_t)(bits.millionths / MILLION);
	for (size_t i = 0; i < facts->n_interfaces; i++) {
		if (workers)
			facts->interfaces[i].workers = (unsigned)workers;
		if (ring)
			facts->interfaces[i].ring_bytes = ring_bytes;
		if (cpus)
			facts->interfaces[i].cpus = set;
	}
	return CTL_OK;
}

enum ctl_exit want_read(const struct ctl *ctl, const struct arguments *arguments, struct facts *facts, enum ctl_exit *ret_daemon)
{
	const char *directory = arguments_option(arguments, "directory");
	enum ctl_exit result = names_read(ctl, arguments, facts);

	if (!result && directory && !directory_add(facts, directory))
		result = wrong_usage(ctl, arguments->command, "--directory '%s' is too long", directory);
	if (result)
		return result;
	*ret_daemon = daemon_ask(ctl, facts);
	return options_read(ctl, arguments, facts);
}
