#include "rpc/codec.h"

#include "rpc_test.h"

/* Encoding and decoding with arenas of their stated size. */
struct codec {
	struct arena scratch, arena;
	struct buf out;
	struct rpc_msg got;
};

static int setup(void **state)
{
	struct codec *c = calloc(1, sizeof(*c));
	arena_init(&c->scratch, RPC_ARENA_MAX);
	arena_init(&c->arena, RPC_ARENA_MAX);
	buf_init(&c->out, RPC_FRAME_MAX);
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	struct codec *c = *state;
	arena_fini(&c->scratch);
	arena_fini(&c->arena);
	buf_fini(&c->out);
	free(c);
	return 0;
}

static enum err encode(struct codec *c, const struct rpc_msg *m)
{
	arena_reset(&c->scratch);
	buf_clear(&c->out);
	return rpc_encode(m, &c->scratch, &c->out);
}

static enum err decode(struct codec *c, struct bytes frame)
{
	arena_reset(&c->arena);
	return rpc_decode(frame, &c->arena, &c->got);
}

static const struct rpc_msg *round_trip(struct codec *c, const struct rpc_msg *m)
{
	assert_int_equal(encode(c, m), OK);
	assert_int_equal(decode(c, buf_bytes(&c->out)), OK);
	assert_int_equal(c->got.kind, m->kind);
	assert_int_equal(c->got.acked_bytes, m->acked_bytes);
	return &c->got;
}

static void hello(void **state)
{
	struct rpc_msg m = { .kind = RPC_HELLO, .acked_bytes = 7, .hello = test_hello(9) };
	const struct rpc_hello *h = &round_trip(*state, &m)->hello;
	assert_bytes_equal(h->cluster, m.hello.cluster);
	assert_true(node_id_eq(&h->node, &m.hello.node));
	assert_bytes_equal(h->name, m.hello.name);
	assert_int_equal(incarnation_cmp(h->incarnation, m.hello.incarnation), 0);
	assert_int_equal(h->version_min, 1);
	assert_int_equal(h->version_max, 2);
	assert_int_equal(h->features, 5);
	assert_bytes_equal(h->build, m.hello.build);
	assert_bytes_equal(h->rpc_address, m.hello.rpc_address);
}

static void hello_within_limits(void **state)
{
	static char long_text[RPC_ADDRESS_MAX + 2];
	memset(long_text, 'x', sizeof(long_text));
	struct rpc_msg m = { .kind = RPC_HELLO, .hello = test_hello(9) };
	m.hello.cluster = bytes_of(long_text, RPC_CLUSTER_MAX);
	m.hello.name = bytes_of(long_text, RPC_NAME_MAX);
	m.hello.rpc_address = bytes_of(long_text, RPC_ADDRESS_MAX);
	round_trip(*state, &m);
	m.hello.cluster = bytes_of(long_text, RPC_CLUSTER_MAX + 1);
	assert_int_equal(encode(*state, &m), ERR_TOO_BIG);
	m.hello = test_hello(9);
	m.hello.rpc_address = bytes_of(long_text, RPC_ADDRESS_MAX + 1);
	assert_int_equal(encode(*state, &m), ERR_TOO_BIG);
}

static void hello_must_make_sense(void **state)
{
	struct rpc_msg m = { .kind = RPC_HELLO, .hello = test_hello(9) };
	m.hello.cluster = BYTES_NONE;
	assert_int_equal(encode(*state, &m), ERR_INVALID);
	m.hello = test_hello(9);
	m.hello.name = BYTES_LIT("a\0b");
	assert_int_equal(encode(*state, &m), ERR_INVALID);
	m.hello.name = BYTES_LIT("\xc3\x28");
	assert_int_equal(encode(*state, &m), ERR_INVALID);
	m.hello = test_hello(9);
	m.hello.version_min = 3;
	assert_int_equal(encode(*state, &m), ERR_INVALID);
	m.hello.version_min = 0;
	assert_int_equal(encode(*state, &m), ERR_INVALID);
}

