/* Names of rows on one link: what is said in numbers means what was meant, whatever was said before. */
#include "rpc/codec.h"

#include "rpc_test.h"

#include "base/prng.h"

enum { FEW = 4 };

/* One direction of a link: the names of the two ends. */
struct wire {
	struct rpc_names *from, *to;
	struct arena arena;
	struct buf frame, meant, heard;
	struct rpc_msg got;
};

static void start(struct wire *w, size_t max)
{
	w->from = rpc_names_new(max);
	w->to = rpc_names_new(0);
}

static void stop(struct wire *w)
{
	rpc_names_free(w->from);
	rpc_names_free(w->to);
}

static int setup(void **state)
{
	struct wire *w = calloc(1, sizeof(*w));
	arena_init(&w->arena, 4 * RPC_ARENA_MAX);
	buf_init(&w->frame, RPC_FRAME_MAX);
	buf_init(&w->meant, RPC_FRAME_MAX);
	buf_init(&w->heard, RPC_FRAME_MAX);
	start(w, FEW);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct wire *w = *state;
	stop(w);
	arena_fini(&w->arena);
	buf_fini(&w->frame);
	buf_fini(&w->meant);
	buf_fini(&w->heard);
	free(w);
	return 0;
}

/* Its bytes, not yet on their way. */
static size_t say(struct wire *w, const struct rpc_msg *m)
{
	arena_reset(&w->arena);
	buf_clear(&w->frame);
	assert_int_equal(rpc_encode_named(m, w->from, &w->arena, &w->frame), OK);
	return w->frame.n;
}

/* What is heard is what was meant, to the byte of its plain form. */
static size_t pass(struct wire *w, const struct rpc_msg *m)
{
	size_t n = say(w, m);
	rpc_names_said(w->from);
	assert_int_equal(rpc_decode_named(buf_bytes(&w->frame), w->to, &w->arena, &w->got), OK);
	assert_int_equal(w->got.kind, m->kind);
	buf_clear(&w->meant);
	buf_clear(&w->heard);
	assert_int_equal(rpc_encode(m, &w->arena, &w->meant), OK);
	assert_int_equal(rpc_encode(&w->got, &w->arena, &w->heard), OK);
	assert_bytes_equal(buf_bytes(&w->heard), buf_bytes(&w->meant));
	return n;
}

static struct rpc_msg frame_about(uint8_t owner, size_t ancestors_n)
{
	static const struct rpc_entry entry = {
		.version = 300, .key = BYTES_LIT("olive\0c1"), .value = BYTES_LIT("\x08\x01")
	};
	return (struct rpc_msg){ .kind = RPC_ROW_FRAME,
		.row_frame = { .owner = test_id(owner),
		    .stream = RPC_LOCATIONS,
		    .incarnation = { 2, 0x1122334455667700u + owner },
		    .ancestors = { { { 1, 7 }, 77 }, { { 0, 6 }, 5 } },
		    .ancestors_n = ancestors_n,
		    .from = 299,
		    .to = 300,
		    .horizon = 300,
		    .entries = &entry,
		    .entries_n = 1 } };
}

static struct rpc_row_version version_of(uint8_t owner)
{
	return (struct rpc_row_version){ test_id(owner), RPC_LOCATIONS, { 2, owner }, 40 };
}

/* An announcement about the rows of those owners. */
static struct rpc_msg announce_of(const char *owners)
{
	static struct rpc_row_version rows[64];
	size_t n = strlen(owners);
	for (size_t i = 0; i < n; i++)
		rows[i] = version_of((uint8_t)owners[i]);
	return (struct rpc_msg){ .kind = RPC_ANNOUNCE, .announce = { rows, n } };
}

static void a_name_is_said_once(void **state)
{
	struct wire *w = *state;
	struct rpc_msg m = frame_about(1, 0);
	buf_clear(&w->meant);
	assert_int_equal(rpc_encode(&m, &w->arena, &w->meant), OK);
	size_t plain = w->meant.n, first = pass(w, &m), again = pass(w, &m);
	assert_in_range(first, again + 30, plain);
	/* Number and version; the entry's key and value; tags and lengths. */
	assert_int_equal(again, 2 + 2 + 3 + 2 + (2 + 8) + (2 + 2));
	assert_int_equal(pass(w, &m), again);
	/* Another stream of the owner has the same name. */
	m.row_frame.stream = RPC_LOAD;
	assert_int_equal(pass(w, &m), again);
	/* Another run is another name. */
	m.row_frame.incarnation.count++;
	assert_in_range(pass(w, &m), again + 30, plain);
}

