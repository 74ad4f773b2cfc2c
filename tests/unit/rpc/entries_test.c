#include "rpc/entries.h"

#include "rpc_test.h"

struct box {
	struct arena arena;
	struct buf out;
};

static int setup(void **state)
{
	struct box *b = calloc(1, sizeof(*b));
	arena_init(&b->arena, RPC_ARENA_MAX);
	buf_init(&b->out, RPC_VALUE_MAX);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct box *b = *state;
	arena_fini(&b->arena);
	buf_fini(&b->out);
	free(b);
	return 0;
}

static const struct bytes URLS[] = { BYTES_LIT("http://127.0.0.3:8080"), BYTES_LIT("http://[::1]:8080") };

static struct rpc_register sample(void)
{
	return (struct rpc_register){
		.name = BYTES_LIT("delivery-1"),
		.zone = BYTES_LIT("a"),
		.roles = RPC_ROLE_DELIVERY | RPC_ROLE_API,
		.state = NODE_DRAINING,
		.rpc_address = BYTES_LIT("127.0.0.3:7000"),
		.http_urls = URLS,
		.http_urls_n = 2,
		.api_url = BYTES_LIT("http://api"),
		.build = BYTES_LIT("0.1.0"),
		.version_min = 1,
		.version_max = 2,
		.features = UINT64_MAX,
		.life = 4,
		.capacity_sessions = 5000,
		.capacity_mbps = 9000,
	};
}

static void a_register_comes_back(void **state)
{
	struct box *b = *state;
	struct rpc_register r = sample(), got;
	assert_int_equal(rpc_encode_register(&r, &b->out), OK);
	assert_int_equal(rpc_decode_register(buf_bytes(&b->out), &b->arena, &got), OK);
	assert_bytes_equal(got.name, r.name);
	assert_bytes_equal(got.zone, r.zone);
	assert_int_equal(got.roles, 3);
	assert_int_equal(got.state, NODE_DRAINING);
	assert_bytes_equal(got.rpc_address, r.rpc_address);
	assert_int_equal(got.http_urls_n, 2);
	assert_bytes_equal(got.http_urls[0], r.http_urls[0]);
	assert_bytes_equal(got.http_urls[1], r.http_urls[1]);
	assert_bytes_equal(got.api_url, r.api_url);
	assert_bytes_equal(got.build, r.build);
	assert_int_equal(got.version_min, 1);
	assert_int_equal(got.version_max, 2);
	assert_true(got.features == UINT64_MAX);
	assert_int_equal(got.life, 4);
	assert_int_equal(got.capacity_sessions, 5000);
	assert_int_equal(got.capacity_mbps, 9000);
}

static void the_largest_register_fits_a_value(void **state)
{
	struct box *b = *state;
	static char text[RPC_ADDRESS_MAX + 1];
	memset(text, 'x', sizeof(text));
	struct rpc_register r = sample(), got;
	r.name = r.zone = r.build = bytes_of(text, RPC_NAME_MAX);
	r.rpc_address = r.api_url = bytes_of(text, RPC_ADDRESS_MAX);
	struct bytes urls[RPC_URLS_MAX];
	for (size_t i = 0; i < RPC_URLS_MAX; i++)
		urls[i] = bytes_of(text, RPC_ADDRESS_MAX);
	r.http_urls = urls;
	r.http_urls_n = RPC_URLS_MAX;
	assert_int_equal(rpc_encode_register(&r, &b->out), OK);
	assert_int_equal(rpc_decode_register(buf_bytes(&b->out), &b->arena, &got), OK);
	assert_int_equal(got.http_urls_n, RPC_URLS_MAX);
	size_t n = b->out.n;
	r.http_urls_n++;
	assert_int_equal(rpc_encode_register(&r, &b->out), ERR_TOO_BIG);
	r.http_urls_n = 1;
	urls[0].n++;
	assert_int_equal(rpc_encode_register(&r, &b->out), ERR_TOO_BIG);
	r = sample();
	r.name = BYTES_NONE;
	assert_int_equal(rpc_encode_register(&r, &b->out), ERR_INVALID);
	r = sample();
	r.state = (enum node_state)0;
	assert_int_equal(rpc_encode_register(&r, &b->out), ERR_INVALID);
	r = sample();
	r.zone = BYTES_LIT("\xff");
	assert_int_equal(rpc_encode_register(&r, &b->out), ERR_INVALID);
	assert_int_equal(b->out.n, n);
}