static void hello_with_keys_and_proof(void **state)
{
	struct rpc_msg m = { .kind = RPC_HELLO, .hello = test_hello(9) };
	memset(m.hello.challenge, 0x77, sizeof(m.hello.challenge));
	/* Without a key there is no challenge either. */
	assert_int_equal(round_trip(*state, &m)->hello.keys_n, 0);
	m.hello.keys_n = 2;
	m.hello.keys[0] = (struct key_id){ "k-1", 3 };
	m.hello.keys[1] = (struct key_id){ "0123456789abcdef", KEY_ID_MAX };
	const struct rpc_hello *h = &round_trip(*state, &m)->hello;
	assert_int_equal(h->keys_n, 2);
	assert_bytes_equal(key_id_bytes(&h->keys[0]), BYTES_LIT("k-1"));
	assert_bytes_equal(key_id_bytes(&h->keys[1]), BYTES_LIT("0123456789abcdef"));
	assert_memory_equal(h->challenge, m.hello.challenge, sizeof(h->challenge));
	m.hello.keys_n = RPC_CLUSTER_KEYS_MAX + 1;
	assert_int_equal(encode(*state, &m), ERR_TOO_BIG);
	m.hello.keys_n = 2;
	m.hello.keys[1].n = 0;
	assert_int_equal(encode(*state, &m), ERR_INVALID);
	m.hello.keys[1] = (struct key_id){ "a b", 3 };
	assert_int_equal(encode(*state, &m), ERR_INVALID);
	m = (struct rpc_msg){ .kind = RPC_PROOF, .proof = { .key = { "c1", 2 }, .mac = { 1, [31] = 2 } } };
	const struct rpc_proof *p = &round_trip(*state, &m)->proof;
	assert_bytes_equal(key_id_bytes(&p->key), BYTES_LIT("c1"));
	assert_memory_equal(p->mac, m.proof.mac, sizeof(p->mac));
	m.proof.key.n = KEY_ID_MAX + 1;
	assert_int_equal(encode(*state, &m), ERR_INVALID);
}

static void announce_and_pull_and_tree(void **state)
{
	const struct rpc_row_version versions[] = {
		{ { { 1 } }, RPC_CONTROL, { 5, 6 }, 7 },
		{ { { 2 } }, RPC_LOCATIONS, { 1, UINT64_MAX }, UINT64_MAX },
	};
	struct rpc_msg m = { .kind = RPC_ANNOUNCE, .announce = { versions, 2 } };
	const struct rpc_msg *got = round_trip(*state, &m);
	assert_int_equal(got->announce.rows_n, 2);
	assert_true(node_id_eq(&got->announce.rows[1].owner, &versions[1].owner));
	assert_int_equal(got->announce.rows[1].stream, RPC_LOCATIONS);
	assert_int_equal(got->announce.rows[1].incarnation.nonce, UINT64_MAX);
	assert_int_equal(got->announce.rows[1].have, UINT64_MAX);
	m.announce.rows_n = RPC_ANNOUNCE_ROWS_MAX + 1;
	assert_int_equal(encode(*state, &m), ERR_TOO_BIG);

	const struct rpc_row_position at = { .owner = { { 3 } }, .incarnation = { 1, 2 }, .have = 9, .base = 4 };
	m = (struct rpc_msg){ .kind = RPC_PULL, .pull = { &at, 1 } };
	got = round_trip(*state, &m);
	assert_int_equal(got->pull.rows_n, 1);
	assert_int_equal(got->pull.rows[0].have, 9);
	assert_int_equal(got->pull.rows[0].base, 4);
	m.pull.rows_n = RPC_PULL_ROWS_MAX + 1;
	assert_int_equal(encode(*state, &m), ERR_TOO_BIG);

	m = (struct rpc_msg){ .kind = RPC_TREE, .tree = { 1, 1ull << 63 } };
	got = round_trip(*state, &m);
	assert_int_equal(got->tree.prune, 1);
	assert_true(got->tree.graft == 1ull << 63);
}

