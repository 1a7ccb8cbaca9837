// SPDX-License-Identifier: BSD-3-Clause
/* The integration tests trust tests/tools: here each kind of damage is made, and must be seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/tools/check.h"

#define SNAPLEN 262144u
#define BASE_NS UINT64_C(1700000000000000000)
#define COUNT 100u

/* A pcapng file under construction. */
struct file {
	char folder[32];
	char path[128];
	uint8_t *data;
	size_t len;
	struct frame_params frames;
};

static void put(struct file *file, const void *data, size_t len)
{
	static const uint8_t zeros[4];

	file->data = realloc(file->data, file->len + len + 3);
	assert_non_null(file->data);
	memcpy(file->data + file->len, data, len);
	file->len += len;
	memcpy(file->data + file->len, zeros, -len & 3);
	file->len += -len & 3;
}

static void put32(struct file *file, uint32_t value)
{
	put(file, &value, sizeof(value));
}

/* Open a block, to be closed with end(). */
static size_t begin(struct file *file, uint32_t type)
{
	size_t at = file->len;

	put32(file, type);
	put32(file, 0);
	return at;
}

static void end(struct file *file, size_t at)
{
	uint32_t len = (uint32_t)(file->len - at + 4);

	put32(file, len);
	memcpy(file->data + at + 4, &len, sizeof(len));
}

static void put_option(struct file *file, uint16_t code, const void *value, uint16_t len)
{
	put32(file, code | (uint32_t)len << 16);
	put(file, value, len);
}

static void put_section(struct file *file)
{
	size_t at = begin(file, 0x0a0d0d0a);

	put32(file, 0x1a2b3c4d);
	put32(file, 1);
	put32(file, UINT32_MAX);
	put32(file, UINT32_MAX);
	end(file, at);
}

static void put_interface(struct file *file, uint32_t snaplen, uint8_t tsresol)
{
	size_t at = begin(file, 1);

	put32(file, 1);
	put32(file, snaplen);
	put_option(file, 9, &tsresol, 1);
	put32(file, 0);
	end(file, at);
}

static void put_packet_len(struct file *file, const uint8_t *data, size_t caplen, size_t len,
			   uint64_t time_ns)
{
	const uint32_t inbound = 1;
	const uint64_t dropcount = 3;
	size_t at = begin(file, 6);

	put32(file, 0);
	put32(file, (uint32_t)(time_ns >> 32));
	put32(file, (uint32_t)time_ns);
	put32(file, (uint32_t)caplen);
	put32(file, (uint32_t)len);
	put(file, data, caplen);
	put_option(file, 2, &inbound, 4);
	put_option(file, 4, &dropcount, 8);
	put32(file, 0);
	end(file, at);
}

static void put_frame(struct file *file, uint64_t seq)
{
	uint8_t frame[FRAME_BYTES_MAX];
	size_t len = frame_build(&file->frames, seq, frame);

	put_packet_len(file, frame, len, len, BASE_NS + seq);
}

static void put_statistics(struct file *file, uint64_t received)
{
	size_t at = begin(file, 5);

	put32(file, 0);
	put32(file, (uint32_t)(BASE_NS >> 32));
	put32(file, (uint32_t)BASE_NS);
	put_option(file, 4, &received, 8);
	put32(file, 0);
	end(file, at);
}

static void file_name(struct file *file, const char *name)
{
	snprintf(file->path, sizeof(file->path), "%s/%s", file->folder, name);
}

static int set_up(void **state)
{
	struct file *file = calloc(1, sizeof(*file));

	assert_non_null(file);
	strcpy(file->folder, "/tmp/fancap-tools-XXXXXX");
	assert_non_null(mkdtemp(file->folder));
	file_name(file, "veth0-w2-20260101T000000Z.pcapng");
	frame_params_init(&file->frames);
	file->frames.run = 42;
	file->frames.flows = 20;
	put_section(file);
	put_interface(file, SNAPLEN, 9);
	*state = file;
	return 0;
}

static int tear_down(void **state)
{
	struct file *file = *state;

	rmdir(file->folder);
	free(file->data);
	free(file);
	return 0;
}

static struct check *new_check(const struct file *file)
{
	const struct check_options options = {
		.frames = file->frames,
		.start = 0,
		.count = COUNT,
		.since_ns = BASE_NS,
		.until_ns = BASE_NS + COUNT,
	};
	struct check *check = check_new(&options);

	assert_non_null(check);
	return check;
}

/* Write the file as it stands, check it, remove it. */
static int feed(struct check *check, const struct file *file)
{
	FILE *out = fopen(file->path, "wb");

	assert_non_null(out);
	assert_int_equal(fwrite(file->data, 1, file->len, out), file->len);
	assert_int_equal(fclose(out), 0);
	int r = check_file(check, file->path);
	assert_int_equal(unlink(file->path), 0);
	return r;
}

static void put_frames(struct file *file, uint64_t first, uint64_t last)
{
	for (uint64_t seq = first; seq <= last; seq++)
		put_frame(file, seq);
}