static enum err decode_register(struct box *b, const char *hex, struct rpc_register *r)
{
	uint8_t raw[256];
	assert_int_equal(text_unhex(raw, bytes_str(hex)), OK);
	return rpc_decode_register(bytes_of(raw, strlen(hex) / 2), &b->arena, r);
}

static void a_newer_register_is_understood(void **state)
{
	struct box *b = *state;
	struct rpc_register r;
	/* Name "n", state 9, and fields 100 and 101. */
	assert_int_equal(decode_register(b, "0a016e2009a00607aa0602ffff", &r), OK);
	assert_bytes_equal(r.name, BYTES_LIT("n"));
	assert_int_equal(r.state, NODE_JOINING);
	assert_int_equal(decode_register(b, "0a016e2003", &r), OK);
	assert_int_equal(r.state, NODE_DRAINING);
}

static void what_is_no_register(void **state)
{
	struct box *b = *state;
	struct rpc_register r = { .life = 42 };
	assert_int_equal(decode_register(b, "", &r), ERR_INVALID);
	assert_int_equal(decode_register(b, "0a026e", &r), ERR_INVALID);
	assert_int_equal(decode_register(b, "0a02ff6e", &r), ERR_INVALID);
	assert_int_equal(decode_register(b, "0a026e00", &r), ERR_INVALID);
	assert_int_equal(decode_register(b,
	                     "0a016e"
	                     "320161320161320161320161320161320161320161320161320161",
	                     &r),
	    ERR_TOO_BIG);
	static uint8_t big[RPC_VALUE_MAX + 1];
	assert_int_equal(rpc_decode_register(bytes_of(big, sizeof(big)), &b->arena, &r), ERR_TOO_BIG);
	assert_int_equal(r.life, 42);
}

static void load(void **state)
{
	struct box *b = *state;
	struct rpc_load l = { .sessions = 1,
		.egress_mbps = UINT32_MAX,
		.hit_permille = 999,
		.cached_bytes = UINT64_MAX,
		.reckoned_mbps = 70 },
	                got;
	assert_int_equal(rpc_encode_load(&l, &b->out), OK);
	assert_int_equal(rpc_decode_load(buf_bytes(&b->out), &b->arena, &got), OK);
	assert_int_equal(got.sessions, 1);
	assert_int_equal(got.egress_mbps, UINT32_MAX);
	assert_int_equal(got.hit_permille, 999);
	assert_true(got.cached_bytes == UINT64_MAX);
	assert_int_equal(got.reckoned_mbps, 70);
	assert_int_equal(rpc_decode_load(BYTES_LIT("\x08"), &b->arena, &got), ERR_INVALID);
	assert_int_equal(rpc_decode_load(BYTES_NONE, &b->arena, &got), OK);
	assert_int_equal(got.sessions, 0);
}

static void location(void **state)
{
	struct box *b = *state;
	static char name[RPC_ENTRY_NAME_MAX + 1];
	memset(name, 'e', sizeof(name));
	struct rpc_location l = { .bytes = 1u << 30,
		.objects = 3,
		.share_permille = 1000,
		.entry = bytes_of(name, RPC_ENTRY_NAME_MAX),
		.kbps = 4500 },
	                    got;
	assert_int_equal(rpc_encode_location(&l, &b->out), OK);
	assert_int_equal(rpc_decode_location(buf_bytes(&b->out), &b->arena, &got), OK);
	assert_int_equal(got.bytes, 1u << 30);
	assert_int_equal(got.objects, 3);
	assert_int_equal(got.share_permille, 1000);
	assert_int_equal(got.kbps, 4500);
	assert_bytes_equal(got.entry, l.entry);
	l.entry.n++;
	assert_int_equal(rpc_encode_location(&l, &b->out), ERR_TOO_BIG);
	l.entry = BYTES_LIT("a\0b");
	assert_int_equal(rpc_encode_location(&l, &b->out), ERR_INVALID);
	assert_int_equal(rpc_decode_location(BYTES_LIT("\x22\x01\xff"), &b->arena, &got), ERR_INVALID);
}

