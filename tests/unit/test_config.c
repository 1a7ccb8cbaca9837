// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <glob.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/config/source.h"
#include "tests/unit/config_help.h"

#define NOBODY 65534

/** A folder of its own for a test, which runs in it. */
struct scratch {
	char path[32];
};

static int scratch_make(void **state)
{
	struct scratch *scratch = calloc(1, sizeof(*scratch));

	assert_non_null(scratch);
	strcpy(scratch->path, "/tmp/fancap-config-XXXXXX");
	assert_non_null(mkdtemp(scratch->path));
	assert_int_equal(chdir(scratch->path), 0);
	*state = scratch;
	return 0;
}

static int scratch_remove(void **state)
{
	struct scratch *scratch = *state;
	glob_t files;

	if (glob("*", 0, NULL, &files) == 0) {
		for (size_t i = 0; i < files.gl_pathc; i++) {
			if (remove(files.gl_pathv[i]) < 0)
				fail_msg("%s: %s", files.gl_pathv[i], strerror(errno));
		}
		globfree(&files);
	}
	assert_int_equal(rmdir(scratch->path), 0);
	free(scratch);
	return 0;
}

/** What was dumped must load, and dump to the same. */
static void dump_loads_to_the_same(void **state)
{
	glob_t files;

	assert_int_equal(golden_enter(state), 0);
	assert_int_equal(glob("*.yaml", 0, NULL, &files), 0);
	assert_int_equal(scratch_make(state), 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		struct outcome first, second;

		if (strncmp(files.gl_pathv[i], "bad-", 4) == 0)
			continue;
		assert_int_equal(golden_enter(NULL), 0);
		first = load(files.gl_pathv[i]);
		assert_non_null(first.dump);
		assert_int_equal(chdir(((struct scratch *)*state)->path), 0);
		file_write("dump.yaml", first.dump, strlen(first.dump));
		second = load("dump.yaml");
		assert_int_equal(second.result, 0);
		assert_string_equal(first.dump, second.dump);
		outcome_done(&first);
		outcome_done(&second);
	}
	globfree(&files);
	scratch_remove(state);
}

/* --- values --- */

static void defaults_are_filled_in(void **state)
{
	const struct config_interface *eth0;
	struct outcome outcome;
	struct config *config;

	assert_int_equal(golden_enter(state), 0);
	config = load_config("minimal.yaml", &outcome);
	assert_non_null(config);
	assert_int_equal(config->n_interfaces, 1);
	eth0 = &config->interfaces[0];
	assert_string_equal(eth0->name, "eth0");
	assert_int_equal(eth0->workers, 1);
	assert_int_equal(eth0->fanout.mode, FANCAP_FANOUT_HASH);
	assert_false(eth0->fanout.defragment);
	assert_false(eth0->fanout.rollover);
	assert_int_equal(eth0->ring.size_bytes, 64 << 20);
	assert_int_equal(eth0->ring.block_bytes, 1 << 20);
	assert_int_equal(eth0->ring.block_timeout_ms, 100);
	assert_int_equal(eth0->n_cpus, 0);
	assert_null(eth0->filter);
	assert_int_equal(eth0->snaplen, 262144);
	assert_true(eth0->promiscuous);
	assert_int_equal(eth0->direction, CONFIG_DIRECTION_BOTH);
	assert_string_equal(config->storage.directory, FANCAP_LOCALSTATEDIR "/lib/fancap");
	assert_int_equal(config->storage.rotate.size_bytes, 1 << 30);
	assert_int_equal(config->storage.rotate.interval_ns, 60000000000);
	assert_string_equal(config->control.socket, FANCAP_RUNSTATEDIR "/fancap/io.fancap");
	assert_int_equal(config->log.level, LOG_INFO);
	config_free(config);
	outcome_done(&outcome);
}

