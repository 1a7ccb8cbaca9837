// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/check.h"

#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "ctl/check/findings.h"
#include "ctl/check/gather.h"
#include "ctl/check/judge.h"
#include "ctl/check/loss.h"
#include "ctl/check/want.h"

#define WRITE_DEFAULT_BYTES (64ull << 20)
#define WRITE_MAX_BYTES (64ull << 30)

const char check_details[] =
	"Is this machine fit to capture? Looks at interfaces, at the directories that are recorded to, and at the machine, and "
	"says of each finding what it is, why it matters and what mends it. What a daemon that runs captures is looked at, or "
	"what INTERFACE, --directory and so on name. A bounded amount is written (and removed) to see how fast a disk is, and "
	"flows are sent through a network namespace of its own to see whether the kernel keeps them together. Ends with 0 if the "
	"machine is fit, with 1 if something is critical, or with --strict worth a warning. "
	"check loss asks the daemon for its losses since it was started and ends as plugins of Nagios do: 0 OK, 1 more than "
	"--warn, 2 more than --max, 3 unknown; one line says which, or with --json an object. An interface that is called loss is named by --interface.";

const struct option_row check_options[] = {
	{ "workers", 0, "NUMBER", "how many workers each interface is to have", WORD_ANY },
	{ "cpus", 0, "LIST", "the CPUs that they are to be pinned to, as 2-5,8", WORD_ANY },
	{ "ring", 0, "SIZE", "how large a worker's ring is to be, as 256MiB", WORD_ANY },
	{ "directory", 0, "DIRECTORY", "where to record to", WORD_FILE },
	{ "rate", 0, "RATE", "what is to be recorded, as 10Gbit; default: all that the links can bring", WORD_ANY },
	{ "write-test", 0, "SIZE", "how much to write to see how fast the disk is; 0: nothing; default: 64MiB", WORD_ANY },
	{ "no-selfcheck", 0, NULL, "send no flows", WORD_ANY },
	{ "strict", 0, NULL, "end with 1 for a warning, too", WORD_ANY },
	{ "max", 0, "PERCENT", "loss: critical beyond this, as 0.1%; default: 0%", WORD_ANY },
	{ "warn", 0, "PERCENT", "loss: a warning beyond this; default: what --max says", WORD_ANY },
	{ NULL },
};

static enum ctl_exit write_bytes_read(const struct ctl *ctl, const struct arguments *arguments, uint64_t *ret_bytes)
{
	const char *text = arguments_option(arguments, "write-test");
	struct fancap_error err = {""};

	*ret_bytes = WRITE_DEFAULT_BYTES;
	if (text && units_parse_size(text, ret_bytes, &err) < 0)
		return wrong_usage(ctl, arguments->command, "--write-test: %s", err.text);
	if (*ret_bytes > WRITE_MAX_BYTES)
		return wrong_usage(ctl, arguments->command, "--write-test '%s' is more than 64GiB", text);
	return CTL_OK;
}

static void gather(const struct arguments *arguments, uint64_t write_bytes, struct facts *facts)
{
	gather_machine("", facts);
	if (arguments_option(arguments, "no-selfcheck"))
		(void)snprintf(facts->selfcheck.why_not, sizeof(facts->selfcheck.why_not), "--no-selfcheck was given");
	else
		gather_selfcheck(facts);
	for (size_t i = 0; i < facts->n_interfaces; i++) {
		gather_interface("", &facts->interfaces[i]);
		gather_device(&facts->interfaces[i]);
	}
	for (size_t i = 0; i < facts->n_directories; i++)
		gather_directory(&facts->directories[i], write_bytes);
}

static void judge_daemon(enum ctl_exit daemon, struct findings *findings)
{
	static const char why[] = "workers, rings, CPUs and directories are those of the options";

	if (daemon == CTL_OK)
		findings_add(findings, FINDING_OK, "daemon", "", NULL, "it runs: what it captures is looked at");
	else if (daemon == CTL_NOT_RUNNING)
		findings_add(findings, FINDING_NOTICE, "daemon", "", why, "none is running");
	else if (daemon == CTL_DENIED)
		finding_mend(findings_add(findings, FINDING_NOTICE, "daemon", "", why, "it may not be asked: permission denied"),
			     "sudo fancapctl check");
	else
		finding_mend(findings_add(findings, FINDING_WARNING, "daemon", "", why, "it does not answer as it should"),
			     "fancapctl status");
}

/* What was not looked at is said, so that it does not pass for well. */
static void judge_wants(const struct facts *facts, enum ctl_exit daemon, struct findings *findings)
{
	struct finding *row;

	judge_daemon(daemon, findings);
	if (!facts->n_interfaces) {
		row = findings_add(findings, FINDING_NOTICE, "interfaces", "", "no link, offload or queue was looked at", "none named");
		finding_mend(row, "fancapctl check INTERFACE...");
	}
	if (!facts->n_directories) {
		row = findings_add(findings, FINDING_NOTICE, "directories", "", "no disk was looked at", "none named");
		finding_mend(row, "fancapctl check --directory DIRECTORY");
	}
}

static enum ctl_exit judge_and_print(const struct ctl *ctl, const struct arguments *arguments, const struct facts *facts,
				     enum ctl_exit daemon)
{
	enum severity bearable = arguments_option(arguments, "strict") ? FINDING_NOTICE : FINDING_WARNING;
	struct findings findings = {0};
	enum ctl_exit result;

	judge_wants(facts, daemon, &findings);
	judge(facts, &findings);
	result = findings_print(ctl, &findings);
	if (!result && findings_worst(&findings) > bearable)
		result = CTL_FAILED;
	findings_done(&findings);
	return result;
}

static enum ctl_exit check_machine(const struct ctl *ctl, const struct arguments *arguments, struct facts *facts)
{
	enum ctl_exit daemon = CTL_NOT_RUNNING;
	uint64_t write_bytes = 0;
	enum ctl_exit result = write_bytes_read(ctl, arguments, &write_bytes);

	if (!result)
		result = want_read(ctl, arguments, facts, &daemon);
	if (result)
		return result;
	gather(arguments, write_bytes, facts);
	return judge_and_print(ctl, arguments, facts, daemon);
}

enum ctl_exit run_check(const struct ctl *ctl, const struct arguments *arguments)
{
	const char *first = arguments_word(arguments, 0);
	struct facts *facts;
	enum ctl_exit result;

	/* Its codes are those of Nagios, not ours. */
	if (first && strcmp(first, "loss") == 0)
		return (enum ctl_exit)run_check_loss(ctl, arguments, ctl->interface);
	if (arguments_option(arguments, "max") || arguments_option(arguments, "warn"))
		return wrong_usage(ctl, arguments->command, "--max and --warn are for check loss");
	if (ctl->host)
		return wrong_usage(ctl, arguments->command, "check looks at this machine: only check loss takes --host");
	facts = calloc(1, sizeof(*facts));
	if (!facts)
		return CTL_FAILED;
	result = check_machine(ctl, arguments, facts);
	free(facts);
	return result;
}