static void assert_refused(struct file *file, const char *reason)
{
	struct check *check = new_check(file);

	assert_int_equal(feed(check, file), -EINVAL);
	if (!strstr(check_error(check), reason))
		fail_msg("\"%s\" is not in \"%s\"", reason, check_error(check));
	assert_non_null(strstr(check_error(check), file->path));
	check_free(check);
}

static void whole_recording_has_nothing_wrong(void **state)
{
	struct file *file = *state;
	struct check *check = new_check(file);

	put_frames(file, 0, COUNT - 1);
	put_statistics(file, COUNT);
	assert_int_equal(feed(check, file), 0);
	const struct check_result *result = check_finish(check);
	assert_int_equal(result->packets, COUNT);
	assert_int_equal(result->duplicates + result->missing + result->corrupt + result->foreign, 0);
	assert_int_equal(result->implausible_times, 0);
	assert_int_equal(result->inbound, COUNT);
	assert_int_equal(result->dropcount, 3 * COUNT);
	assert_int_equal(result->flows_seen, 20);
	assert_int_equal(result->flows_split, 0);
	assert_int_equal(result->files[0].worker, 2);
	assert_int_equal(result->files[0].first_ns, BASE_NS);
	assert_int_equal(result->files[0].last_ns, BASE_NS + COUNT - 1);
	assert_int_equal(result->files[0].statistics.ifrecv, COUNT);
	assert_true(result->files[0].statistics.osdrop == UINT64_MAX);
	check_free(check);
}

static void duplicate_and_missing_are_counted(void **state)
{
	struct file *file = *state;
	struct check *check = new_check(file);

	put_frames(file, 0, COUNT - 3);
	put_frame(file, 7);
	assert_int_equal(feed(check, file), 0);
	assert_int_equal(check_finish(check)->duplicates, 1);
	assert_int_equal(check_finish(check)->missing, 2);
	check_free(check);
}

static void duplicate_in_another_file_is_counted(void **state)
{
	struct file *file = *state;
	struct check *check = new_check(file);

	put_frames(file, 0, 9);
	assert_int_equal(feed(check, file), 0);
	assert_int_equal(feed(check, file), 0);
	assert_int_equal(check_finish(check)->duplicates, 10);
	check_free(check);
}

static void flow_in_two_workers_is_split(void **state)
{
	struct file *file = *state;
	struct check *check = new_check(file);

	put_frames(file, 0, COUNT - 1);
	assert_int_equal(feed(check, file), 0);
	file_name(file, "veth0-w3-20260101T000000Z.pcapng");
	assert_int_equal(feed(check, file), 0);
	assert_int_equal(check_finish(check)->flows_split, 20);
	check_free(check);
}

/* Flip each byte of one frame in turn, its mark's magic and run aside: those make it a foreign one. */
static void flipped_byte_is_corrupt(void **state)
{
	struct file *file = *state;
	uint8_t frame[FRAME_BYTES_MAX];
	size_t len = frame_build(&file->frames, 5, frame), start = file->len;

	for (size_t i = 0; i < len; i++) {
		struct check *check = new_check(file);

		frame[i] ^= 0x10;
		file->len = start;
		put_packet_len(file, frame, len, len, BASE_NS);
		frame[i] ^= 0x10;
		assert_int_equal(feed(check, file), 0);
		const struct check_result *result = check_finish(check);
		assert_int_equal(result->corrupt + result->foreign, 1);
		assert_int_equal(result->missing, COUNT);
		check_free(check);
	}
}

static void frame_of_another_run_is_foreign(void **state)
{
	struct file *file = *state;
	struct check *check = new_check(file);

	file->frames.run = 43;
	put_frame(file, 5);
	assert_int_equal(feed(check, file), 0);
	assert_int_equal(check_finish(check)->foreign, 1);
	assert_int_equal(check_finish(check)->missing, COUNT);
	check_free(check);
}

static void frame_never_sent_is_foreign(void **state)
{
	struct file *file = *state;
	struct check *check = new_check(file);

	put_frame(file, COUNT);
	assert_int_equal(feed(check, file), 0);
	assert_int_equal(check_finish(check)->foreign, 1);
	check_free(check);
}

static void time_out_of_range_is_counted(void **state)
{
	struct file *file = *state;
	struct check *check = new_check(file);
	uint8_t frame[FRAME_BYTES_MAX];
	size_t len = frame_build(&file->frames, 5, frame);

	put_packet_len(file, frame, len, len, BASE_NS - 1);
	put_packet_len(file, frame, len, len, BASE_NS + COUNT + 1);
	assert_int_equal(feed(check, file), 0);
	assert_int_equal(check_finish(check)->implausible_times, 2);
	check_free(check);
}