static void given_values_are_taken(void **state)
{
	const struct config_interface *eth1;
	struct outcome outcome;
	struct config *config;

	assert_int_equal(golden_enter(state), 0);
	config = load_config("other-values.yaml", &outcome);
	assert_non_null(config);
	eth1 = &config->interfaces[0];
	assert_int_equal(eth1->workers, 2); /* auto: as many as cpus */
	assert_int_equal(eth1->fanout.mode, FANCAP_FANOUT_LB);
	assert_true(eth1->fanout.rollover);
	assert_int_equal(eth1->ring.size_bytes, 32 << 20);
	assert_int_equal(eth1->ring.block_bytes, 512 << 10);
	assert_int_equal(eth1->ring.block_timeout_ms, 2000);
	assert_int_equal(eth1->n_cpus, 2);
	assert_int_equal(eth1->cpus[0], 0);
	assert_int_equal(eth1->cpus[1], 1023);
	assert_int_equal(eth1->snaplen, 1);
	assert_false(eth1->promiscuous);
	assert_int_equal(eth1->direction, CONFIG_DIRECTION_IN);
	assert_int_equal(config->storage.rotate.size_bytes, 0);
	assert_int_equal(config->storage.rotate.interval_ns, 0);
	assert_int_equal(config->log.level, LOG_DEBUG);
	config_free(config);
	outcome_done(&outcome);
}

/* The limit of 16 is for a guess, not for what somebody has listed. */
static void auto_workers_follow_a_long_list_of_cpus(void **state)
{
	static const char text[] = "interfaces: [{name: eth0, workers: auto, cpus: "
				   "[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}]\n";
	struct outcome outcome;
	struct config *config;

	(void)state;
	file_write("x.yaml", text, strlen(text));
	config = load_config("x.yaml", &outcome);
	assert_non_null(config);
	assert_int_equal(config->interfaces[0].workers, 17);
	config_free(config);
	outcome_done(&outcome);
}

