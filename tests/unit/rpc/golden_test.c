/* The bytes of every message and entry as release 0.1 writes them, and reads them for ever (V1, V3). A
 * failure here means that nodes of two builds no longer understand each other: change the code, not
 * the bytes.
 */
#include "rpc/codec.h"
#include "rpc/entries.h"

#include "rpc_test.h"

#include <stdio.h>

static const uint8_t first[RPC_ROW_ID_BYTES] = { [0] = 0x10, [16] = 1 };
static const uint8_t last[RPC_ROW_ID_BYTES] = { [0] = 0x20, [16] = 2 };

static const struct rpc_row_position rows[] = {
	{ .owner = { { 0xa1, [15] = 0xaf } },
	    .stream = RPC_CONTROL,
	    .incarnation = { 3, 0x0102030405060708u },
	    .have = 300,
	    .horizon = 301,
	    .floor = 10,
	    .base = 9,
	    .fingerprint = 0xf1f2f3f4f5f6f7f8u },
	{ .owner = { { 0xa2 } }, .stream = RPC_LOCATIONS, .incarnation = { 1, 1 } },
};

static const struct rpc_entry entries[] = {
	{ .version = 7, .key = BYTES_LIT("omain\0lv1"), .value = BYTES_LIT("\x08\x01") },
	{ .version = 200, .key = BYTES_LIT("r"), .deleted = true },
};

static const struct rpc_row_version versions[] = { { { { 1 } }, RPC_LOCATIONS, { 5, 6 }, 7 } };
static const uint32_t prefixes[] = { 15 };
static const uint64_t sums[RPC_RANGE_FANOUT] = { [0] = 0x0102030405060708, [15] = 1 };

static const struct rpc_session_id sessions[] = { { { 1, [15] = 9 } }, { { 2 } } };