static void ranges(void **state)
{
	const uint32_t prefixes[] = { 0x00, 0xff }, differ[] = { 0, 0xffff };
	uint64_t sums[2 * RPC_RANGE_FANOUT] = { [0] = 1, [31] = 0x0102030405060708 };
	struct rpc_msg m = { .kind = RPC_RANGES,
		.ranges = { .depth = 2, .prefixes = prefixes, .prefixes_n = 2, .sums = sums, .rows = 3 } };
	const struct rpc_ranges *got = &round_trip(*state, &m)->ranges;
	assert_int_equal(got->prefixes_n, 2);
	assert_int_equal(got->prefixes[1], 0xff);
	assert_memory_equal(got->sums, sums, sizeof(sums));
	assert_int_equal(got->rows, 3);
	m.ranges.answer = true;
	m.ranges.differ = differ;
	got = &round_trip(*state, &m)->ranges;
	assert_true(got->answer);
	assert_int_equal(got->differ[1], 0xffff);

	const uint32_t deep = 0x100, bits = 0x10000;
	m.ranges.prefixes = &deep;
	m.ranges.prefixes_n = 1;
	assert_int_equal(encode(*state, &m), ERR_INVALID);
	m.ranges.prefixes = prefixes;
	m.ranges.differ = &bits;
	assert_int_equal(encode(*state, &m), ERR_INVALID);
	m.ranges.differ = differ;
	m.ranges.depth = RPC_RANGE_DEPTH_MAX + 1;
	assert_int_equal(encode(*state, &m), ERR_INVALID);
	m.ranges.depth = 2;
	m.ranges.prefixes_n = RPC_RANGES_MAX + 1;
	assert_int_equal(encode(*state, &m), ERR_TOO_BIG);
}

static void refusal_and_bye_and_heartbeat(void **state)
{
	struct rpc_msg m = { .kind = RPC_REFUSAL,
		.refusal = { .reason = RPC_REFUSED_VERSION, .text = BYTES_LIT("no") } };
	const struct rpc_msg *got = round_trip(*state, &m);
	assert_int_equal(got->refusal.reason, RPC_REFUSED_VERSION);
	assert_bytes_equal(got->refusal.text, BYTES_LIT("no"));
	m = (struct rpc_msg){ .kind = RPC_BYE, .bye = { .reason = 4 } };
	assert_int_equal(round_trip(*state, &m)->bye.reason, 4);
	m = (struct rpc_msg){ .kind = RPC_HEARTBEAT, .acked_bytes = UINT64_MAX };
	round_trip(*state, &m);
}

static void a_full_digest_fits_a_frame(void **state)
{
	static const uint8_t first[RPC_ROW_ID_BYTES] = { 1 }, last[RPC_ROW_ID_BYTES] = { 0xff };
	static struct rpc_row_position rows[RPC_DIGEST_ROWS_MAX + 1];
	for (size_t i = 0; i < RPC_DIGEST_ROWS_MAX; i++) {
		rows[i] = (struct rpc_row_position){
			.owner = test_id((uint8_t)i),
			.stream = (enum rpc_stream)(i % RPC_STREAMS),
			.incarnation = { UINT64_MAX, i },
			.have = UINT64_MAX - i,
			.horizon = UINT64_MAX,
			.floor = UINT64_MAX - 2,
			.base = UINT64_MAX - 3,
			.fingerprint = ~(uint64_t)i,
		};
	}
	struct rpc_msg m = { .kind = RPC_DIGEST,
		.acked_bytes = UINT64_MAX,
		.digest = { .answer = true,
		    .first = bytes_of(first, sizeof(first)),
		    .last = bytes_of(last, sizeof(last)),
		    .rows = rows,
		    .rows_n = RPC_DIGEST_ROWS_MAX } };
	const struct rpc_digest *d = &round_trip(*state, &m)->digest;
	assert_true(d->answer);
	assert_bytes_equal(d->first, m.digest.first);
	assert_bytes_equal(d->last, m.digest.last);
	assert_int_equal(d->rows_n, RPC_DIGEST_ROWS_MAX);
	for (size_t i = 0; i < d->rows_n; i++) {
		assert_true(node_id_eq(&d->rows[i].owner, &rows[i].owner));
		assert_int_equal(d->rows[i].stream, rows[i].stream);
		assert_int_equal(incarnation_cmp(d->rows[i].incarnation, rows[i].incarnation), 0);
		assert_int_equal(d->rows[i].have, rows[i].have);
		assert_int_equal(d->rows[i].horizon, rows[i].horizon);
		assert_int_equal(d->rows[i].floor, rows[i].floor);
		assert_int_equal(d->rows[i].base, rows[i].base);
		assert_int_equal(d->rows[i].fingerprint, rows[i].fingerprint);
	}
	m.digest.rows_n++;
	assert_int_equal(encode(*state, &m), ERR_TOO_BIG);
	m.digest.rows_n = 1;
	m.digest.first.n--;
	assert_int_equal(encode(*state, &m), ERR_INVALID);
}

