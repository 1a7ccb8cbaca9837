// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/act.h"
#include "ctl/check.h"
#include "ctl/complete.h"
#include "ctl/follow.h"
#include "ctl/help.h"
#include "ctl/host.h"
#include "ctl/look.h"
#include "ctl/options.h"
#include "ctl/plan.h"
#include "ctl/recover.h"
#include "ctl/segments.h"
#include "ctl/suggest.h"
#include "ctl/top.h"
#include "ctl/when.h"

#define COMMANDS_MAX 64

static const struct option_row recover_options[] = {
	{ "output", 'o', "FILE", "what to write; for one file only", WORD_FILE },
	{ NULL },
};

#define ONE_INTERFACE .max = 1, .kinds = { WORD_INTERFACE }, .interface = INTERFACE_WORD

const struct command commands[] = {
	{ .name = "status", .help = "how the daemon and its interfaces are, in short", .run = run_status },
	{ .name = "statistics", .arguments = "[INTERFACE]", ONE_INTERFACE, .options = statistics_options,
	  .help = "what became of every packet, by interface and worker",
	  .details = "With --watch it goes on until Ctrl-C; with --json each answer is one line then.", .run = run_statistics },
	{ .name = "top", .arguments = "[INTERFACE]", ONE_INTERFACE,
	  .help = "a live view: rates, losses, rings, writes, disks, events", .details = top_details, .run = run_top },
	{ .name = "workers", .arguments = "[INTERFACE]", ONE_INTERFACE, .help = "the workers: process, CPU, ring, open file",
	  .details = "MOST % is how full the ring has been, LAST SEEN how long ago the worker said that it is alive, which it does "
		     "every second.",
	  .run = run_workers },
	{ .name = "interfaces", .arguments = "[INTERFACE]", ONE_INTERFACE,
	  .help = "the interfaces: link, ring, filter, folders",
	  .details = "STALL is how long a worker may do nothing before its ring is full, at the link's speed in packets of "
		     "800 bytes. RECORDED is the filter in force, and the one of the configuration if it was changed since "
		     "(see filter).",
	  .run = run_interfaces },
	{ .name = "segments", .arguments = "[INTERFACE]", ONE_INTERFACE, .options = segments_options,
	  .help = "the recorded files, oldest first",
	  .details = "STATE is active for a file that is being written, held for one that retention leaves alone (see hold). "
		     "A TIME is one of: " WHEN_ALLOWED ". Without an offset it is UTC, as in the names of the files.",
	  .run = run_segments },
	{ .name = "events", .options = events_options, .interface = INTERFACE_OPTION,
	  .help = "what happens, as it happens: deaths, losses, links, disks, reloads",
	  .details = "Goes on until Ctrl-C. With --json each event is one line. If events come faster than they are read, some "
		     "are left out, and that is said.",
	  .run = run_events },
	{ .name = "config", .help = "the configuration in force, with all defaults",
	  .details = "As YAML that fancapd would read; with --json it is a string in there.", .run = run_config },
	{ .name = "reload", .help = "read the configuration again; if that is refused, say why", .run = run_reload },
	{ .name = "rotate", .arguments = "[INTERFACE]", ONE_INTERFACE,
	  .help = "finish the open files; the next packets go to new ones", .run = run_rotate },
	{ .name = "filter", .arguments = "INTERFACE [EXPRESSION]", .min = 1, .max = -1, .kinds = { WORD_INTERFACE, WORD_ANY },
	  .interface = INTERFACE_WORD, .options = filter_options,
	  .help = "show which packets are recorded, or change it until the next reload",
	  .details = "EXPRESSION is one of libpcap, see pcap-filter(7); several words are put together. An empty one ('') lets "
		     "everything through. What begins with a hyphen goes behind --.",
	  .run = run_filter },
	{ .name = "pause", .arguments = "[INTERFACE]", ONE_INTERFACE, .help = "record no more packets until resume",
	  .details = "What is in the rings is recorded. Packets that come then are in no counter and no file.",
	  .run = run_pause },
	{ .name = "resume", .arguments = "[INTERFACE]", ONE_INTERFACE, .help = "record again after pause", .run = run_resume },
	{ .name = "restart-worker", .arguments = "INTERFACE WORKER", .min = 2, .max = 2,
	  .kinds = { WORD_INTERFACE, WORD_WORKER }, .interface = INTERFACE_WORD,
	  .help = "replace a worker's process; nothing is lost",
	  .details = "Its ring goes on filling meanwhile. Ends when the new one records.", .run = run_restart_worker },
	{ .name = "log-level", .arguments = "[LEVEL]", .max = 1, .kinds = { WORD_LEVEL },
	  .help = "show how much is logged, or change it until the next reload: error, warning, info, debug",
	  .run = run_log_level },
	{ .name = "hold", .arguments = "[FILE...]", .max = -1, .kinds = { WORD_FILE, WORD_FILE }, .options = hold_options,
	  .interface = INTERFACE_OPTION, .help = "keep recorded files from being removed by retention",
	  .details = "Takes files, or a time range and then all files that may have packets of it (of one interface with "
		     "--interface). For what a TIME is see segments. Of files that are named all are held, or none.",
	  .run = run_hold },
	{ .name = "release", .arguments = "[FILE...]", .max = -1, .kinds = { WORD_FILE, WORD_FILE }, .options = hold_options,
	  .interface = INTERFACE_OPTION, .help = "let retention remove them again", .details = "Takes the same as hold.",
	  .run = run_release },
	{ .name = "check", .arguments = "[loss | INTERFACE...]", .max = -1, .kinds = { WORD_INTERFACE, WORD_INTERFACE },
	  .interface = INTERFACE_OPTION, .help = "is this machine fit to capture? and, for monitoring: is there a loss?",
	  .details = check_details, .options = check_options, .run = run_check },
	{ .name = "plan", .local = true, .arguments = "[INTERFACE]", ONE_INTERFACE,
	  .help = "what a capture needs of memory and disk, and its configuration", .details = plan_details,
	  .options = plan_options, .run = run_plan },
	{ .name = "recover", .local = true, .arguments = "FILE...", .min = 1, .max = -1, .kinds = { WORD_FILE, WORD_FILE }, .options = recover_options,
	  .help = "make whole files of torn ones: FILE.part to FILE, others to FILE.recovered.pcapng",
	  .details = "Works on files of this machine; the daemon is not asked.", .run = run_recover },
	{ .name = "completion", .local = true, .arguments = "SHELL", .min = 1, .max = 1, .kinds = { WORD_SHELL },
	  .help = "print the completion for a shell: bash or zsh",
	  .details = "To be sourced where it is not installed: . <(fancapctl completion bash)", .run = run_completion },
	{ .name = "version", .help = "the versions of fancapctl and of the daemon that runs", .run = run_version },
	{ .name = "stdio-bridge", .hidden = true, .help = "pass bytes between the control socket and standard input and output",
	  .details = "What fancapctl --host runs on the other machine.", .run = run_stdio_bridge },
	{ .name = NULL },
};

