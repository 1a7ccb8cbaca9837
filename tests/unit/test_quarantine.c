// SPDX-License-Identifier: BSD-3-Clause
/* Blocks that killed their workers: set aside, and what can be got out of them again. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/messages.h"
#include "daemon/quarantine.h"
#include "fancap/block.h"
#include "fancap/recover.h"
#include "tests/tools/reader.h"
#include "tests/unit/blocks.h"
#include "tests/unit/folder.h"

#define BLOCK_BYTES (64u << 10)
#define PACKETS 40u
#define FRAME_BYTES 300u
#define START_NS UINT64_C(1700000000000000000)
#define TAGGED 7u /* every so many packets had a tag */

static struct fixture {
	char *folder;
	char own[128], quarantine[128]; /* the interface's folder, and the one beside it */
	const char *folders[1];
	struct recorder_params params;
	struct test_block block;
	struct fancap_inplace_row rows[PACKETS];
	struct fancap_inplace_plan plan;
	uint8_t head[FANCAP_INPLACE_HEAD_BYTES];
	char path[256]; /* of the file last seen */
	unsigned files;
	unsigned gap; /* so many packets are missing in a row */
	char said[512];
	char message_id[64];
} fx;

static void note_log(const struct log_message *message, void *arg)
{
	(void)arg;
	snprintf(fx.said, sizeof(fx.said), "%s", message->text);
	snprintf(fx.message_id, sizeof(fx.message_id), "%s", message->message_id);
}

static void make_block(void)
{
	uint8_t frame[FRAME_BYTES];

	test_block_init(&fx.block, BLOCK_BYTES, 0, 2, 1);
	for (unsigned i = 0; i < PACKETS; i++) {
		memset(frame, (int)i + 1, sizeof(frame));
		assert_true(test_block_add(&fx.block, &(struct test_packet){
			.data = frame, .caplen = FRAME_BYTES, .time_ns = START_NS + i,
			.vlan_tpid = i % TAGGED == 1 ? 0x8100 : 0, .vlan_tci = (uint16_t)i}));
	}
}

static int setup(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	fx.gap = 1;
	fx.folder = folder_make();
	snprintf(fx.own, sizeof(fx.own), "%s/eth0", fx.folder);
	snprintf(fx.quarantine, sizeof(fx.quarantine), "%s/quarantine", fx.folder);
	fx.folders[0] = fx.own;
	fx.params = (struct recorder_params){
		.folders = fx.folders, .n_folders = 1, .interface = "eth0", .worker = 3, .linktype = 1, .log = {"eth0", 3}};
	log_set_sink(note_log, NULL);
	make_block();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_block_done(&fx.block);
	folder_remove(fx.folder);
	return 0;
}

static void see_file(const char *path, void *arg)
{
	(void)arg;
	snprintf(fx.path, sizeof(fx.path), "%s", path);
	fx.files++;
}

static void look(void)
{
	fx.files = 0;
	folder_each(fx.folder, ".block", see_file, NULL);
}

static void set_aside(enum setaside_state state, uint32_t recorded)
{
	struct quarantine_block block = {
		.state = state, .bytes = BLOCK_BYTES, .packets = PACKETS, .recorded = recorded, .snaplen = 262144, .position = 5,
		.plan = fx.plan, .parts.block = fx.block.bytes,
	};

	if (state != SETASIDE_AS_RECEIVED)
		block.parts.head = fx.head;
	if (state == SETASIDE_REWRITING)
		block.parts.rows = fx.rows;
	quarantine_store(&fx.params, fx.own, &block);
	look();
}