static struct rpc_msg frame_of(const struct rpc_entry *entries, size_t n, uint64_t from, uint64_t to)
{
	return (struct rpc_msg){ .kind = RPC_ROW_FRAME,
		.row_frame = { .owner = test_id(4),
		    .stream = RPC_LOCATIONS,
		    .incarnation = { 2, 3 },
		    .ancestors = { { { 1, 9 }, 77 }, { { 0, 8 }, 5 } },
		    .ancestors_n = 2,
		    .from = from,
		    .to = to,
		    .horizon = to + 1,
		    .floor = 1,
		    .repair = true,
		    .entries = entries,
		    .entries_n = n } };
}

static void row_frame(void **state)
{
	static const struct rpc_entry entries[] = {
		{ .version = 11, .key = BYTES_LIT("k\0\xff"), .value = BYTES_LIT("v") },
		{ .version = 14, .key = BYTES_LIT("gone"), .deleted = true },
	};
	struct rpc_msg m = frame_of(entries, 2, 10, 15);
	const struct rpc_row_frame *f = &round_trip(*state, &m)->row_frame;
	assert_true(node_id_eq(&f->owner, &m.row_frame.owner));
	assert_int_equal(f->stream, RPC_LOCATIONS);
	assert_int_equal(f->incarnation.count, 2);
	assert_int_equal(f->ancestors_n, 2);
	assert_int_equal(f->ancestors[0].version, 77);
	assert_int_equal(f->ancestors[0].incarnation.nonce, 9);
	assert_int_equal(f->ancestors[1].version, 5);
	assert_int_equal(f->from, 10);
	assert_int_equal(f->to, 15);
	assert_int_equal(f->horizon, 16);
	assert_int_equal(f->floor, 1);
	assert_false(f->reset);
	assert_true(f->repair);
	assert_int_equal(f->entries_n, 2);
	assert_int_equal(f->entries[0].version, 11);
	assert_bytes_equal(f->entries[0].key, entries[0].key);
	assert_bytes_equal(f->entries[0].value, entries[0].value);
	assert_false(f->entries[0].deleted);
	assert_int_equal(f->entries[1].version, 14);
	assert_true(f->entries[1].deleted);
	assert_int_equal(f->entries[1].value.n, 0);
}