static void auto_workers_are_the_usable_cpus(void **state)
{
	static const char text[] = "interfaces: [{name: eth0, workers: auto}]\n";
	struct outcome outcome;
	struct config *config;
	cpu_set_t before, one;
	int cpu = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	file_write("x.yaml", text, strlen(text));
	config = load_config("x.yaml", &outcome);
	assert_non_null(config);
	assert_int_equal(config->interfaces[0].workers,
			 CPU_COUNT(&before) < 16 ? CPU_COUNT(&before) : 16);
	config_free(config);
	outcome_done(&outcome);

	while (!CPU_ISSET((size_t)cpu, &before))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET((size_t)cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	config = load_config("x.yaml", &outcome);
	assert_non_null(config);
	assert_int_equal(config->interfaces[0].workers, 1);
	config_free(config);
	outcome_done(&outcome);
	sched_setaffinity(0, sizeof(before), &before);
}

/* --- the shipped file --- */

/** Take the '#' off options: a '#' with a letter or '-' after it; comments have a space there. */
static void options_uncomment(char *text)
{
	for (char *p = text; *p; p++) {
		bool starts = p == text || p[-1] == '\n';

		while (starts && *p == ' ')
			p++;
		if (starts && *p == '#' && p[1] != ' ' && p[1] != '\n' && p[1] != '\0')
			memmove(p, p + 1, strlen(p + 1) + 1);
		while (*p && *p != '\n')
			p++;
		if (!*p)
			break;
	}
}

static char *shipped_text(void)
{
	const char *build = getenv("BUILDDIR");
	char path[4096];

	snprintf(path, sizeof(path), "%s/config/built/fancapd.yaml", build ? build : ".");
	return file_text(path);
}

static void shipped_file_lacks_only_the_interface(void **state)
{
	struct outcome outcome;
	char *text = shipped_text();

	(void)state;
	file_write("fancapd.yaml", text, strlen(text));
	outcome = load("fancapd.yaml");
	assert_int_equal(outcome.result, -EINVAL);
	assert_string_equal(outcome.errors, "fancapd.yaml:1:1: interfaces: there is none; list at "
					    "least one, such as '- name: eth0'\n");
	outcome_done(&outcome);
	free(text);
}

static void shipped_file_shows_the_defaults(void **state)
{
	static const char minimal[] = "interfaces: [{name: eth0}]\n";
	struct outcome shown, defaults;
	char *text = shipped_text();

	(void)state;
	options_uncomment(text);
	file_write("shown.yaml", text, strlen(text));
	file_write("minimal.yaml", minimal, strlen(minimal));
	shown = load("shown.yaml");
	defaults = load("minimal.yaml");
	assert_string_equal(shown.errors, "");
	assert_string_equal(shown.dump, defaults.dump);
	outcome_done(&shown);
	outcome_done(&defaults);
	free(text);
}

static void table_is_shown(const struct config_table *table, const struct config_text *texts,
			   const char *text)
{
	for (size_t i = 0; i < table->n; i++) {
		const struct config_option *option = &table->options[i];
		char line[64];

		if (option->type && !option->list && !texts[i].scalar)
			fail_msg("config/fancapd.yaml does not show %s", option->path);
		snprintf(line, sizeof(line), "%s:", strrchr(option->path, '.') ? strrchr(option->path, '.') + 1 : option->path);
		if (option->list && !strstr(text, line))
			fail_msg("config/fancapd.yaml does not show %s", option->path);
	}
}

static void shipped_file_shows_every_option(void **state)
{
	size_t row = config_table_index(&config_table_top, "interfaces");
	struct config_sources sources = {0};
	struct config_errors errors = {0};
	char *text = shipped_text();

	(void)state;
	options_uncomment(text);
	file_write("shown.yaml", text, strlen(text));
	assert_int_equal(config_sources_read(&sources, "shown.yaml", &errors), 0);
	assert_non_null(sources.items[0].texts);
	table_is_shown(&config_table_top, sources.items[0].texts, text);
	table_is_shown(&config_table_interface, sources.items[0].texts[row].entries, text);
	config_sources_done(&sources);
	config_errors_done(&errors);
	free(text);
}

/* --- files that are none --- */

static void check_errors(const char *path, int result, const char *errors)
{
	struct outcome outcome = load(path);

	assert_string_equal(outcome.errors, errors);
	assert_int_equal(outcome.result, result);
	outcome_done(&outcome);
}

static void missing_file_is_said(void **state)
{
	(void)state;
	check_errors("none.yaml", -ENOENT,
		     "none.yaml: cannot be read: No such file or directory\n");
	check_errors("none/x.yaml", -ENOENT,
		     "none/x.yaml: cannot be read: No such file or directory\n");
}

static void folder_is_no_file(void **state)
{
	(void)state;
	assert_int_equal(mkdir("x.yaml", 0755), 0);
	check_errors("x.yaml", -EISDIR, "x.yaml: cannot be read: Is a directory\n");
}

static void unreadable_file_is_said(void **state)
{
	bool root = geteuid() == 0;

	(void)state;
	file_write("x.yaml", "", 0);
	assert_int_equal(chmod("x.yaml", 0), 0);
	assert_int_equal(chmod(".", 0755), 0);
	if (root)
		assert_int_equal(seteuid(NOBODY), 0);
	check_errors("x.yaml", -EACCES, "x.yaml: cannot be read: Permission denied\n");
	if (root)
		assert_int_equal(seteuid(0), 0);
}

static void unreadable_folder_is_said(void **state)
{
	static const char minimal[] = "interfaces: [{name: eth0}]\n";
	bool root = geteuid() == 0;

	(void)state;
	file_write("x.yaml", minimal, strlen(minimal));
	assert_int_equal(mkdir("conf.d", 0), 0);
	assert_int_equal(chmod(".", 0755), 0);
	if (root)
		assert_int_equal(seteuid(NOBODY), 0);
	check_errors("x.yaml", -EACCES, "conf.d: cannot be read: Permission denied\n");
	if (root)
		assert_int_equal(seteuid(0), 0);
}

static void file_in_place_of_folder_is_no_folder(void **state)
{
	static const char minimal[] = "interfaces: [{name: eth0}]\n";

	(void)state;
	file_write("conf.d", "x", 1);
	file_write("x.yaml", minimal, strlen(minimal));
	check_errors("x.yaml", 0, "");
}

static void large_file_is_refused(void **state)
{
	size_t size = (1u << 20) + 1;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	memset(text, '#', size);
	file_write("x.yaml", text, size);
	check_errors("x.yaml", -EFBIG, "x.yaml: cannot be read: File too large (allowed: 1MiB)\n");
	check_errors("/dev/zero", -EFBIG,
		     "/dev/zero: cannot be read: File too large (allowed: 1MiB)\n");
	file_write("x.yaml", text, size - 1);
	check_errors("x.yaml", -EINVAL,
		     "x.yaml:1:1: interfaces: there is none; list at least one, "
		     "such as '- name: eth0'\n");
	free(text);
}

#define BYTES(text) text, sizeof(text) - 1

static void binary_file_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		const char *errors;
	} files[] = {
		{BYTES("\x7f"
		       "ELF\x02\x01"),
		 "x.yaml:1:1: not UTF-8 text: control characters are not allowed\n"},
		{BYTES("a: b\n\xc3\xa4: \xff\n"),
		 "x.yaml:2:4: not UTF-8 text: invalid leading UTF-8 octet\n"},
		{BYTES("a: \xc3"), "x.yaml:1:4: not UTF-8 text: incomplete UTF-8 octet sequence\n"},
		{BYTES("log:\n  level: a\0b\n"),
		 "x.yaml:2:11: not UTF-8 text: control characters are not allowed\n"},
		{BYTES("\xff\xfe"
		       "a\0:\0 \0b\0"),
		 "x.yaml:1:1: not UTF-8 text: invalid leading UTF-8 octet\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		file_write("x.yaml", files[i].bytes, files[i].size);
		check_errors("x.yaml", -EINVAL, files[i].errors);
	}
}

