// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "fancap/error.h"

void fancap_error_set(struct fancap_error *err, const char *format, ...)
{
	int saved = errno;
	va_list args;

	if (err == NULL)
		return;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	errno = saved;
}