/* Get out of it what there is. @return how many packets */
static unsigned rescue(unsigned first, unsigned missing)
{
	const struct fancap_recover_options options = {.mode = FANCAP_RECOVER_COPY};
	struct fancap_recover_result result;
	struct fancap_error err = {""};
	struct reader_statistics statistics;
	struct reader_packet packet;
	enum reader_event event;
	struct reader *reader;
	unsigned n = first, found = 0;
	char to[280];

	snprintf(to, sizeof(to), "%s.pcapng", fx.path);
	unlink(to);
	if (fancap_recover_file(fx.path, to, &options, &result, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(result.bytes_cut != 0, missing < PACKETS);
	assert_int_equal(reader_open(to, &reader), 0);
	while ((event = reader_next(reader, &packet, &statistics)) != READER_END) {
		uint32_t tag;

		if (event == READER_ERROR)
			fail_msg("%s", reader_error(reader));
		if (event != READER_PACKET)
			continue;
		n += n == missing ? fx.gap : 0;
		tag = n % TAGGED == 1 ? 4 : 0;
		assert_int_equal(packet.time_ns, START_NS + n);
		assert_int_equal(packet.caplen, FRAME_BYTES + tag);
		assert_int_equal(packet.data[0], n + 1);
		assert_int_equal(packet.data[11], n + 1);
		assert_int_equal(packet.data[packet.caplen - 1], n + 1);
		if (tag != 0)
			assert_memory_equal(packet.data + 12, ((uint8_t[]){0x81, 0, 0, (uint8_t)n}), 4);
		n++;
		found++;
	}
	assert_int_equal(statistics.usrdeliv, found);
	reader_close(reader);
	assert_int_equal(result.packets, found);
	return found;
}

/* --- setting aside ----------------------------------------------------------------------------------------------- */

static void the_block_is_copied_as_it_is(void **state)
{
	uint8_t *bytes = malloc(SETASIDE_HEADER_BYTES + BLOCK_BYTES + 1);
	struct setaside_header *header = (struct setaside_header *)bytes;
	struct stat st;
	int fd;

	(void)state;
	set_aside(SETASIDE_AS_RECEIVED, 3);
	assert_int_equal(fx.files, 1);
	assert_has(fx.path, "/quarantine/eth0-w3-2");
	fd = open(fx.path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, bytes, SETASIDE_HEADER_BYTES + BLOCK_BYTES + 1), SETASIDE_HEADER_BYTES + BLOCK_BYTES);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777 & ~0640u, 0);
	close(fd);
	assert_memory_equal(bytes + SETASIDE_HEADER_BYTES, fx.block.bytes, BLOCK_BYTES);
	assert_int_equal(header->position, 5);
	assert_has(header->text, "interface eth0, worker 3, block 5 of its ring, 40 packets, 3 of them recorded, link type 1");
	assert_has(header->text, "as the kernel left it");
	free(bytes);
	assert_has(fx.said, "its 37 packets are counted as discarded (worker_crash), and it is set aside as /");
	assert_string_equal(fx.message_id, MESSAGE_BLOCK_SET_ASIDE);
}

static void the_newest_of_an_interface_are_kept(void **state)
{
	char first[256];

	(void)state;
	fx.params.interface = "eth0-w1"; /* looks like a worker's of eth0, and is not */
	set_aside(SETASIDE_AS_RECEIVED, 0);
	fx.params.interface = "eth0";
	set_aside(SETASIDE_AS_RECEIVED, 0);
	folder_each(fx.folder, ".block", see_file, NULL);
	for (unsigned i = 1; i < QUARANTINE_BLOCKS_MAX; i++) {
		fx.params.worker = i % 5;
		set_aside(SETASIDE_AS_RECEIVED, 0);
	}
	assert_int_equal(fx.files, QUARANTINE_BLOCKS_MAX + 1);
	snprintf(first, sizeof(first), "%.*s", (int)(strrchr(fx.path, '/') - fx.path), fx.path);
	assert_string_equal(first, fx.quarantine);
	for (unsigned i = 0; i < 3; i++)
		set_aside(SETASIDE_AS_RECEIVED, 0);
	assert_int_equal(fx.files, QUARANTINE_BLOCKS_MAX + 1);
	assert_has(fx.said, "set aside as");
}

