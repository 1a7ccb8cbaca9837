// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/recover.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "common/recovery.h"
#include "ctl/output.h"
#include "varlink/message.h"

/** A file, and what became of it. */
struct recovered {
	const char *from;
	char to[PATH_MAX];
	int r; ///< as fancap_recover_file()
	struct fancap_recover_result result;
	struct fancap_error error;
};

static int choose_name(const char *output, struct recovered *file)
{
	int r = 0;

	if (!output)
		r = recovery_name(file->from, file->to, sizeof(file->to));
	else if (snprintf(file->to, sizeof(file->to), "%s", output) >= (int)sizeof(file->to))
		r = -ENAMETOOLONG;
	if (r < 0)
		fancap_error_set(&file->error, "%s: %s", file->from, strerror(-r));
	return r;
}

static void recover(const struct ctl *ctl, const char *output, struct recovered *file)
{
	struct recovery_display display;
	struct fancap_recover_options options = {
		.mode = FANCAP_RECOVER_COPY,
		.needed_only = !output && !recovery_is_part(file->from),
		.progress = recovery_display_progress,
		.arg = &display,
	};

	file->r = choose_name(output, file);
	if (file->r < 0)
		return;
	recovery_display_start(&display, ctl->err, file->from);
	file->r = fancap_recover_file(file->from, file->to, &options, &file->result, &file->error);
	recovery_display_end(&display);
}

static json_t *text_or_null(const char *text)
{
	return text ? varlink_text(text) : json_null();
}

/* Doc: fancapctl --json recover. What is not known of a file that failed is null. */
static json_t *recovered_json(const struct recovered *file)
{
	const struct fancap_recover_result *result = &file->result;
	json_t *object = json_pack("{s:o, s:o, s:o}", "file", varlink_text(file->from), "output",
				   text_or_null(result->made ? file->to : NULL), "error",
				   text_or_null(file->r < 0 ? file->error.text : NULL));
	json_t *found = file->r < 0 ? json_null() :
				      json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:o}", "changed", result->changed,
						"packets", (json_int_t)result->packets,
						"bytes", (json_int_t)result->bytes,
						"bytes_kept", (json_int_t)result->bytes_kept,
						"bytes_cut", (json_int_t)result->bytes_cut,
						"bytes_lost", (json_int_t)result->bytes_lost,
						"reason", text_or_null(result->bytes_cut ? result->reason : NULL));

	(void)json_object_set_new(object, "recovered", found);
	return object;
}

static void tell(const struct ctl *ctl, const struct recovered *file, json_t *all)
{
	if (ctl->json)
		(void)json_array_append_new(all, recovered_json(file));
	else if (file->r == 0)
		recovery_print(ctl->out, file->from, file->to, &file->result);
	if (file->r < 0)
		fprintf(ctl->err, "fancapctl: %s\n", file->error.text);
}

enum ctl_exit run_recover(const struct ctl *ctl, const struct arguments *arguments)
{
	const char *output = arguments_option(arguments, "output");
	char *const *files = arguments->words;
	enum ctl_exit result = CTL_OK, printed;
	json_t *all = json_array();
	struct recovered file = { .r = 0 };

	if (output && arguments->n > 1) {
		json_decref(all);
		return wrong_usage(ctl, arguments->command, "recover takes one file only with --output");
	}
	recovery_catch_signals();
	for (; *files && file.r != -ECANCELED; files++) {
		file = (struct recovered){ .from = *files };
		recover(ctl, output, &file);
		tell(ctl, &file, all);
		if (file.r < 0)
			result = CTL_FAILED;
	}
	if (!ctl->json) {
		json_decref(all);
		return result;
	}
	printed = json_print(ctl, json_pack("{s:o}", "files", all));
	return result ? result : printed;
}
