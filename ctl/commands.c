// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/commands.h"

#include <errno.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/output.h"
#include "ctl/recover.h"
#include "ctl/report.h"
#include "varlink/interfaces.h"
#include "varlink/message.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))

/** A command: one row, and all there is to know of it. */
struct command {
	const char *name;
	const char *argument; ///< an optional one, NULL: takes none
	const char *help;
	enum ctl_exit (*run)(const struct ctl *ctl, const char *argument);
	/** Instead of run: takes one file or more, and --output. files ends with NULL. */
	enum ctl_exit (*run_files)(const struct ctl *ctl, char *const *files);
};

static const char *const exit_texts[CTL_EXITS] = {
	[CTL_OK] = "it went well",
	[CTL_FAILED] = "it failed",
	[CTL_USAGE] = "wrong options or arguments",
	[CTL_NOT_RUNNING] = "the daemon is not running",
	[CTL_DENIED] = "permission denied",
	[CTL_TIMEOUT] = "no answer in time",
};

/* --- what the commands have in common ----------------------------------------------------------------- */

static enum ctl_exit call(const struct ctl *ctl, const char *method, json_t *parameters, json_t **ret_parameters)
{
	enum ctl_exit result = client_call(ctl, method, parameters, ret_parameters);

	if (result == CTL_NOT_RUNNING)
		client_say_not_running(ctl);
	return result;
}

static enum ctl_exit wrong_answer(const struct ctl *ctl, const char *missing)
{
	fprintf(ctl->err, "fancapctl: fancapd's answer has no valid \"%s\"\n", missing);
	return CTL_FAILED;
}

/* Text for people; object is taken over. */
static enum ctl_exit print_report(const struct ctl *ctl, json_t *object,
				  int (*report)(json_t *object, FILE *out, const char **ret_missing))
{
	const char *missing = NULL;
	int r = report(object, ctl->out, &missing);

	json_decref(object);
	if (r == -EBADMSG)
		return wrong_answer(ctl, missing);
	if (r < 0)
		fprintf(ctl->err, "fancapctl: %s\n", strerror(-r));
	return r < 0 ? CTL_FAILED : CTL_OK;
}

/* Call a method for one interface, or (NULL) for all. */
static enum ctl_exit call_for(const struct ctl *ctl, const char *method, const char *interface, json_t **ret_parameters)
{
	json_t *parameters = json_object();
	enum ctl_exit result;

	if (interface)
		(void)json_object_set_new(parameters, "interface", varlink_text(interface));
	result = call(ctl, method, parameters, ret_parameters);
	json_decref(parameters);
	return result;
}

static enum ctl_exit get_statistics(const struct ctl *ctl, const char *interface, json_t **ret_statistics)
{
	return call_for(ctl, FANCAP_INTERFACE ".GetStatistics", interface, ret_statistics);
}

/* --- the commands ------------------------------------------------------------------------------------- */

static enum ctl_exit run_status(const struct ctl *ctl, const char *argument)
{
	json_t *status;
	enum ctl_exit result = call(ctl, FANCAP_INTERFACE ".GetStatus", NULL, &status);

	(void)argument;
	if (result)
		return result;
	return ctl->json ? json_print(ctl, status) : print_report(ctl, status, report_status);
}

static enum ctl_exit run_statistics(const struct ctl *ctl, const char *argument)
{
	json_t *statistics;
	enum ctl_exit result = get_statistics(ctl, argument, &statistics);

	if (result)
		return result;
	return ctl->json ? json_print(ctl, statistics) : print_report(ctl, statistics, report_statistics);
}

/* {workers: [{interface, worker, ...}]}: the workers of all interfaces in one array; statistics is taken over. */
static enum ctl_exit print_workers_json(const struct ctl *ctl, json_t *statistics)
{
	json_t *interfaces = json_object_get(statistics, "interfaces"), *interface, *worker;
	const char *missing = json_is_array(interfaces) ? NULL : "interfaces";
	json_t *all = json_array();
	size_t i, w;

	json_array_foreach(interfaces, i, interface) {
		json_t *workers = json_object_get(interface, "workers");

		if (!json_is_array(workers))
			missing = "workers";
		json_array_foreach(workers, w, worker) {
			json_t *row = json_pack("{s:O?}", "interface", json_object_get(interface, "interface"));

			if (json_object_update(row, worker) < 0)
				missing = "workers";
			(void)json_array_append_new(all, row);
		}
	}
	json_decref(statistics);
	if (missing) {
		json_decref(all);
		return wrong_answer(ctl, missing);
	}
	return json_print(ctl, json_pack("{s:o}", "workers", all));
}

static enum ctl_exit run_workers(const struct ctl *ctl, const char *argument)
{
	json_t *statistics;
	enum ctl_exit result = get_statistics(ctl, argument, &statistics);

	if (result)
		return result;
	return ctl->json ? print_workers_json(ctl, statistics) :
			   print_report(ctl, statistics, report_workers);
}

/* {fancapctl: {version, features}, fancapd: {version, state, pid} or null}; status is borrowed, may be NULL. */
static enum ctl_exit print_version_json(const struct ctl *ctl, json_t *status)
{
	json_t *daemon = status ? json_pack("{s:O?, s:O?, s:O?}",
					    "version", json_object_get(status, "version"),
					    "state", json_object_get(status, "state"),
					    "pid", json_object_get(status, "pid")) :
				  json_null();