static void location_keys(void **state)
{
	(void)state;
	uint8_t key[RPC_KEY_MAX];
	size_t n = 0;
	struct bytes origin, content;
	assert_int_equal(rpc_location_key(BYTES_LIT("main"), BYTES_LIT("a/b"), key, &n), OK);
	assert_bytes_equal(bytes_of(key, n), BYTES_LIT("omain\0a/b"));
	assert_int_equal(rpc_location_key_split(bytes_of(key, n), &origin, &content), OK);
	assert_bytes_equal(origin, BYTES_LIT("main"));
	assert_bytes_equal(content, BYTES_LIT("a/b"));

	static uint8_t big[RPC_KEY_MAX];
	memset(big, 'c', sizeof(big));
	assert_int_equal(rpc_location_key(BYTES_LIT("main"), bytes_of(big, RPC_KEY_MAX - 6), key, &n), OK);
	assert_int_equal(n, RPC_KEY_MAX);
	assert_int_equal(
	    rpc_location_key(BYTES_LIT("main"), bytes_of(big, RPC_KEY_MAX - 5), key, &n), ERR_TOO_BIG);
	assert_int_equal(rpc_location_key(bytes_of(big, sizeof(big)), BYTES_LIT("c"), key, &n), ERR_TOO_BIG);
	assert_int_equal(rpc_location_key(BYTES_NONE, BYTES_LIT("c"), key, &n), ERR_INVALID);
	assert_int_equal(rpc_location_key(BYTES_LIT("m"), BYTES_NONE, key, &n), ERR_INVALID);
	assert_int_equal(rpc_location_key(BYTES_LIT("m\0n"), BYTES_LIT("c"), key, &n), ERR_INVALID);

	static const struct bytes bad[] = { { NULL, 0 }, BYTES_LIT("o"), BYTES_LIT("omain"), BYTES_LIT("omain\0"),
		BYTES_LIT("o\0c"), BYTES_LIT("xmain\0c"), BYTES_LIT("r") };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(rpc_location_key_split(bad[i], &origin, &content), ERR_INVALID);
}

static void claims(void **state)
{
	struct box *b = *state;
	struct rpc_claim c = { { 7, UINT64_MAX }, 3, true }, got;
	assert_int_equal(rpc_encode_claim(&c, &b->out), OK);
	assert_int_equal(rpc_decode_claim(buf_bytes(&b->out), &b->arena, &got), OK);
	assert_int_equal(incarnation_cmp(got.incarnation, c.incarnation), 0);
	assert_int_equal(got.life, 3);
	assert_int_equal(rpc_decode_claim(BYTES_LIT("\xff"), &b->arena, &got), ERR_INVALID);

	struct node_id on = { { 1, 2, [15] = 9 } }, back;
	uint8_t key[RPC_CLAIM_KEY_BYTES];
	rpc_claim_key(&on, key);
	assert_true(rpc_claim_key_split(bytes_of(key, sizeof(key)), &back));
	assert_true(node_id_eq(&on, &back));
	assert_false(rpc_claim_key_split(bytes_of(key, sizeof(key) - 1), &back));
	assert_false(rpc_claim_key_split(RPC_KEY_REGISTER, &back));
}

static void probe(void **state)
{
	struct box *b = *state;
	static uint8_t filler[RPC_PROBE_FILLER_MAX + 1];
	memset(filler, 0xff, sizeof(filler)); /* bytes, no text */
	struct rpc_probe p = { UINT64_MAX, 1u << 31, bytes_of(filler, RPC_PROBE_FILLER_MAX) }, got;
	assert_int_equal(rpc_encode_probe(&p, &b->out), OK);
	assert_int_equal(rpc_decode_probe(buf_bytes(&b->out), &b->arena, &got), OK);
	assert_true(got.wall_us == UINT64_MAX);
	assert_int_equal(got.number, 1u << 31);
	assert_bytes_equal(got.filler, p.filler);
	p.filler.n++;
	assert_int_equal(rpc_encode_probe(&p, &b->out), ERR_TOO_BIG);
	buf_clear(&b->out);
	for (size_t i = 0; i < RPC_PROBE_FILLER_MAX + 4; i++)
		buf_put_u8(&b->out, i == 0 ? 0x1a : i == 1 ? 0x81 : i == 2 ? 0x02 : 'x'); /* filler of 257 */
	assert_int_equal(rpc_decode_probe(buf_bytes(&b->out), &b->arena, &got), ERR_TOO_BIG);
	assert_int_equal(rpc_decode_probe(BYTES_LIT("\x1a\x02x"), &b->arena, &got), ERR_INVALID);
	static uint8_t big[RPC_VALUE_MAX + 1];
	assert_int_equal(rpc_decode_probe(bytes_of(big, sizeof(big)), &b->arena, &got), ERR_TOO_BIG);
	assert_int_equal(got.number, 1u << 31);
}

