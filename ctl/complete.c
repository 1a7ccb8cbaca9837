// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/complete.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "ctl/act.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/completion.h"
#include "ctl/options.h"
#include "ctl/output.h"
#include "varlink/interfaces.h"
#include "varlink/message.h"

#define PATIENCE_MS 2000 /* of somebody who pressed a key */

/** The command line before the last word, read as far as it makes sense. */
struct line {
	struct ctl ctl;
	const struct command *command; ///< NULL: none yet
	int n_words;		       ///< after it
	const char *interface;	       ///< the first of them, or --interface
	const struct option_row *open; ///< an option whose value comes next
	bool interface_option;	       ///< --interface was given
	bool words_only;	       ///< after --
};

/* --- reading the line ---------------------------------------------------------------------------------------- */

static const struct option_row *row_find(const struct option_row *rows, const char *name, size_t n)
{
	for (; rows && rows->name; rows++)
		if (n ? strlen(rows->name) == n && !strncmp(rows->name, name, n) : rows->letter == *name)
			return rows;
	return NULL;
}

/* @param n of a name; 0: it is a letter */
static const struct option_row *option_find(const struct line *line, const char *name, size_t n)
{
	const struct option_row *row = line->command ? row_find(line->command->options, name, n) : NULL;

	return row ? row : row_find(global_options, name, n);
}

/* What matters here of what options say. */
static void take_value(struct line *line, const struct option_row *row, const char *value)
{
	if (!strcmp(row->name, "socket")) {
		line->ctl.socket = value;
	} else if (!strcmp(row->name, "host")) {
		line->ctl.host = value;
	} else if (!strcmp(row->name, "interface")) {
		line->interface = value;
		line->interface_option = true;
	}
}

static void take_long(struct line *line, const char *word)
{
	size_t n = strcspn(word, "=");
	const struct option_row *row = n ? option_find(line, word, n) : NULL;

	if (row && row->argument && word[n])
		take_value(line, row, word + n + 1);
	else if (row && row->argument)
		line->open = row;
}

/* -j, -ji eth1, -ieth1 */
static void take_short(struct line *line, const char *letters)
{
	for (; *letters; letters++) {
		const struct option_row *row = option_find(line, letters, 0);

		if (!row || !row->argument)
			continue;
		if (letters[1])
			take_value(line, row, letters + 1);
		else
			line->open = row;
		return;
	}
}

static void take_word(struct line *line, const char *word)
{
	const struct option_row *open = line->open;

	line->open = NULL;
	if (open)
		take_value(line, open, word);
	else if (!line->words_only && !strcmp(word, "--"))
		line->words_only = true;
	else if (!line->words_only && !strncmp(word, "--", 2))
		take_long(line, word + 2);
	else if (!line->words_only && word[0] == '-' && word[1])
		take_short(line, word + 1);
	else if (!line->command)
		line->command = command_find(word);
	else if (line->n_words++ == 0 && line->command->interface == INTERFACE_WORD && !line->interface)
		line->interface = word;
}

/* --- what may come -------------------------------------------------------------------------------------------- */

/* @param begin what it has to begin with @param help what it is, or NULL */
static void offer(const struct ctl *ctl, const char *begin, const char *prefix, const char *word, const char *help)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "%s%s", prefix, word);
	if (strncmp(whole, begin, strlen(begin)))
		return;
	text_print(ctl->out, whole);
	if (help) {
		fputc('\t', ctl->out);
		text_print(ctl->out, help);
	}
	fputc('\n', ctl->out);
}

static void offer_options(const struct line *line, const char *begin)
{
	const struct option_row *own = line->command ? line->command->options : NULL;

	for (; own && own->name; own++)
		offer(&line->ctl, begin, "--", own->name, own->help);
	for (const struct option_row *row = global_options; row->name; row++)
		if (!line->command || option_is_taken(row, line->command))
			offer(&line->ctl, begin, "--", row->name, row->help);
}

static void offer_commands(const struct line *line, const char *begin)
{
	for (const struct command *command = commands; command->name; command++)
		if (!command->hidden)
			offer(&line->ctl, begin, "", command->name, command->help);
}