static void entries_are_in_version_order_within_the_interval(void **state)
{
	struct rpc_entry e[2] = { { .version = 11, .key = BYTES_LIT("a") },
		{ .version = 12, .key = BYTES_LIT("b") } };
	struct rpc_msg m = frame_of(e, 2, 10, 12);
	assert_int_equal(encode(*state, &m), OK);
	e[1].version = 11;
	assert_int_equal(encode(*state, &m), ERR_INVALID);
	e[1].version = 13;
	assert_int_equal(encode(*state, &m), ERR_INVALID);
	e[1].version = 12;
	e[0].version = 10;
	assert_int_equal(encode(*state, &m), ERR_INVALID);
	m = frame_of(e, 0, 10, 9);
	assert_int_equal(encode(*state, &m), ERR_INVALID);
	m = frame_of(e, 0, 10, 10);
	assert_int_equal(encode(*state, &m), OK);
}

static void entries_within_limits(void **state)
{
	static uint8_t big[RPC_VALUE_MAX + 1];
	struct rpc_entry e = {
		.version = 1, .key = bytes_of(big, RPC_KEY_MAX), .value = bytes_of(big, RPC_VALUE_MAX)
	};
	struct rpc_msg m = frame_of(&e, 1, 0, 1);
	round_trip(*state, &m);
	e.value.n++;
	assert_int_equal(encode(*state, &m), ERR_TOO_BIG);
	e.value.n = 0;
	e.key.n++;
	assert_int_equal(encode(*state, &m), ERR_TOO_BIG);
	e.key.n = 0;
	assert_int_equal(encode(*state, &m), ERR_INVALID);
	e = (struct rpc_entry){ .version = 1, .key = BYTES_LIT("k"), .value = BYTES_LIT("v"), .deleted = true };
	assert_int_equal(encode(*state, &m), ERR_INVALID);
}

static void a_frame_full_of_small_entries(void **state)
{
	struct codec *c = *state;
	static struct rpc_entry entries[RPC_FRAME_ENTRIES_MAX + 1];
	for (size_t i = 0; i <= RPC_FRAME_ENTRIES_MAX; i++)
		entries[i] = (struct rpc_entry){ .version = i + 1, .key = BYTES_LIT("key"), .value = BYTES_LIT("v") };
	struct rpc_msg m = frame_of(entries, RPC_FRAME_ENTRIES_MAX, 0, RPC_FRAME_ENTRIES_MAX);
	assert_int_equal(round_trip(c, &m)->row_frame.entries_n, RPC_FRAME_ENTRIES_MAX);
	m = frame_of(entries, RPC_FRAME_ENTRIES_MAX + 1, 0, RPC_FRAME_ENTRIES_MAX + 1);
	assert_int_equal(encode(c, &m), ERR_TOO_BIG);
}

static void a_frame_past_its_size_is_not_encoded(void **state)
{
	struct codec *c = *state;
	static uint8_t big[RPC_VALUE_MAX];
	struct rpc_entry e[8];
	for (size_t i = 0; i < 8; i++)
		e[i] = (struct rpc_entry){
			.version = i + 1, .key = BYTES_LIT("k"), .value = bytes_of(big, sizeof(big))
		};
	struct rpc_msg m = frame_of(e, 7, 0, 8);
	assert_int_equal(encode(c, &m), OK);
	m = frame_of(e, 8, 0, 8);
	assert_int_equal(encode(c, &m), ERR_TOO_BIG);
	assert_int_equal(c->out.n, 0);
}

static void entry_size_bound_holds(void **state)
{
	struct codec *c = *state;
	static uint8_t big[RPC_VALUE_MAX];
	static const size_t sizes[] = { 0, 1, 127, 128, 330, 8192 };
	struct rpc_msg none = frame_of(NULL, 0, 0, UINT64_MAX - 1);
	assert_int_equal(encode(c, &none), OK);
	/* The lengths of the envelope's body may take two more bytes each. */
	size_t frame = c->out.n + 2;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct rpc_entry e = { .version = UINT64_MAX - 1,
			.key = bytes_of(big, sizes[i] < RPC_KEY_MAX ? sizes[i] + 1 : RPC_KEY_MAX),
			.value = bytes_of(big, sizes[i]),
			.deleted = sizes[i] == 0 };
		struct rpc_msg m = frame_of(&e, 1, 0, UINT64_MAX - 1);
		assert_int_equal(encode(c, &m), OK);
		assert_in_range(c->out.n, frame, frame + rpc_entry_size_bound(&e));
	}
}

