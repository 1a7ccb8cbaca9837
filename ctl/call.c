// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/call.h"

#include <errno.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/output.h"
#include "varlink/message.h"

enum ctl_exit call(const struct ctl *ctl, const char *method, json_t *parameters, json_t **ret_answer)
{
	enum ctl_exit result = client_call(ctl, method, parameters, ret_answer);

	if (result == CTL_NOT_RUNNING)
		client_say_not_running(ctl);
	return result;
}

enum ctl_exit call_for(const struct ctl *ctl, const char *method, const char *interface, json_t **ret_answer)
{
	json_t *parameters = json_object();
	enum ctl_exit result;

	if (interface)
		(void)json_object_set_new(parameters, "interface", varlink_text(interface));
	result = call(ctl, method, parameters, ret_answer);
	json_decref(parameters);
	return result;
}

enum ctl_exit wrong_answer(const struct ctl *ctl, const char *missing)
{
	fprintf(ctl->err, "fancapctl: fancapd's answer has no valid \"%s\"\n", missing);
	return CTL_FAILED;
}

static enum ctl_exit print_report(const struct ctl *ctl, json_t *answer, report_fn *report)
{
	const char *missing = NULL;
	int r = report(answer, ctl->out, &missing);

	json_decref(answer);
	if (r == -EBADMSG)
		return wrong_answer(ctl, missing);
	if (r < 0)
		fprintf(ctl->err, "fancapctl: %s\n", strerror(-r));
	return r < 0 ? CTL_FAILED : CTL_OK;
}

enum ctl_exit print_answer(const struct ctl *ctl, json_t *answer, report_fn *report)
{
	return ctl->json ? json_print(ctl, answer) : print_report(ctl, answer, report);
}
