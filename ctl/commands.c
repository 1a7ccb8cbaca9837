// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/act.h"
#include "ctl/help.h"
#include "ctl/look.h"
#include "ctl/options.h"
#include "ctl/recover.h"
#include "ctl/suggest.h"

#define COMMANDS_MAX 64

static const struct option_row recover_options[] = {
	{ "output", 'o', "FILE", "what to write; for one file only", WORD_FILE },
	{ NULL },
};

const struct command commands[] = {
	{ .name = "status", .help = "how the daemon and its interfaces are, in short", .run = run_status },
	{ .name = "statistics", .arguments = "[INTERFACE]", .max = 1, .kinds = { WORD_INTERFACE }, .interface = INTERFACE_WORD,
	  .help = "what became of every packet, by interface and worker", .run = run_statistics },
	{ .name = "workers", .arguments = "[INTERFACE]", .max = 1, .kinds = { WORD_INTERFACE }, .interface = INTERFACE_WORD,
	  .help = "the workers: process, CPU, ring", .run = run_workers },
	{ .name = "rotate", .arguments = "[INTERFACE]", .max = 1, .kinds = { WORD_INTERFACE }, .interface = INTERFACE_WORD,
	  .help = "finish the open files; the next packets go to new ones", .run = run_rotate },
	{ .name = "reload", .help = "read the configuration again; if that is refused, say why", .run = run_reload },
	{ .name = "version", .help = "the versions of fancapctl and of the daemon that runs", .run = run_version },
	{ .name = "recover", .arguments = "FILE...", .min = 1, .max = -1, .kinds = { WORD_FILE }, .options = recover_options,
	  .help = "make whole files of torn ones: FILE.part to FILE, others to FILE.recovered.pcapng",
	  .run = run_recover },
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

	for (size_t i = 0; commands[i].name; i++)
		candidates[i] = commands[i].name;
	meant = suggest(name, candidates);
	if (meant)
		return wrong_usage(ctl, NULL, "unknown command '%s' (did you mean %s?)", name, meant);
	return wrong_usage(ctl, NULL, "unknown command '%s'", name);
}

static enum ctl_exit check_arguments(const struct ctl *ctl, const struct arguments *arguments)
{
	const struct command *command = arguments->command;

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