	return json_print(ctl, json_pack("{s:{s:s, s:s}, s:o}", "fancapctl", "version", PACKAGE_VERSION,
					 "features", FANCAP_FEATURES, "fancapd", daemon));
}

static enum ctl_exit print_version_text(const struct ctl *ctl, json_t *status)
{
	const char *version = json_string_value(json_object_get(status, "version"));

	if (status && !version)
		return wrong_answer(ctl, "version");
	fprintf(ctl->out, "fancapctl %s\nfancapd ", PACKAGE_VERSION);
	text_print(ctl->out, status ? version : "is not running");
	fputc('\n', ctl->out);
	return CTL_OK;
}

/* That the daemon is not running is an answer here. */
static enum ctl_exit run_version(const struct ctl *ctl, const char *argument)
{
	json_t *status = NULL;
	enum ctl_exit result = client_call(ctl, FANCAP_INTERFACE ".GetStatus", NULL, &status);

	(void)argument;
	if (result && result != CTL_NOT_RUNNING)
		return result;
	result = ctl->json ? print_version_json(ctl, status) : print_version_text(ctl, status);
	json_decref(status);
	return result;
}

static enum ctl_exit run_rotate(const struct ctl *ctl, const char *argument)
{
	json_t *answer;
	enum ctl_exit result = call_for(ctl, FANCAP_INTERFACE ".Rotate", argument, &answer);

	if (result)
		return result;
	return ctl->json ? json_print(ctl, answer) : print_report(ctl, answer, report_rotation);
}

static enum ctl_exit run_reload(const struct ctl *ctl, const char *argument)
{
	json_t *answer;
	enum ctl_exit result = call(ctl, FANCAP_INTERFACE ".Reload", NULL, &answer);

	(void)argument;
	if (result)
		return result;
	return ctl->json ? json_print(ctl, answer) : print_report(ctl, answer, report_reload);
}

static const struct command commands[] = {
	{ "status", NULL, "how the daemon and its interfaces are, in short", run_status, NULL },
	{ "statistics", "INTERFACE", "what became of every packet, by interface and worker", run_statistics, NULL },
	{ "workers", "INTERFACE", "the workers: process, CPU, ring", run_workers, NULL },
	{ "rotate", "INTERFACE", "finish the open files; the next packets go to new ones", run_rotate, NULL },
	{ "reload", NULL, "read the configuration again; if that is refused, say why", run_reload, NULL },
	{ "version", NULL, "the versions of fancapctl and of the daemon that runs", run_version, NULL },
	{ "recover", "FILE...", "make whole files of torn ones: FILE.part to FILE, others to FILE.recovered.pcapng", NULL,
	  recover_files },
};

/* --- running them ------------------------------------------------------------------------------------- */

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static enum ctl_exit wrong_arguments(const struct ctl *ctl, const struct command *command, const char *takes)
{
	fprintf(ctl->err, "fancapctl: %s takes %s; see fancapctl --help\n", command->name, takes);
	return CTL_USAGE;
}

static enum ctl_exit check_arguments(const struct ctl *ctl, const struct command *command, int n)
{
	if (command->run_files && n == 0)
		return wrong_arguments(ctl, command, "one file at least");
	if (command->run_files && ctl->output && n > 1)
		return wrong_arguments(ctl, command, "one file only with --output");
	if (command->run_files && ctl->interface)
		return wrong_arguments(ctl, command, "no --interface");
	if (command->run_files)
		return CTL_OK;
	if (ctl->output)
		return wrong_arguments(ctl, command, "no --output");
	if (ctl->interface && !command->argument)
		return wrong_arguments(ctl, command, "no --interface");
	if (n + (ctl->interface ? 1 : 0) > (command->argument ? 1 : 0))
		return wrong_arguments(ctl, command, command->argument ? "one argument at most" : "no argument");
	return CTL_OK;
}

enum ctl_exit commands_run(const struct ctl *ctl, int argc, char **argv)
{
	const struct command *command = command_find(argv[0]);
	enum ctl_exit result;

	if (!command) {
		fprintf(ctl->err, "fancapctl: unknown command '%s'; see fancapctl --help\n", argv[0]);
		return CTL_USAGE;
	}
	result = check_arguments(ctl, command, argc - 1);
	if (result)
		return result;

	if (command->run_files)
		result = command->run_files(ctl, argv + 1);
	else
		result = command->run(ctl, argc > 1 ? argv[1] : ctl->interface);
	/* A full disk or a closed pipe must not pass for success. */
	if ((fflush(ctl->out) != 0 || ferror(ctl->out)) && !result) {
		fprintf(ctl->err, "fancapctl: cannot write: %s\n", strerror(errno));
		result = CTL_FAILED;
	}
	return result;
}

void commands_help(FILE *out)
{
	fprintf(out, "Commands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		char usage[64];

		if (!commands[i].argument)
			snprintf(usage, sizeof(usage), "%s", commands[i].name);
		else
			snprintf(usage, sizeof(usage), commands[i].run ? "%s [%s]" : "%s %s", commands[i].name,
				 commands[i].argument);
		fprintf(out, "  %-24s%s\n", usage, commands[i].help);
	}
	fprintf(out, "\nExit codes:\n");
	for (int i = 0; i < CTL_EXITS; i++)
		fprintf(out, "  %d  %s\n", i, exit_texts[i]);
}

void commands_print_version(FILE *out)
{
	fprintf(out, "fancapctl %s\nfeatures: %s\n", PACKAGE_VERSION, FANCAP_FEATURES);
}