static void ancestors_are_of_the_name(void **state)
{
	struct wire *w = *state;
	struct rpc_msg none = frame_about(1, 0), one = frame_about(1, 1), two = frame_about(1, 2);
	size_t n = pass(w, &none);
	assert_true(pass(w, &two) > n + 30);
	assert_true(pass(w, &two) < n);
	assert_true(pass(w, &one) > n);
	one.row_frame.ancestors[0].version++;
	assert_true(pass(w, &one) > n);
	one.row_frame.ancestors[0].incarnation.nonce++;
	assert_true(pass(w, &one) > n);
	assert_true(pass(w, &two) < n);
}

/* Whatever a core may say of a row, consecutive or not. */
static void any_numbers_come_through(void **state)
{
	struct wire *w = *state;
	static const uint64_t horizons[] = { 0, 299, 300, 301, UINT64_MAX };
	for (size_t i = 0; i < sizeof(horizons) / sizeof(horizons[0]); i++) {
		struct rpc_msg m = frame_about(1, 0);
		m.row_frame.horizon = horizons[i];
		m.row_frame.floor = horizons[i];
		m.row_frame.reset = i % 2 == 0;
		m.row_frame.repair = !m.row_frame.reset;
		m.acked_bytes = i;
		pass(w, &m);
	}
	struct rpc_entry e[3] = { { .version = 1, .key = BYTES_LIT("a") },
		{ .version = 9, .key = BYTES_LIT("b"), .deleted = true },
		{ .version = UINT64_MAX, .key = BYTES_LIT("c"), .value = BYTES_LIT("v") } };
	struct rpc_msg m = frame_about(1, 0);
	m.row_frame.entries = e;
	m.row_frame.entries_n = 3;
	m.row_frame.from = 0;
	m.row_frame.to = m.row_frame.horizon = UINT64_MAX;
	pass(w, &m);
	m = frame_about(1, 0);
	m.row_frame.entries_n = 0;
	pass(w, &m);
	m.row_frame.from = m.row_frame.to;
	pass(w, &m);
	struct rpc_row_position rows[2] = { { .owner = test_id(1),
		                                    .stream = RPC_CONTROL,
		                                    .incarnation = { 1, 2 },
		                                    .have = 5,
		                                    .horizon = 4,
		                                    .floor = 3,
		                                    .base = UINT64_MAX,
		                                    .fingerprint = 7 },
		{ .owner = test_id(2), .stream = RPC_LOAD, .incarnation = { 1, 2 }, .floor = UINT64_MAX } };
	m = (struct rpc_msg){ .kind = RPC_PULL, .pull = { rows, 2 } };
	size_t first = pass(w, &m);
	assert_true(pass(w, &m) + 2 * 28 <= first);
}

static void the_oldest_number_is_given_anew(void **state)
{
	struct wire *w = *state;
	size_t named = 0;
	for (int round = 0; round < 3; round++) {
		for (uint8_t owner = 1; owner <= FEW + 1; owner++) {
			struct rpc_msg m = frame_about(owner, 0);
			size_t n = pass(w, &m);
			assert_true(named == 0 || n == named); /* each was displaced by the others */
			named = n;
			assert_true(pass(w, &m) < named);
		}
	}
}

/* A number that the message itself gives to another name is no good to mention the former one by. */
static void within_a_message_numbers_change_hands(void **state)
{
	struct wire *w = *state;
	static const char *const rounds[] = { "abcd", "eabcd", "ax", "xxyyzz", "abcdefghij", "jihgfedcba", "dcba",
		"aaaaaaa", "" };
	for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
		struct rpc_msg m = announce_of(rounds[i]);
		pass(w, &m);
		assert_int_equal(w->got.announce.rows_n, strlen(rounds[i]));
	}
	/* Nothing new: numbers only, but for those that FEW do not hold. */
	struct rpc_msg few = announce_of("pqrs");
	pass(w, &few);
	assert_int_equal(pass(w, &few), 2 + 2 + 4 + 2 + 4);
}

static void any_conversation_comes_through(void **state)
{
	struct wire *w = *state;
	struct prng prng;
	prng_init(&prng, 5);
	for (size_t max = 0; max < 20; max++) {
		stop(w);
		start(w, max);
		for (int i = 0; i < 500; i++) {
			char owners[21] = { 0 };
			for (size_t j = 0, n = prng_below(&prng, sizeof(owners)); j < n; j++)
				owners[j] = (char)(1 + prng_below(&prng, 25));
			struct rpc_msg m = announce_of(owners);
			if (prng_chance(&prng, 500))
				m = frame_about((uint8_t)prng_below(&prng, 25), prng_below(&prng, 3));
			if (prng_chance(&prng, 200))
				say(w, &m); /* and the stream did not take it */
			else
				pass(w, &m);
		}
	}
}