static void opened_brackets_do_not_hang(void **state)
{
	size_t size = 1u << 20;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	memset(text, '[', size);
	file_write("x.yaml", text, size);
	check_errors("x.yaml", -EINVAL, "x.yaml:1:17: nested too deeply\n");
	free(text);
}

static void full_disk_fails_the_dump(void **state)
{
	FILE *full = fopen("/dev/full", "w");
	struct outcome outcome;
	struct config *config;

	assert_int_equal(golden_enter(state), 0);
	config = load_config("minimal.yaml", &outcome);
	assert_non_null(config);
	assert_non_null(full);
	assert_int_equal(config_dump(config, full), -ENOSPC);
	fclose(full);
	config_free(config);
	outcome_done(&outcome);
}

static void free_takes_null(void **state)
{
	(void)state;
	config_free(NULL);
}

/* --- running --- */

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dump_loads_to_the_same),
		cmocka_unit_test(defaults_are_filled_in),
		cmocka_unit_test(given_values_are_taken),
		in_scratch(auto_workers_are_the_usable_cpus),
		in_scratch(auto_workers_follow_a_long_list_of_cpus),
		in_scratch(shipped_file_lacks_only_the_interface),
		in_scratch(shipped_file_shows_the_defaults),
		in_scratch(shipped_file_shows_every_option),
		in_scratch(missing_file_is_said),
		in_scratch(folder_is_no_file),
		in_scratch(unreadable_file_is_said),
		in_scratch(unreadable_folder_is_said),
		in_scratch(file_in_place_of_folder_is_no_folder),
		in_scratch(large_file_is_refused),
		in_scratch(binary_file_is_refused),
		in_scratch(opened_brackets_do_not_hang),
		cmocka_unit_test(full_disk_fails_the_dump),
		cmocka_unit_test(free_takes_null),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