/* Cut where the interface says so: fine. Cut anywhere else: corrupt. */
static void only_snaplen_may_cut(void **state)
{
	struct file *file = *state;
	struct check *check = new_check(file);
	uint8_t frame[FRAME_BYTES_MAX];

	file->len = 0;
	put_section(file);
	put_interface(file, 100, 9);
	file->frames.min_bytes = 200;
	check_free(check);
	check = new_check(file);
	size_t len = frame_build(&file->frames, 5, frame);
	put_packet_len(file, frame, 100, len, BASE_NS);
	put_packet_len(file, frame, 99, len, BASE_NS);
	assert_int_equal(feed(check, file), 0);
	assert_int_equal(check_finish(check)->missing, COUNT - 1);
	assert_int_equal(check_finish(check)->corrupt, 1);
	check_free(check);
}

static void torn_file_is_refused_wherever_it_ends(void **state)
{
	struct file *file = *state;
	size_t start = file->len;

	put_frame(file, 1);
	size_t whole = file->len;
	for (file->len = start + 1; file->len < whole; file->len += 7)
		assert_refused(file, "offset");
}

static void empty_file_is_refused(void **state)
{
	struct file *file = *state;

	file->len = 0;
	assert_refused(file, "offset 0: no interface description");
}

static void different_lengths_at_both_ends_are_refused(void **state)
{
	struct file *file = *state;

	put_frame(file, 1);
	file->data[file->len - 4] ^= 4;
	assert_refused(file, "at its end");
}

static void second_section_is_refused(void **state)
{
	put_section(*state);
	assert_refused(*state, "a second section");
}

static void second_interface_is_refused(void **state)
{
	put_interface(*state, SNAPLEN, 9);
	assert_refused(*state, "a second interface");
}

static void microseconds_are_refused(void **state)
{
	struct file *file = *state;

	file->len = 0;
	put_section(file);
	put_interface(file, SNAPLEN, 6);
	assert_refused(file, "if_tsresol");
}

static void packet_before_interface_is_refused(void **state)
{
	struct file *file = *state;

	file->len = 0;
	put_section(file);
	put_frame(file, 1);
	assert_refused(file, "before the interface");
}

static void packet_longer_than_its_length_is_refused(void **state)
{
	uint8_t frame[64] = {0};

	put_packet_len(*state, frame, sizeof(frame), sizeof(frame) - 1, BASE_NS);
	assert_refused(*state, "caplen 64, len 63");
}

static void unknown_block_is_refused(void **state)
{
	end(*state, begin(*state, 0x0bad));
	assert_refused(*state, "block type 0x00000bad");
}

static void options_without_end_are_refused(void **state)
{
	struct file *file = *state;
	const uint64_t received = 1;
	size_t at = begin(file, 5);

	put32(file, 0);
	put32(file, 0);
	put32(file, 0);
	put_option(file, 4, &received, 8);
	end(file, at);
	assert_refused(file, "without opt_endofopt");
}

static void option_beyond_its_block_is_refused(void **state)
{
	struct file *file = *state;
	size_t at = begin(file, 5);

	put32(file, 0);
	put32(file, 0);
	put32(file, 0);
	put32(file, 4 | 8 << 16);
	put32(file, 0);
	end(file, at);
	assert_refused(file, "option 4 of 8 bytes");
}

static void frames_are_found_in_every_kind(void **state)
{
	struct file *file = *state;
	uint8_t frame[FRAME_BYTES_MAX];
	uint64_t seq;

	for (int tags = FRAME_TAGS_NONE; tags <= FRAME_TAGS_QINQ; tags++) {
		file->frames.tags = (enum frame_tags)tags;
		for (uint64_t i = 0; i < 1000; i++) {
			size_t len = frame_build(&file->frames, i << 33, frame);

			assert_in_range(len, 60, 1514);
			assert_true(frame_identify(frame, len, 42, &seq));
			assert_true(seq == i << 33);
			assert_false(frame_identify(frame, len, 41, &seq));
		}
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(whole_recording_has_nothing_wrong),
		TEST(duplicate_and_missing_are_counted),
		TEST(duplicate_in_another_file_is_counted),
		TEST(flow_in_two_workers_is_split),
		TEST(flipped_byte_is_corrupt),
		TEST(frame_of_another_run_is_foreign),
		TEST(frame_never_sent_is_foreign),
		TEST(time_out_of_range_is_counted),
		TEST(only_snaplen_may_cut),
		TEST(torn_file_is_refused_wherever_it_ends),
		TEST(empty_file_is_refused),
		TEST(different_lengths_at_both_ends_are_refused),
		TEST(second_section_is_refused),
		TEST(second_interface_is_refused),
		TEST(microseconds_are_refused),
		TEST(packet_before_interface_is_refused),
		TEST(packet_longer_than_its_length_is_refused),
		TEST(unknown_block_is_refused),
		TEST(options_without_end_are_refused),
		TEST(option_beyond_its_block_is_refused),
		TEST(frames_are_found_in_every_kind),
	};

	return cmocka_run_group_tests_name("tools", tests, NULL, NULL);
}