_Static_assert(sizeof(commands) / sizeof(*commands) <= COMMANDS_MAX, "make COMMANDS_MAX larger");

/* --- running them ------------------------------------------------------------------------------------- */

const struct command *command_find(const char *name)
{
	for (const struct command *command = commands; command->name; command++)
		if (!strcmp(command->name, name))
			return command;
	return NULL;
}

static enum ctl_exit unknown_command(const struct ctl *ctl, const char *name)
{
	const char *candidates[COMMANDS_MAX] = { NULL }, *meant;

	for (size_t i = 0, n = 0; commands[i].name; i++)
		if (!commands[i].hidden)
			candidates[n++] = commands[i].name;
	meant = suggest(name, candidates);
	if (meant)
		return wrong_usage(ctl, NULL, "unknown command '%s' (did you mean %s?)", name, meant);
	return wrong_usage(ctl, NULL, "unknown command '%s'", name);
}

static enum ctl_exit check_arguments(const struct ctl *ctl, const struct arguments *arguments)
{
	const struct command *command = arguments->command;

	if (ctl->host && command->local)
		return wrong_usage(ctl, command, "%s takes no --host", command->name);
	if (ctl->interface && command->interface == INTERFACE_NONE)
		return wrong_usage(ctl, command, "%s takes no --interface", command->name);
	if (arguments->n > command->max && command->max == 0)
		return wrong_usage(ctl, command, "%s takes no argument", command->name);
	if (arguments->n < command->min || (command->max >= 0 && arguments->n > command->max))
		return wrong_usage(ctl, command, "%s takes %s", command->name, command->arguments);
	return CTL_OK;
}

/* Run it with --interface as the first of its words. */
static enum ctl_exit run_with_interface(const struct ctl *ctl, struct arguments arguments)
{
	size_t n = (size_t)arguments.n;
	char **words = calloc(n + 2, sizeof(*words));
	char *interface = strdup(ctl->interface);
	enum ctl_exit result = CTL_FAILED;

	if (words && interface) {
		words[0] = interface;
		memcpy(words + 1, arguments.words, n * sizeof(*words));
		arguments.words = words;
		arguments.n++;
		result = check_arguments(ctl, &arguments);
		if (!result)
			result = arguments.command->run(ctl, &arguments);
	}
	free(interface);
	free(words);
	return result;
}

static enum ctl_exit run(const struct ctl *ctl, const struct arguments *arguments)
{
	enum ctl_exit result;

	if (ctl->interface && arguments->command->interface == INTERFACE_WORD)
		return run_with_interface(ctl, *arguments);
	result = check_arguments(ctl, arguments);
	return result ? result : arguments->command->run(ctl, arguments);
}

enum ctl_exit commands_run(const struct ctl *before, int argc, char **argv)
{
	const struct command *command = command_find(argv[0]);
	struct ctl after = *before, *ctl = &after;
	struct arguments arguments;
	enum options_wish wish;
	enum ctl_exit result;

	/* Its words are a line that is still being typed: none of them is an option of ours. */
	if (argc > 1 && !strcmp(argv[0], "__complete")) {
		complete(ctl, argc - 1, argv + 1);
		return CTL_OK;
	}
	if (!command)
		return unknown_command(ctl, argv[0]);
	result = options_parse_command(ctl, command, argc, argv, &arguments, &wish);
	if (result)
		return result;
	if (wish == OPTIONS_HELP)
		help_command(ctl->out, command);
	else if (wish == OPTIONS_VERSION)
		help_version(ctl->out);
	else
		result = run(ctl, &arguments);
	/* A full disk or a closed pipe must not pass for success. */
	if ((fflush(ctl->out) != 0 || ferror(ctl->out)) && !result) {
		fprintf(ctl->err, "fancapctl: cannot write: %s\n", strerror(errno));
		result = CTL_FAILED;
	}
	return result;
}