static void session_news(void **state)
{
	static struct rpc_session_id ids[RPC_SESSIONS_MAX + 1];
	for (size_t i = 0; i <= RPC_SESSIONS_MAX; i++)
		memcpy(ids[i].b, &i, sizeof(i));
	struct rpc_msg m = { .kind = RPC_SESSION_NEWS,
		.session_news = {
		    .alive = ids, .alive_n = RPC_SESSIONS_MAX, .ended = ids + 1, .ended_n = RPC_SESSIONS_MAX } };
	const struct rpc_session_news *s = &round_trip(*state, &m)->session_news;
	assert_int_equal(s->alive_n, RPC_SESSIONS_MAX);
	assert_int_equal(s->ended_n, RPC_SESSIONS_MAX);
	assert_memory_equal(s->alive, ids, sizeof(ids) - sizeof(ids[0]));
	assert_memory_equal(s->ended, ids + 1, sizeof(ids) - sizeof(ids[0]));
	m.session_news.alive_n++;
	assert_int_equal(encode(*state, &m), ERR_TOO_BIG);
}

static void leases(void **state)
{
	struct rpc_msg ask = { .kind = RPC_LEASE_ASK, .lease_ask = { UINT64_MAX, RPC_LEASE_PLACES_MAX } };
	const struct rpc_msg *m = round_trip(*state, &ask);
	assert_true(m->lease_ask.request == UINT64_MAX && m->lease_ask.want == RPC_LEASE_PLACES_MAX);
	ask.lease_ask.want++;
	assert_int_equal(encode(*state, &ask), ERR_TOO_BIG);

	struct rpc_msg grant = { .kind = RPC_LEASE_GRANT, .lease_grant = { 1, 2, 3, 4, 5, 6, 7, 8, 9 } };
	m = round_trip(*state, &grant);
	assert_memory_equal(&m->lease_grant, &grant.lease_grant, sizeof(grant.lease_grant));
	grant.lease_grant.batch = 0; /* places of no batch */
	assert_int_equal(encode(*state, &grant), ERR_INVALID);
	grant.lease_grant.places = 0;
	assert_int_equal(encode(*state, &grant), OK);
	grant.lease_grant.places = RPC_LEASE_PLACES_MAX + 1;
	assert_int_equal(encode(*state, &grant), ERR_TOO_BIG);

	struct rpc_msg close = { .kind = RPC_LEASE_CLOSE, .lease_close = { 1, 2, 3 } };
	m = round_trip(*state, &close);
	assert_memory_equal(&m->lease_close, &close.lease_close, sizeof(close.lease_close));
	close.lease_close.used = RPC_LEASE_PLACES_MAX + 1;
	assert_int_equal(encode(*state, &close), ERR_TOO_BIG);
}

static void warm(void **state)
{
	static uint8_t name[RPC_CONTENT_MAX + 1];
	memset(name, 'x', sizeof(name));
	struct rpc_msg m = { .kind = RPC_WARM,
		.warm = { .id = { { 1 } },
		    .origin = bytes_of(name, RPC_NAME_MAX),
		    .content = bytes_of(name, RPC_CONTENT_MAX) } };
	const struct rpc_warm *w = &round_trip(*state, &m)->warm;
	assert_int_equal(w->id.b[0], 1);
	assert_int_equal(w->origin.n, RPC_NAME_MAX);
	assert_int_equal(w->content.n, RPC_CONTENT_MAX);
	assert_int_equal(w->by.n, 0);
	m.warm.by = BYTES_LIT("ann@ops-1");
	assert_int_equal(round_trip(*state, &m)->warm.by.n, 9);
	m.warm.content.n++;
	assert_int_equal(encode(*state, &m), ERR_TOO_BIG);
	m.warm.content.n = 0;
	assert_int_equal(encode(*state, &m), ERR_INVALID);
	m.warm.content.n = 1;
	m.warm.origin.n++;
	assert_int_equal(encode(*state, &m), ERR_TOO_BIG);

	struct rpc_msg told = { .kind = RPC_WARM_TOLD,
		.warm_told = { { { 7 } }, 4711, 1, 2, 3, UINT64_MAX, bytes_of(name, RPC_TEXT_MAX) } };
	const struct rpc_warm_told *t = &round_trip(*state, &told)->warm_told;
	assert_int_equal(t->state, 4711); /* of a later version */
	assert_true(t->objects == 1 && t->remaining == 2 && t->failed == 3 && t->bytes == UINT64_MAX);
	assert_int_equal(t->detail.n, RPC_TEXT_MAX);
	told.warm_told.detail.n++;
	assert_int_equal(encode(*state, &told), ERR_TOO_BIG);
}