/* Ask the daemon, for as long as somebody waits who pressed a key. Not another machine: ssh might ask for a password. */
static json_t *ask(const struct line *line, const char *method, json_t *parameters)
{
	struct ctl quiet = line->ctl;
	json_t *answer = NULL;

	if (quiet.host)
		return NULL;
	quiet.timeout_ms = PATIENCE_MS;
	quiet.err = fopen("/dev/null", "w");
	if (!quiet.err)
		return NULL;
	if (client_call(&quiet, method, parameters, &answer))
		answer = NULL;
	fclose(quiet.err);
	return answer;
}

static void offer_interfaces(const struct line *line, const char *begin)
{
	json_t *status = ask(line, FANCAP_INTERFACE ".GetStatus", NULL), *interface;
	size_t i;

	json_array_foreach(json_object_get(status, "interfaces"), i, interface) {
		const char *name = json_string_value(json_object_get(interface, "interface"));

		if (name)
			offer(&line->ctl, begin, "", name, json_string_value(json_object_get(interface, "state")));
	}
	json_decref(status);
}

static void offer_workers(const struct line *line, const char *begin)
{
	json_t *parameters = json_pack("{s:o}", "interface", varlink_text(line->interface ? line->interface : ""));
	json_t *answer = ask(line, FANCAP_INTERFACE ".ListWorkers", parameters), *worker;
	size_t i;

	json_array_foreach(json_object_get(answer, "workers"), i, worker) {
		char number[24];

		snprintf(number, sizeof(number), "%lld",
			 (long long)json_integer_value(json_object_get(worker, "worker")));
		offer(&line->ctl, begin, "", number, json_string_value(json_object_get(worker, "state")));
	}
	json_decref(parameters);
	json_decref(answer);
}

static void offer_kind(const struct line *line, enum word_kind kind, const char *begin)
{
	static const char *const shells[] = { "bash", "zsh", NULL };
	static const char *const colors[] = { "auto", "always", "never", NULL };
	static const char *const times[] = { "today", "yesterday", "now", "-1h", "-1d", NULL };
	static const char *const *const words[] = {
		[WORD_SHELL] = shells, [WORD_COLOR] = colors, [WORD_TIME] = times, [WORD_LEVEL] = log_levels,
	};

	switch (kind) {
	case WORD_ANY: return;
	case WORD_INTERFACE: offer_interfaces(line, begin); return;
	case WORD_WORKER: offer_workers(line, begin); return;
	case WORD_FILE: fputs(":files\n", line->ctl.out); return;
	default: break;
	}
	for (const char *const *word = words[kind]; *word; word++)
		offer(&line->ctl, begin, "", *word, NULL);
}

static enum word_kind kind_of_next(const struct line *line)
{
	const struct command *command = line->command;
	int at = line->n_words + (line->interface_option && command->interface == INTERFACE_WORD ? 1 : 0);

	if (command->max >= 0 && at >= command->max)
		return WORD_ANY;
	return command->kinds[at ? 1 : 0];
}

/* name=value, the value begun: only values are offered, which is what shells want. */
static void complete_value(const struct line *line, const char *word)
{
	size_t n = strcspn(word, "=");
	const struct option_row *row = n ? option_find(line, word, n) : NULL;

	if (row && row->argument)
		offer_kind(line, row->kind, word + n + 1);
}

void complete(const struct ctl *ctl, int n, char *const *words)
{
	const char *last = words[n - 1];
	struct line line = { .ctl = *ctl };

	for (int i = 0; i < n - 1; i++)
		take_word(&line, words[i]);
	if (line.open) {
		offer_kind(&line, line.open->kind, last);
		return;
	}
	if (!line.words_only && !strncmp(last, "--", 2) && strchr(last, '='))
		complete_value(&line, last + 2);
	else if (!line.words_only && last[0] == '-')
		offer_options(&line, last);
	else if (!line.command)
		offer_commands(&line, last);
	else
		offer_kind(&line, kind_of_next(&line), last);
}

enum ctl_exit run_completion(const struct ctl *ctl, const struct arguments *arguments)
{
	const char *shell = arguments_word(arguments, 0);

	if (!strcmp(shell, "bash"))
		fputs(completion_bash, ctl->out);
	else if (!strcmp(shell, "zsh"))
		fputs(completion_zsh, ctl->out);
	else
		return wrong_usage(ctl, arguments->command, "'%s' is no shell that there is a completion for: bash or zsh", shell);
	return CTL_OK;
}
