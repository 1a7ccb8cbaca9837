// SPDX-License-Identifier: BSD-3-Clause
#include "ctl/reader.h"

#include <errno.h>
#include <stdio.h>

void reader_miss(struct reader *reader, const char *key)
{
	if (!reader->missing)
		reader->missing = key;
}

uint64_t read_count(struct reader *reader, json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (json_is_integer(value) && json_integer_value(value) >= 0)
		return (uint64_t)json_integer_value(value);
	reader_miss(reader, key);
	return 0;
}

const char *read_text(struct reader *reader, json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (json_is_string(value))
		return json_string_value(value);
	reader_miss(reader, key);
	return "";
}

void read_text_copy(char *to, size_t size, struct reader *reader, json_t *object, const char *key)
{
	(void)snprintf(to, size, "%s", read_text(reader, object, key));
}

json_t *read_array(struct reader *reader, json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (json_is_array(value))
		return value;
	reader_miss(reader, key);
	return NULL;
}

json_t *read_object(struct reader *reader, json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (json_is_object(value))
		return value;
	reader_miss(reader, key);
	return NULL;
}

int reader_result(const struct reader *reader, const char **ret_missing)
{
	if (!reader->missing)
		return 0;
	*ret_missing = reader->missing;
	return -EBADMSG;
}
