// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/when.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/units.h"

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define DAY_S INT64_C(86400)

static int from_seconds(int64_t seconds, int64_t ns, int64_t *ret_ns)
{
	if (seconds < 0 || seconds > INT64_MAX / NS_PER_S - 1)
		return -EINVAL;
	*ret_ns = seconds * NS_PER_S + ns;
	return 0;
}

/* ".25", or nothing. @return what follows; NULL: a point without digits */
static const char *fraction_read(const char *text, int64_t *ret_ns)
{
	int64_t digit_ns = NS_PER_S / 10;

	*ret_ns = 0;
	if (*text != '.')
		return text;
	if (!isdigit((unsigned char)*++text))
		return NULL;
	for (; isdigit((unsigned char)*text); text++) {
		*ret_ns += (*text - '0') * digit_ns;
		digit_ns /= 10;
	}
	return text;
}

/* "-2h" */
static int read_before(const char *text, uint64_t now_ns, int64_t *ret_ns)
{
	struct fancap_error err;
	uint64_t ms;

	if (units_parse_duration(text, &ms, &err) < 0 || ms > now_ns / NS_PER_MS)
		return -EINVAL;
	*ret_ns = (int64_t)(now_ns - ms * NS_PER_MS);
	return 0;
}

/* "1700000000.5" */
static int read_epoch(const char *text, int64_t *ret_ns)
{
	int64_t ns;
	char *end;
	long long seconds;

	errno = 0;
	seconds = strtoll(text, &end, 10);
	text = errno ? NULL : fraction_read(end, &ns);
	return text && !*text ? from_seconds(seconds, ns, ret_ns) : -EINVAL;
}

/* Exactly n digits, then `end` (if not 0). @return what follows, or NULL */
static const char *digits_read(const char *text, int n, char end, int *ret)
{
	*ret = 0;
	if (!text)
		return NULL;
	for (int i = 0; i < n; i++, text++) {
		if (!isdigit((unsigned char)*text))
			return NULL;
		*ret = *ret * 10 + *text - '0';
	}
	if (end && *text++ != end)
		return NULL;
	return text;
}

/* "Z", "+01:00" or nothing, to the end. */
static bool offset_read(const char *text, int64_t *ret_s)
{
	int hours, minutes, sign = *text == '-' ? -1 : 1;

	*ret_s = 0;
	if (!*text || !strcmp(text, "Z") || !strcmp(text, "z"))
		return true;
	if (*text != '+' && *text != '-')
		return false;
	text = digits_read(text + 1, 2, ':', &hours);
	text = digits_read(text, 2, '\0', &minutes);
	if (!text || *text || hours > 23 || minutes > 59)
		return false;
	*ret_s = sign * (hours * 3600 + minutes * 60);
	return true;
}

/* timegm() would take the 31st of February for a day in March. */
static int from_calendar(const struct tm *given, int64_t offset_s, int64_t ns, int64_t *ret_ns)
{
	struct tm tm = *given;
	time_t seconds = timegm(&tm);

	if (tm.tm_mday != given->tm_mday || tm.tm_mon != given->tm_mon || tm.tm_hour != given->tm_hour ||
	    tm.tm_min != given->tm_min || given->tm_sec > 59)
		return -EINVAL;
	return from_seconds(seconds - offset_s, ns, ret_ns);
}

/* RFC 3339, but that the time of day, its seconds and the offset may be left out. */
static int read_calendar(const char *text, int64_t *ret_ns)
{
	struct tm tm = { 0 };
	int64_t offset_s = 0, ns = 0;

	text = digits_read(text, 4, '-', &tm.tm_year);
	text = digits_read(text, 2, '-', &tm.tm_mon);
	text = digits_read(text, 2, '\0', &tm.tm_mday);
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	if (text && *text) {
		text = strchr("Tt ", *text) ? digits_read(text + 1, 2, ':', &tm.tm_hour) : NULL;
		text = digits_read(text, 2, '\0', &tm.tm_min);
		if (text && *text == ':')
			text = digits_read(text + 1, 2, '\0', &tm.tm_sec);
		text = text ? fraction_read(text, &ns) : NULL;
		if (!text || !offset_read(text, &offset_s))
			return -EINVAL;
	}
	return text ? from_calendar(&tm, offset_s, ns, ret_ns) : -EINVAL;
}

int when_parse(const char *text, uint64_t now_ns, int64_t *ret_ns)
{
	int64_t today_s = (int64_t)(now_ns / NS_PER_S) / DAY_S * DAY_S;

	if (!strcmp(text, "now"))
		return read_before("0", now_ns, ret_ns);
	if (!strcmp(text, "today"))
		return from_seconds(today_s, 0, ret_ns);
	if (!strcmp(text, "yesterday"))
		return from_seconds(today_s - DAY_S, 0, ret_ns);
	if (*text == '-')
		return read_before(text + 1, now_ns, ret_ns);
	if (isdigit((unsigned char)*text) && !text[strspn(text, "0123456789.")])
		return read_epoch(text, ret_ns);
	return read_calendar(text, ret_ns);
}