static const struct {
	struct rpc_msg msg;
	const char *hex;
} messages[] = {
	{ { .kind = RPC_HELLO,
	      .hello = { .cluster = BYTES_LIT("demo"),
	          .node = { { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 } },
	          .name = BYTES_LIT("api-1"),
	          .incarnation = { 5, 0x1122334455667788u },
	          .version_min = 1,
	          .version_max = 2,
	          .features = 3,
	          .build = BYTES_LIT("0.1.0"),
	          .rpc_address = BYTES_LIT("127.0.0.1:7000") } },
	    "12500a0464656d6f12100102030405060708090a0b0c0d0e0f101a056170692d31220b080511887766554433"
	    "2211280130023903000000000000004205302e312e304a0e3132372e302e302e313a37303030" },
	{ { .kind = RPC_REFUSAL,
	      .acked_bytes = 1,
	      .refusal = { .reason = RPC_REFUSED_VERSION, .text = BYTES_LIT("no") } },
	    "08011a06080212026e6f" },
	{ { .kind = RPC_BYE, .acked_bytes = 128, .bye = { .reason = 1 } }, "08800122020801" },
	{ { .kind = RPC_HEARTBEAT, .acked_bytes = 0xffffffffffu }, "08ffffffffff1f2a00" },
	{ { .kind = RPC_DIGEST,
	      .digest = { .answer = true,
	          .first = { first, sizeof(first) },
	          .last = { last, sizeof(last) },
	          .rows = rows,
	          .rows_n = 2 } },
	    "327f0801121110000000000000000000000000000000011a1120000000000000000000000000000000022232"
	    "0a10a10000000000000000000000000000af1a0b080311080706050403020120ac0228ad02300a380941f8f7"
	    "f6f5f4f3f2f122210a10a200000000000000000000000000000010021a0b0801110100000000000000" },
	{ { .kind = RPC_ROW_FRAME,
	      .acked_bytes = 9,
	      .row_frame = { .owner = { { 0xb1 } },
	          .stream = RPC_LOCATIONS,
	          .incarnation = { 2, 0xff },
	          .ancestors = { { { 1, 0xfe }, 77 } },
	          .ancestors_n = 1,
	          .from = 6,
	          .to = 200,
	          .horizon = 201,
	          .floor = 5,
	          .reset = true,
	          .repair = true,
	          .entries = entries,
	          .entries_n = 2 } },
	    "08093a5d0a10b100000000000000000000000000000010021a0b080211ff00000000000000220f0a0b080111"
	    "fe00000000000000104d280630c80138c9014005480150015a11080712096f6d61696e006c76311a0208015a"
	    "0808c8011201722001" },
	{ { .kind = RPC_HELLO,
	      .hello = { .cluster = BYTES_LIT("demo"),
	          .node = { { 1 } },
	          .name = BYTES_LIT("a"),
	          .incarnation = { 5, 1 },
	          .version_min = 1,
	          .version_max = 1,
	          .keys = { { "c2", 2 }, { "c1", 2 } },
	          .keys_n = 2,
	          .challenge = { [0] = 0xc1, [31] = 0xcf } } },
	    "12560a0464656d6f1210010000000000000000000000000000001a0161220b08051101000000000000002801"
	    "30015220c1000000000000000000000000000000000000000000000000000000000000cf5a0263325a026331" },
	{ { .kind = RPC_PROOF,
	      .acked_bytes = 3,
	      .proof = { .key = { "c1", 2 }, .mac = { [0] = 0xa1, [31] = 0xaf } } },
	    "08034a260a0263311220a1000000000000000000000000000000000000000000000000000000000000af" },
	{ { .kind = RPC_ANNOUNCE, .announce = { versions, 1 } },
	    "52250a230a100100000000000000000000000000000010021a0b08051106000000000000002007" },
	{ { .kind = RPC_PULL, .pull = { rows, 1 } }, "5a340a320a10a10000000000000000000000000000af1a0b08031108070"
	                                             "6050403020120ac0228ad02300a380941f8f7f6f5f4f3f2f1" },
	{ { .kind = RPC_TREE, .tree = { 1, 2 } }, "6212090100000000000000110200000000000000" },
	{ { .kind = RPC_RANGES,
	      .ranges = { .depth = 1, .prefixes = prefixes, .prefixes_n = 1, .sums = sums, .rows = 3 } },
	    "6a8a0110011a010f228001010203040506070800000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
	    "0000000000000000000000000000000000000000000000000000000000000000000000000000013003" },
	{ { .kind = RPC_RANGES,
	      .ranges = { .answer = true,
	          .depth = 1,
	          .prefixes = prefixes,
	          .prefixes_n = 1,
	          .differ = prefixes } },
	    "6a0a080110011a010f2a010f" },
	{ { .kind = RPC_LEASE_ASK, .lease_ask = { 300, 64 } }, "8a010508ac021040" },
	{ { .kind = RPC_LEASE_GRANT, .lease_grant = { 300, 7, 9, 64, 10000, 5000, 100, 128, 500 } },
	    "92011708ac0210071809204028904e308827386440800148f403" },
	{ { .kind = RPC_LEASE_CLOSE, .lease_close = { 9, 33, 7 } }, "9a0106080910211807" },
	{ { .kind = RPC_WARM,
	      .warm = { .id = { { [0] = 0xaa, [15] = 0xbb } },
	          .origin = BYTES_LIT("main"),
	          .content = BYTES_LIT("lv1") } },
	    "c2021d0a10aa0000000000000000000000000000bb12046d61696e1a036c7631" },
	{ { .kind = RPC_WARM_TOLD,
	      .warm_told = { .id = { { [0] = 0xaa, [15] = 0xbb } },
	          .state = RPC_WARM_RUNNING,
	          .objects = 3,
	          .remaining = 300,
	          .failed = 1,
	          .bytes = 70000,
	          .detail = BYTES_LIT("x") } },
	    "ca02220a10aa0000000000000000000000000000bb1002180320ac02280130f0a2043a0178" },
	{ { .kind = RPC_WATCHED_ASK, .watched_ask = { 300 } }, "d2020308ac02" },
	{ { .kind = RPC_WATCHED_TOLD,
	      .watched_told = { 300, (const uint64_t[]){ 0x0102030405060708, 9 }, (const uint32_t[]){ 300, 1 }, 2,
	          7 } },
	    "da021c08ac021210080706050403020109000000000000001a03ac02012007" },
	{ { .kind = RPC_SESSION_NEWS,
	      .session_news = { .alive = sessions, .alive_n = 2, .ended = sessions + 1, .ended_n = 1 } },
	    "42360a10010000000000000000000000000000090a1002000000000000000000000000000000121002000000"
	    "000000000000000000000000" },
};