static void what_is_watched(void **state)
{
	static uint64_t contents[RPC_WATCHED_MAX + 1];
	static uint32_t viewers[RPC_WATCHED_MAX + 1];
	for (unsigned i = 0; i <= RPC_WATCHED_MAX; i++) {
		contents[i] = UINT64_MAX - i;
		viewers[i] = UINT32_MAX - i;
	}
	struct rpc_msg m = { .kind = RPC_WATCHED_TOLD,
		.watched_told = { 4711, contents, viewers, RPC_WATCHED_MAX, UINT64_MAX } };
	const struct rpc_watched_told *t = &round_trip(*state, &m)->watched_told; /* it fits in a frame */
	assert_true(t->request == 4711 && t->n == RPC_WATCHED_MAX && t->more == UINT64_MAX);
	for (unsigned i = 0; i < RPC_WATCHED_MAX; i++)
		assert_true(t->contents[i] == contents[i] && t->viewers[i] == viewers[i]);
	m.watched_told.n++;
	assert_int_equal(encode(*state, &m), ERR_TOO_BIG);
	m.watched_told.n = 0;
	assert_int_equal(round_trip(*state, &m)->watched_told.n, 0);
	struct rpc_msg ask = { .kind = RPC_WATCHED_ASK, .watched_ask = { UINT64_MAX } };
	assert_true(round_trip(*state, &ask)->watched_ask.request == UINT64_MAX);
}

static void what_is_unknown_cannot_be_said(void **state)
{
	struct rpc_msg m = { .kind = RPC_UNKNOWN };
	assert_int_equal(encode(*state, &m), ERR_INVALID);
}

static void a_small_arena_is_too_small_and_no_more(void **state)
{
	struct codec *c = *state;
	struct rpc_msg m = { .kind = RPC_HELLO, .hello = test_hello(9) };
	arena_fini(&c->scratch);
	arena_init(&c->scratch, 64);
	assert_int_equal(encode(c, &m), ERR_TOO_BIG);
	arena_fini(&c->scratch);
	arena_init(&c->scratch, RPC_ARENA_MAX);
	assert_int_equal(encode(c, &m), OK);
	arena_fini(&c->arena);
	arena_init(&c->arena, 64);
	assert_int_equal(decode(c, buf_bytes(&c->out)), ERR_TOO_BIG);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(hello),
		T(hello_within_limits),
		T(hello_must_make_sense),
		T(hello_with_keys_and_proof),
		T(announce_and_pull_and_tree),
		T(ranges),
		T(refusal_and_bye_and_heartbeat),
		T(a_full_digest_fits_a_frame),
		T(row_frame),
		T(entries_are_in_version_order_within_the_interval),
		T(entries_within_limits),
		T(a_frame_full_of_small_entries),
		T(a_frame_past_its_size_is_not_encoded),
		T(entry_size_bound_holds),
		T(session_news),
		T(leases),
		T(warm),
		T(what_is_watched),
		T(what_is_unknown_cannot_be_said),
		T(a_small_arena_is_too_small_and_no_more),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