static void probe_keys(void **state)
{
	(void)state;
	uint8_t key[RPC_PROBE_KEY_MAX];
	uint32_t slot = 0;
	struct bytes origin, content;
	for (uint32_t i = 0; i < RPC_PROBE_SLOTS; i++) {
		struct bytes k = bytes_of(key, rpc_probe_key(i, key));
		assert_int_equal(rpc_probe_key_slot(k, &slot), OK);
		assert_int_equal(slot, i);
		assert_int_equal(rpc_location_key_split(k, &origin, &content), ERR_INVALID);
	}
	assert_bytes_equal(bytes_of(key, rpc_probe_key(70, key)), BYTES_LIT("t70"));
	static const struct bytes bad[] = { { NULL, 0 }, BYTES_LIT("t"), BYTES_LIT("t1000"), BYTES_LIT("t01"),
		BYTES_LIT("o1"), BYTES_LIT("t-1"), BYTES_LIT("t1x"), BYTES_LIT("t\0"), BYTES_LIT("t4294967296"),
		BYTES_LIT("t999999") };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(rpc_probe_key_slot(bad[i], &slot), ERR_INVALID);
}

static void commands(void **state)
{
	(void)state;
	struct arena a;
	struct buf b;
	arena_init(&a, RPC_ARENA_MAX);
	buf_init(&b, RPC_VALUE_MAX);
	struct rpc_command c = { .at = { 1700000000123, 7 },
		.kind = RPC_COMMAND_PURGE,
		.subject = BYTES_LIT("vod/lv1"),
		.issuer = { { 9 } } };
	struct rpc_command got;
	assert_int_equal(rpc_encode_command(&c, &b), OK);
	assert_int_equal(rpc_decode_command(buf_bytes(&b), &a, &got), OK);
	assert_int_equal(got.at.wall_ms, c.at.wall_ms);
	assert_int_equal(got.at.counter, 7);
	assert_int_equal(got.kind, RPC_COMMAND_PURGE);
	assert_bytes_equal(got.subject, c.subject);
	assert_true(node_id_eq(&got.issuer, &c.issuer));
	assert_int_equal(got.by.n, 0);
	/* Who gave it; of what cannot be an operator's name the order is none the worse. */
	c.by = BYTES_LIT("ann@ops-1");
	c.drained_ms = 1700000000001;
	c.drained_by = BYTES_LIT("two words");
	b.n = 0;
	assert_int_equal(rpc_encode_command(&c, &b), OK);
	assert_int_equal(rpc_decode_command(buf_bytes(&b), &a, &got), OK);
	assert_bytes_equal(got.by, c.by);
	assert_int_equal(got.drained_ms, c.drained_ms);
	assert_int_equal(got.drained_by.n, 0);
	/* A kind of a later time is known to be a command. */
	c.kind = 77;
	b.n = 0;
	assert_int_equal(rpc_encode_command(&c, &b), OK);
	assert_int_equal(rpc_decode_command(buf_bytes(&b), &a, &got), OK);
	assert_int_equal(got.kind, 77);
	c.kind = RPC_COMMAND_EXPEL;
	assert_int_equal(rpc_encode_command(&c, &b), ERR_INVALID);
	c.subject = BYTES_NONE;
	assert_int_equal(rpc_encode_command(&c, &b), ERR_INVALID);
	assert_int_equal(rpc_decode_command(BYTES_LIT("\x10\x01"), &a, &got), ERR_INVALID);
	assert_int_equal(rpc_decode_command(BYTES_LIT("nonsense"), &a, &got), ERR_INVALID);
	buf_fini(&b);
	arena_fini(&a);
}

static void operators(void **state)
{
	(void)state;
	uint8_t longest[RPC_OPERATOR_MAX + 1];
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(rpc_operator(bytes_of(longest, RPC_OPERATOR_MAX)).n, RPC_OPERATOR_MAX);
	assert_int_equal(rpc_operator(bytes_of(longest, sizeof(longest))).n, 0);
	assert_int_equal(rpc_operator(BYTES_NONE).n, 0);
	static const struct bytes bad[] = { BYTES_LIT("a b"), BYTES_LIT("a\n"), BYTES_LIT("a\x7f"),
		BYTES_LIT("\""), BYTES_LIT("\\"), BYTES_LIT("\xc3\xa4"), BYTES_LIT("a\0") };
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(rpc_operator(bad[i]).n, 0);
}