static void a_send_that_was_refused_named_nothing(void **state)
{
	struct wire *w = *state;
	struct rpc_msg first = frame_about(1, 0), second = frame_about(2, 0), both = announce_of("ab");
	size_t n = say(w, &first);
	assert_int_equal(say(w, &first), n);
	assert_true(say(w, &both) > n);
	/* The numbers of those go to what is sent. */
	pass(w, &second);
	assert_int_equal(pass(w, &first), n);
	assert_true(pass(w, &first) < n);
	assert_true(pass(w, &second) < n);
	/* A message without a form of its own says nothing of the one before it. */
	struct rpc_msg third = frame_about(3, 0), beat = { .kind = RPC_HEARTBEAT };
	say(w, &third);
	pass(w, &beat);
	assert_int_equal(pass(w, &third), n);
}

static void a_message_too_big_named_nothing(void **state)
{
	struct wire *w = *state;
	static uint8_t big[RPC_VALUE_MAX];
	struct rpc_entry e[8];
	for (size_t i = 0; i < 8; i++)
		e[i] = (struct rpc_entry){
			.version = i + 1, .key = BYTES_LIT("k"), .value = bytes_of(big, sizeof(big))
		};
	struct rpc_msg m = frame_about(1, 0);
	m.row_frame.from = 0;
	m.row_frame.entries = e;
	m.row_frame.entries_n = 8;
	buf_clear(&w->frame);
	assert_int_equal(rpc_encode_named(&m, w->from, &w->arena, &w->frame), ERR_TOO_BIG);
	assert_int_equal(w->frame.n, 0);
	struct rpc_msg small = frame_about(1, 0);
	pass(w, &small);
}

static void the_largest_messages_fit(void **state)
{
	struct wire *w = *state;
	static struct rpc_row_version rows[RPC_ANNOUNCE_ROWS_MAX];
	static struct rpc_row_position positions[RPC_PULL_ROWS_MAX];
	stop(w);
	start(w, RPC_NAMES_MAX);
	for (uint64_t round = 0; round < 10; round++) {
		for (size_t i = 0; i < RPC_ANNOUNCE_ROWS_MAX; i++) {
			rows[i] = (struct rpc_row_version){ test_id((uint8_t)i), RPC_LOCATIONS,
				{ UINT64_MAX, i + (round << 32) }, UINT64_MAX };
		}
		struct rpc_msg m = {
			.kind = RPC_ANNOUNCE, .acked_bytes = UINT64_MAX, .announce = { rows, RPC_ANNOUNCE_ROWS_MAX }
		};
		arena_fini(&w->arena);
		arena_init(&w->arena, RPC_ARENA_MAX);
		pass(w, &m);
	}
	for (size_t i = 0; i < RPC_PULL_ROWS_MAX; i++)
		positions[i] = (struct rpc_row_position){ .owner = test_id((uint8_t)i), .have = UINT64_MAX };
	struct rpc_msg m = { .kind = RPC_PULL, .pull = { positions, RPC_PULL_ROWS_MAX } };
	pass(w, &m);
}

static enum err hear(struct wire *w, const char *hex)
{
	char packed[512];
	uint8_t raw[256];
	size_t n = 0;
	for (; *hex != '\0'; hex++) {
		if (*hex != ' ')
			packed[n++] = *hex;
	}
	assert_int_equal(text_unhex(raw, bytes_of(packed, n)), OK);
	arena_reset(&w->arena);
	return rpc_decode_named(bytes_of(raw, n / 2), w->to, &w->arena, &w->got);
}

#define OWNER "12 10 01000000000000000000000000000002 "
#define RUN "1a 0b 0801 110300000000000000 "