static void a_disk_that_fails_is_said_and_nothing_more(void **state)
{
	const struct rlimit small = {30000, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
	int fd;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	set_aside(SETASIDE_AS_RECEIVED, 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(fx.files, 0); /* not half a block */
	assert_has(fx.said, "its 40 packets are counted as discarded (worker_crash); it cannot be set aside: File too large");
	assert_int_equal(rmdir(fx.quarantine), 0);
	fd = open(fx.quarantine, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	set_aside(SETASIDE_AS_RECEIVED, 0);
	assert_has(fx.said, "it cannot be set aside: ");
}

/* --- getting packets out ------------------------------------------------------------------------------------------ */

static void all_packets_of_a_sound_block_are_recovered(void **state)
{
	(void)state;
	set_aside(SETASIDE_AS_RECEIVED, 0);
	assert_int_equal(rescue(0, PACKETS), PACKETS);
}

static void what_is_in_a_recording_is_not_recovered_again(void **state)
{
	(void)state;
	set_aside(SETASIDE_AS_RECEIVED, 9);
	assert_int_equal(rescue(9, PACKETS), PACKETS - 9);
}

static void slots_that_make_no_sense_are_stepped_over(void **state)
{
	struct tpacket3_hdr *slot = test_block_slot(&fx.block, 4), was = *slot;

	(void)state;
	slot->tp_snaplen = UINT32_MAX;
	set_aside(SETASIDE_AS_RECEIVED, 0);
	assert_int_equal(rescue(0, 4), PACKETS - 1);
	*slot = was;
	memset(slot, 0xff, sizeof(*slot));
	set_aside(SETASIDE_AS_RECEIVED, 0);
	assert_int_equal(rescue(0, 4), PACKETS - 1);
	/* How many that were is not known, so neither is which is the last one. */
	memset(slot, 0xff, was.tp_next_offset + sizeof(*slot));
	fx.gap = 2;
	set_aside(SETASIDE_AS_RECEIVED, 0);
	assert_int_equal(rescue(0, 4), PACKETS - 2);
}

static void a_slot_that_leads_nowhere_is_read(void **state)
{
	(void)state;
	test_block_slot(&fx.block, 4)->tp_next_offset = 12;
	set_aside(SETASIDE_AS_RECEIVED, 0);
	assert_int_equal(rescue(0, PACKETS), PACKETS);
}

static void a_block_that_is_nothing_but_noise_has_no_packets(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < BLOCK_BYTES; i++)
		fx.block.bytes[i] = (uint8_t)(i * 2654435761u >> 13);
	set_aside(SETASIDE_AS_RECEIVED, 0);
	assert_int_equal(rescue(0, 0), 0);
}

static void a_rewritten_block_is_recovered(void **state)
{
	const struct fancap_inplace_extra extra = {.statistics = {.delivered = 0}};
	uint8_t *half = malloc(BLOCK_BYTES);

	(void)state;
	assert_int_equal(fancap_inplace_plan(fx.block.bytes, BLOCK_BYTES, 262144, fx.rows, PACKETS, &fx.plan), 0);
	memcpy(half, fx.block.bytes, BLOCK_BYTES);
	fancap_inplace_rewrite(fx.block.bytes, &fx.plan, fx.rows, &extra, fx.head);
	set_aside(SETASIDE_REWRITTEN, 0);
	assert_int_equal(rescue(0, PACKETS), PACKETS);
	/* Or up to its middle. */
	memcpy(fx.block.bytes + fx.plan.bytes / 2, half + fx.plan.bytes / 2, BLOCK_BYTES - fx.plan.bytes / 2);
	memset(fx.head, 0, sizeof(fx.head));
	free(half);
	set_aside(SETASIDE_REWRITING, 0);
	assert_int_equal(rescue(0, PACKETS), PACKETS);
}

static void a_torn_file_is_refused(void **state)
{
	const struct fancap_recover_options copy = {.mode = FANCAP_RECOVER_COPY}, in_place = {.mode = FANCAP_RECOVER_IN_PLACE};
	struct fancap_recover_result result;
	struct fancap_error err = {""};
	char to[280];

	(void)state;
	set_aside(SETASIDE_AS_RECEIVED, 0);
	snprintf(to, sizeof(to), "%s.pcapng", fx.path);
	assert_true(fancap_recover_file(fx.path, to, &in_place, &result, &err) < 0);
	assert_int_equal(fancap_recover_file(fx.path, fx.own, &copy, &result, &err), 0);
	assert_int_equal(fancap_recover_file(fx.path, fx.own, &copy, &result, &err), -EEXIST);
	assert_int_equal(truncate(fx.path, SETASIDE_HEADER_BYTES + BLOCK_BYTES - 1), 0);
	assert_int_equal(fancap_recover_file(fx.path, to, &copy, &result, &err), -EBADMSG);
	assert_has(err.text, "not a whole block that was set aside");
	assert_int_equal(truncate(fx.path, 100), 0);
	assert_int_equal(fancap_recover_file(fx.path, to, &copy, &result, &err), -EBADMSG);
	assert_int_equal(access(to, F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_block_is_copied_as_it_is),
		TEST(the_newest_of_an_interface_are_kept),
		TEST(a_disk_that_fails_is_said_and_nothing_more),
		TEST(all_packets_of_a_sound_block_are_recovered),
		TEST(what_is_in_a_recording_is_not_recovered_again),
		TEST(slots_that_make_no_sense_are_stepped_over),
		TEST(a_slot_that_leads_nowhere_is_read),
		TEST(a_block_that_is_nothing_but_noise_has_no_packets),
		TEST(a_rewritten_block_is_recovered),
		TEST(a_torn_file_is_refused),
	};

	return cmocka_run_group_tests_name("quarantine", tests, NULL, NULL);
}