static void assert_hex(struct bytes got, const char *want)
{
	char hex[2048];
	assert_in_range(got.n, 0, sizeof(hex) / 2 - 1);
	text_hex(hex, got);
	assert_string_equal(hex, want);
}

static void the_bytes_of_messages(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		struct arena a;
		struct buf out, again;
		struct rpc_msg got;
		arena_init(&a, RPC_ARENA_MAX);
		buf_init(&out, RPC_FRAME_MAX);
		buf_init(&again, RPC_FRAME_MAX);
		assert_int_equal(rpc_encode(&messages[i].msg, &a, &out), OK);
		assert_hex(buf_bytes(&out), messages[i].hex);
		assert_int_equal(rpc_decode(buf_bytes(&out), &a, &got), OK);
		assert_int_equal(got.kind, messages[i].msg.kind);
		assert_int_equal(rpc_encode(&got, &a, &again), OK);
		assert_hex(buf_bytes(&again), messages[i].hex);
		arena_fini(&a);
		buf_fini(&out);
		buf_fini(&again);
	}
}

/* What one side says on a link with names, from its first word on; each message twice. */
static const struct {
	struct rpc_msg msg;
	const char *first, *again;
} conversation[] = {
	{ { .kind = RPC_ANNOUNCE, .announce = { versions, 1 } },
	    "7a290a01021201071a2108011210010000000000000000000000000000001a0b0805110600000000000000",
	    "7a060a0106120107" },
	{ { .kind = RPC_ROW_FRAME,
	      .acked_bytes = 9,
	      .row_frame = { .owner = { { 0xb1 } },
	          .stream = RPC_LOCATIONS,
	          .incarnation = { 2, 0xff },
	          .ancestors = { { { 1, 0xfe }, 77 } },
	          .ancestors_n = 1,
	          .from = 6,
	          .to = 200,
	          .horizon = 201,
	          .floor = 5,
	          .reset = true,
	          .repair = true,
	          .entries = entries,
	          .entries_n = 2 } },
	    "0809725f0802123208021210b10000000000000000000000000000001a0b080211ff00000000000000220f0a"
	    "0b080111fe00000000000000104d18c80120820328023005380140014a0f12096f6d61696e006c76311a0208"
	    "014a0808c0011201722001",
	    "0809722b080a18c80120820328023005380140014a0f12096f6d61696e006c76311a0208014a0808c0011201"
	    "722001" },
	{ { .kind = RPC_ROW_FRAME,
	      .row_frame = { .owner = { { 1 } },
	          .stream = RPC_LOCATIONS,
	          .incarnation = { 5, 6 },
	          .from = 6,
	          .to = 7,
	          .horizon = 7,
	          .entries = entries,
	          .entries_n = 1 } },
	    "7215080618074a0f12096f6d61696e006c76311a020801", "7215080618074a0f12096f6d61696e006c76311a020801" },
	{ { .kind = RPC_PULL, .pull = { rows, 2 } },
	    "82015e0a35122108031210a10000000000000000000000000000af1a0b080311080706050403020118ac0220"
	    "02280a300139f8f7f6f5f4f3f2f10a250802122108041210a20000000000000000000000000000001a0b0801"
	    "110100000000000000",
	    "82011a0a14080c18ac022002280a300139f8f7f6f5f4f3f2f10a020812" },
};