static void command_keys_and_order(void **state)
{
	(void)state;
	uint8_t key[RPC_COMMAND_KEY_BYTES];
	struct rpc_command_id a = { { 1 } }, b = { { 2 } }, got;
	rpc_command_key(&a, key);
	assert_true(rpc_command_key_split(bytes_of(key, sizeof(key)), &got));
	assert_int_equal(rpc_command_id_cmp(&a, &got), 0);
	assert_false(rpc_command_key_split(bytes_of(key, sizeof(key) - 1), &got));
	key[0] = 'c';
	assert_false(rpc_command_key_split(bytes_of(key, sizeof(key)), &got));
	assert_true(rpc_command_cmp((struct rpc_hlc){ 5, 9 }, &b, (struct rpc_hlc){ 6, 0 }, &a) < 0);
	assert_true(rpc_command_cmp((struct rpc_hlc){ 5, 9 }, &a, (struct rpc_hlc){ 5, 8 }, &b) > 0);
	assert_true(rpc_command_cmp((struct rpc_hlc){ 5, 9 }, &a, (struct rpc_hlc){ 5, 9 }, &b) < 0);
}

static void what_was_forgotten_and_applied(void **state)
{
	(void)state;
	struct arena a;
	struct buf b;
	uint64_t version = 0;
	struct rpc_applied p = { .n = 2, .ids = { { { 1 } }, { { 2 } } } }, got;
	arena_init(&a, RPC_ARENA_MAX);
	buf_init(&b, RPC_VALUE_MAX);
	assert_int_equal(rpc_encode_forgotten(1234, &b), OK);
	assert_int_equal(rpc_decode_forgotten(buf_bytes(&b), &a, &version), OK);
	assert_int_equal(version, 1234);
	b.n = 0;
	assert_int_equal(rpc_encode_applied(&p, &b), OK);
	assert_int_equal(rpc_decode_applied(buf_bytes(&b), &a, &got), OK);
	assert_int_equal(got.n, 2);
	assert_int_equal(rpc_command_id_cmp(&got.ids[1], &p.ids[1]), 0);
	assert_int_equal(rpc_decode_applied(BYTES_LIT("\x0a\x01\x01"), &a, &got), ERR_INVALID);
	buf_fini(&b);
	arena_fini(&a);
}

static void revocations(void **state)
{
	(void)state;
	struct arena a;
	struct buf b;
	uint64_t not_after_s = 0;
	uint8_t key[RPC_REVOCATION_KEY_BYTES];
	struct rpc_session_id id = { { 1, [15] = 9 } }, back;
	arena_init(&a, RPC_ARENA_MAX);
	buf_init(&b, RPC_VALUE_MAX);
	assert_int_equal(rpc_encode_revocation(UINT64_MAX, &b), OK);
	assert_int_equal(rpc_decode_revocation(buf_bytes(&b), &a, &not_after_s), OK);
	assert_true(not_after_s == UINT64_MAX);
	assert_int_equal(rpc_decode_revocation(BYTES_LIT("\xff"), &a, &not_after_s), ERR_INVALID);
	assert_int_equal(rpc_decode_revocation(BYTES_NONE, &a, &not_after_s), ERR_INVALID);
	rpc_revocation_key(&id, key);
	assert_int_equal(key[0], 'v');
	assert_true(rpc_revocation_key_split(bytes_of(key, sizeof(key)), &back));
	assert_memory_equal(back.b, id.b, sizeof(id.b));
	assert_false(rpc_revocation_key_split(bytes_of(key, sizeof(key) - 1), &back));
	key[0] = RPC_COMMAND_CLASS;
	assert_false(rpc_revocation_key_split(bytes_of(key, sizeof(key)), &back));
	/* As it stands on disk (V1). */
	b.n = 0;
	assert_int_equal(rpc_encode_revocation(0x0102030405060708, &b), OK);
	assert_true(bytes_eq(buf_bytes(&b), BYTES_LIT("\x09\x08\x07\x06\x05\x04\x03\x02\x01")));
	buf_fini(&b);
	arena_fini(&a);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_register_comes_back),
		T(the_largest_register_fits_a_value),
		T(a_newer_register_is_understood),
		T(what_is_no_register),
		T(load),
		T(location),
		T(location_keys),
		T(claims),
		T(probe),
		T(probe_keys),
		T(commands),
		T(operators),
		T(command_keys_and_order),
		T(what_was_forgotten_and_applied),
		T(revocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