static void nonsense_is_refused(void **state)
{
	struct wire *w = *state;
	assert_int_equal(hear(w, "72 04 0804 1801"), ERR_INVALID);         /* a frame by number 1, never named */
	assert_int_equal(hear(w, "7a 06 0a0104 120105"), ERR_INVALID);     /* an announcement by it */
	assert_int_equal(hear(w, "8201 04 0a02 0804"), ERR_INVALID);       /* a pull by it */
	assert_int_equal(hear(w, "72 02 1801"), ERR_INVALID);              /* neither number nor name */
	assert_int_equal(hear(w, "72 08 08fcffffff0f 1801"), ERR_INVALID); /* the highest number there is */
	/* Named 1, and then meant by it; named 2 by the way. */
	assert_int_equal(hear(w, "72 25 12 21 0801" OWNER RUN "1801"), OK);
	assert_int_equal(hear(w, "72 04 0804 1801"), OK);
	assert_int_equal(
	    hear(w, "7a 29 0a0104 120105 1a 21 0802" OWNER RUN), ERR_INVALID); /* no row is meant by it */
	assert_int_equal(hear(w, "72 27 0804 12 21 0801" OWNER RUN "1801"), ERR_INVALID); /* twice */
	assert_int_equal(hear(w, "7a 05 0a0104 1200"), ERR_INVALID);                   /* a row without `have` */
	assert_int_equal(hear(w, "7a 07 0a0104 12020505"), ERR_INVALID);               /* one too many */
	assert_int_equal(hear(w, "72 16 12 12" OWNER "1801"), ERR_INVALID);            /* no incarnation */
	assert_int_equal(hear(w, "72 11 12 0d" RUN "1801"), ERR_INVALID);              /* no owner */
	assert_int_equal(hear(w, "72 26 12 22 088020" OWNER RUN "1801"), OK);          /* number 4096 */
	assert_int_equal(hear(w, "72 26 12 22 088120" OWNER RUN "1801"), ERR_INVALID); /* number 4097 */
	assert_int_equal(hear(w, "72 23 12 1f" OWNER RUN "1801"), OK);                 /* no number at all */
	/* Its versions wrap around. */
	assert_int_equal(hear(w, "72 04 0804 2001"), OK);
	assert_int_equal(hear(w, "72 04 0804 2004"), ERR_INVALID);
}

static void what_a_newer_peer_says_is_left_out(void **state)
{
	struct wire *w = *state;
	/* A stream that this build does not know: its name holds, its rows are skipped (V1). */
	assert_int_equal(hear(w, "72 27 0803 12 21 0801" OWNER RUN "1801"), OK);
	assert_int_equal(w->got.kind, RPC_UNKNOWN);
	assert_int_equal(hear(w, "7a 08 0a020704 12020506"), OK);
	assert_int_equal(w->got.kind, RPC_ANNOUNCE);
	assert_int_equal(w->got.announce.rows_n, 1);
	assert_int_equal(w->got.announce.rows[0].have, 6);
	assert_int_equal(w->got.announce.rows[0].stream, RPC_CONTROL);
	assert_int_equal(hear(w, "8201 08 0a02 0807 0a02 0805"), OK);
	assert_int_equal(w->got.pull.rows_n, 1);
	assert_int_equal(w->got.pull.rows[0].stream, RPC_LOAD);
	/* Fields that it does not know are ignored. */
	assert_int_equal(hear(w, "72 07 0804 1801 f80101"), OK);
}

static void without_the_feature_nothing_is_named(void **state)
{
	struct wire *w = *state;
	struct rpc_msg m = frame_about(1, 2);
	buf_clear(&w->frame);
	buf_clear(&w->meant);
	assert_int_equal(rpc_encode(&m, &w->arena, &w->meant), OK);
	assert_int_equal(rpc_encode_named(&m, NULL, &w->arena, &w->frame), OK);
	assert_bytes_equal(buf_bytes(&w->frame), buf_bytes(&w->meant));
	/* Plain forms are understood on any link. */
	assert_int_equal(rpc_decode_named(buf_bytes(&w->frame), w->to, &w->arena, &w->got), OK);
	assert_int_equal(w->got.kind, RPC_ROW_FRAME);
	say(w, &m);
	assert_int_equal(rpc_decode(buf_bytes(&w->frame), &w->arena, &w->got), ERR_INVALID);
	rpc_names_said(NULL);
	rpc_names_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_name_is_said_once, setup, teardown),
		cmocka_unit_test_setup_teardown(ancestors_are_of_the_name, setup, teardown),
		cmocka_unit_test_setup_teardown(any_numbers_come_through, setup, teardown),
		cmocka_unit_test_setup_teardown(the_oldest_number_is_given_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(within_a_message_numbers_change_hands, setup, teardown),
		cmocka_unit_test_setup_teardown(any_conversation_comes_through, setup, teardown),
		cmocka_unit_test_setup_teardown(a_send_that_was_refused_named_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_message_too_big_named_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(the_largest_messages_fit, setup, teardown),
		cmocka_unit_test_setup_teardown(nonsense_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_newer_peer_says_is_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(without_the_feature_nothing_is_named, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