static void the_bytes_of_a_conversation_with_names(void **state)
{
	(void)state;
	struct rpc_names *from = rpc_names_new(RPC_NAMES_MAX), *to = rpc_names_new(0);
	for (size_t i = 0; i < 2 * sizeof(conversation) / sizeof(conversation[0]); i++) {
		struct arena a;
		struct buf out, plain, heard;
		struct rpc_msg got;
		const struct rpc_msg *m = &conversation[i / 2].msg;
		arena_init(&a, RPC_ARENA_MAX);
		buf_init(&out, RPC_FRAME_MAX);
		buf_init(&plain, RPC_FRAME_MAX);
		buf_init(&heard, RPC_FRAME_MAX);
		assert_int_equal(rpc_encode_named(m, from, &a, &out), OK);
		rpc_names_said(from);
		assert_hex(buf_bytes(&out), i % 2 == 0 ? conversation[i / 2].first : conversation[i / 2].again);
		assert_int_equal(rpc_decode_named(buf_bytes(&out), to, &a, &got), OK);
		assert_int_equal(rpc_encode(m, &a, &plain), OK);
		assert_int_equal(rpc_encode(&got, &a, &heard), OK);
		assert_bytes_equal(buf_bytes(&heard), buf_bytes(&plain));
		arena_fini(&a);
		buf_fini(&out);
		buf_fini(&plain);
		buf_fini(&heard);
	}
	rpc_names_free(from);
	rpc_names_free(to);
}

static void the_bytes_of_entries(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, RPC_VALUE_MAX);
	struct bytes url = BYTES_LIT("http://127.0.0.3:8080");
	struct rpc_register r = {
		.name = BYTES_LIT("delivery-1"),
		.zone = BYTES_LIT("a"),
		.roles = RPC_ROLE_DELIVERY | RPC_ROLE_INGEST,
		.state = NODE_READY,
		.rpc_address = BYTES_LIT("127.0.0.3:7000"),
		.http_urls = &url,
		.http_urls_n = 1,
		.api_url = BYTES_LIT("http://api"),
		.build = BYTES_LIT("0.1.0"),
		.version_min = 1,
		.version_max = 1,
		.features = 1,
		.life = 2,
		.capacity_sessions = 5000,
		.capacity_mbps = 9000,
	};
	assert_int_equal(rpc_encode_register(&r, &out), OK);
	assert_hex(buf_bytes(&out),
	    "0a0a64656c69766572792d31120161180620022a0e3132372e302e302e333a373030303215687474703a2f2f"
	    "3132372e302e302e333a383038303a0a687474703a2f2f6170694205302e312e304801500159010000000000"
	    "0000600268882770a846");
	buf_clear(&out);
	struct rpc_load l = {
		.sessions = 300, .egress_mbps = 2, .hit_permille = 999, .cached_bytes = 1ull << 40
	};
	assert_int_equal(rpc_encode_load(&l, &out), OK);
	assert_hex(buf_bytes(&out), "08ac02100218e70720808080808020");
	buf_clear(&out);
	l.miss_permille = 1;
	l.evict_age_s = 300;
	assert_int_equal(rpc_encode_load(&l, &out), OK);
	assert_hex(buf_bytes(&out), "08ac02100218e70720808080808020280130ac02");
	buf_clear(&out);
	l.copies_left = 5;
	l.copies_failed = 1;
	assert_int_equal(rpc_encode_load(&l, &out), OK);
	assert_hex(buf_bytes(&out), "08ac02100218e70720808080808020280130ac0240054801");
	buf_clear(&out);
	struct rpc_location o = {
		.bytes = 1 << 20, .objects = 12, .share_permille = 500, .entry = BYTES_LIT("master.m3u8")
	};
	assert_int_equal(rpc_encode_location(&o, &out), OK);
	assert_hex(buf_bytes(&out), "08808040100c18f403220b6d61737465722e6d337538");
	buf_clear(&out);
	o.kbps = 4500;
	assert_int_equal(rpc_encode_location(&o, &out), OK);
	assert_hex(buf_bytes(&out), "08808040100c18f403220b6d61737465722e6d337538289423");
	buf_fini(&out);
}

