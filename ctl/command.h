// SPDX-License-Identifier: BSD-3-Clause
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include "ctl/ctl.h"

#define COMMAND_OPTIONS_MAX 16

/** What a word of the command line stands for: completion offers such. */
enum word_kind {
	WORD_ANY, ///< nothing can be offered
	WORD_INTERFACE,
	WORD_WORKER, ///< of the interface before it
	WORD_FILE,
	WORD_LEVEL,
	WORD_SHELL,
	WORD_COLOR,
	WORD_TIME,
};

/** An option: one row for parser, help, manual and completion. */
struct option_row {
	const char *name; ///< without its hyphens; NULL ends a table
	char letter;	  ///< 0: has none
	const char *argument; ///< what it takes, as help calls it; NULL: nothing
	const char *help;
	enum word_kind kind; ///< of its argument
};

/** A command line, parsed. */
struct arguments {
	const struct command *command;
	int n;
	char *const *words; ///< n of them, then NULL; --interface is the first one of a command with INTERFACE_WORD
	const char *values[COMMAND_OPTIONS_MAX]; ///< of command->options, row by row; see arguments_option()
};

/** What --interface means to a command. */
enum interface_use {
	INTERFACE_NONE,	  ///< nothing: it is refused
	INTERFACE_WORD,	  ///< the same as the first argument
	INTERFACE_OPTION, ///< see ctl->interface
};

/** A command: one row, and all there is to know of it. */
struct command {
	const char *name;
	const char *arguments; ///< as help shows them: "[INTERFACE]"; NULL: takes none
	int min, max;	       ///< how many it takes; max -1: as many as there are
	const char *help;      ///< one line, no full stop
	const char *details;   ///< sentences for its --help and the manual; NULL: nothing more to say
	const struct option_row *options; ///< its own; NULL: none
	enum interface_use interface;
	bool local;  ///< the daemon is not asked: it takes neither --host nor --socket nor --timeout
	bool hidden; ///< for our own programs: help does not show it
	enum word_kind kinds[2]; ///< of its first argument, and of all others
	enum ctl_exit (*run)(const struct ctl *ctl, const struct arguments *arguments);
};

/** The word at index, or NULL. */
const char *arguments_word(const struct arguments *arguments, int index);

/** The value of an option of the command's own table: NULL if it was not given, "" if it takes none. */
const char *arguments_option(const struct arguments *arguments, const char *name);

/** Read the value of an option as a whole number. Says what is wrong. @param[in,out] number stays what it is if not given */
enum ctl_exit arguments_number(const struct ctl *ctl, const struct arguments *arguments, const char *name, long long min,
			       long long max, long long *number);

/** A number of seconds, in decimals. @return false: none, or not from min to max */
bool seconds_parse(const char *text, double min, double max, double *ret_seconds);

/** Say what is wrong with a command line, and where to look. @return CTL_USAGE */
enum ctl_exit wrong_usage(const struct ctl *ctl, const struct command *command, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