static void the_bytes_of_orders(void **state)
{
	(void)state;
	struct buf out;
	buf_init(&out, RPC_VALUE_MAX);
	struct rpc_command c = { .at = { 0x0102030405060708, 9 },
		.kind = RPC_COMMAND_PURGE,
		.subject = BYTES_LIT("lv1"),
		.issuer = { { 0xa1 } } };
	assert_int_equal(rpc_encode_command(&c, &out), OK);
	assert_hex(buf_bytes(&out), "090807060504030201100918012203"
	                            "6c7631"
	                            "2a10a1000000000000000000000000000000");
	buf_clear(&out);
	c.by = BYTES_LIT("ann@ops");
	c.drained_ms = 7;
	c.drained_by = BYTES_LIT("bob");
	assert_int_equal(rpc_encode_command(&c, &out), OK);
	assert_hex(buf_bytes(&out), "090807060504030201100918012203"
	                            "6c7631"
	                            "2a10a1000000000000000000000000000000"
	                            "3207616e6e406f7073"
	                            "390700000000000000"
	                            "4203626f62");
	buf_fini(&out);
}

/* A kind without recorded bytes has no seed for the fuzzer either. */
static void every_kind_is_here(void **state)
{
	(void)state;
	for (enum rpc_kind k = RPC_UNKNOWN + 1; strcmp(rpc_kind_str(k), "unknown") != 0; k++) {
		bool here = false;
		for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
			here = here || messages[i].msg.kind == k;
		if (!here)
			fail_msg("no message of kind '%s'", rpc_kind_str(k));
	}
}

/* The messages as files of that folder, which the fuzzer starts from; how many could not be written. */
static int write_seeds(const char *folder)
{
	int failed = 0;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		struct arena a;
		struct buf out;
		char path[512];
		arena_init(&a, RPC_ARENA_MAX);
		buf_init(&out, RPC_FRAME_MAX);
		unsigned nth = 1;
		for (size_t j = 0; j < i; j++)
			nth += messages[j].msg.kind == messages[i].msg.kind;
		snprintf(path, sizeof(path), "%s/golden_%s_%u", folder, rpc_kind_str(messages[i].msg.kind), nth);
		enum err e = rpc_encode(&messages[i].msg, &a, &out);
		FILE *f = e == OK ? fopen(path, "wb") : NULL;
		bool written = f != NULL && fwrite(out.p, 1, out.n, f) == out.n;
		if (f != NULL && fclose(f) != 0)
			written = false;
		failed += !written;
		arena_fini(&a);
		buf_fini(&out);
	}
	return failed;
}

/* The conversation as one file of that folder: each frame behind its length in two bytes. */
static int write_conversation(const char *folder)
{
	char path[512];
	struct arena a;
	struct buf out, all;
	struct rpc_names *from = rpc_names_new(RPC_NAMES_MAX);
	arena_init(&a, RPC_ARENA_MAX);
	buf_init(&out, RPC_FRAME_MAX);
	buf_init(&all, RPC_FRAME_MAX);
	for (size_t i = 0; i < 2 * sizeof(conversation) / sizeof(conversation[0]); i++) {
		buf_clear(&out);
		if (rpc_encode_named(&conversation[i / 2].msg, from, &a, &out) != OK)
			return 1;
		rpc_names_said(from);
		buf_put_u8(&all, (uint8_t)(out.n >> 8));
		buf_put_u8(&all, (uint8_t)out.n);
		buf_put_bytes(&all, buf_bytes(&out));
	}
	snprintf(path, sizeof(path), "%s/golden_conversation", folder);
	FILE *f = fopen(path, "wb");
	bool written = f != NULL && fwrite(all.p, 1, all.n, f) == all.n;
	if (f != NULL && fclose(f) != 0)
		written = false;
	rpc_names_free(from);
	arena_fini(&a);
	buf_fini(&out);
	buf_fini(&all);
	return written ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
		return write_seeds(argv[2]);
	if (argc == 3 && strcmp(argv[1], "--conversation") == 0)
		return write_conversation(argv[2]);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_bytes_of_messages),
		cmocka_unit_test(the_bytes_of_a_conversation_with_names),
		cmocka_unit_test(the_bytes_of_entries),
		cmocka_unit_test(the_bytes_of_orders),
		cmocka_unit_test(every_kind_is_here),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
