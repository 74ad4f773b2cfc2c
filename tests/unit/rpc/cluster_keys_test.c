/* The cluster's keys: the file, and what is a proof and what is none. */
#include "rpc/cluster_keys.h"
#include "rpc/codec.h"

#include "rpc_test.h"

#define SECRET_A "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=" /* 32 times A */
#define SECRET_B "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="

static struct cluster_keys keys_of(const char *text)
{
	struct cluster_keys k;
	size_t bad_line;
	assert_int_equal(cluster_keys_parse(bytes_str(text), &k, &bad_line), OK);
	return k;
}

static void files(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		enum err err;
		size_t n, bad_line;
	} cases[] = {
		{ "c1:" SECRET_A, OK, 1, 0 },
		{ "# ours\n\n c1:" SECRET_A " \r\nc2:" SECRET_B "\n", OK, 2, 0 },
		{ "", ERR_INVALID, 0, 0 },
		{ "# none\n", ERR_INVALID, 0, 0 },
		{ "c1:" SECRET_A "\nc2:" SECRET_B "\nc3:" SECRET_A, ERR_TOO_BIG, 0, 3 },
		{ "c1:" SECRET_A "\n\nc1:" SECRET_B, ERR_EXISTS, 0, 3 },
		{ "c1:" SECRET_A "\nc2:QUFB", ERR_INVALID, 0, 2 },
		{ SECRET_A, ERR_INVALID, 0, 1 },
		{ ":" SECRET_A, ERR_INVALID, 0, 1 },
		{ "c 1:" SECRET_A, ERR_INVALID, 0, 1 },
		{ "c1:" SECRET_A "=", ERR_INVALID, 0, 1 },
		{ "a2345678901234567:" SECRET_A, ERR_INVALID, 0, 1 },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cluster_keys k = { .n = 77 };
		size_t bad_line = 99;
		if (cluster_keys_parse(bytes_str(cases[i].text), &k, &bad_line) != cases[i].err)
			fail_msg("case %zu", i);
		assert_int_equal(k.n, cases[i].err == OK ? cases[i].n : 77);
		if (cases[i].err != OK)
			assert_int_equal(bad_line, cases[i].bad_line);
	}
	struct cluster_keys k = keys_of("c1:" SECRET_A), zero;
	memset(&zero, 0, sizeof(zero));
	cluster_keys_fini(&k);
	assert_memory_equal(&k, &zero, sizeof(k));
}

static void a_hello_names_the_keys(void **state)
{
	(void)state;
	struct cluster_keys k = keys_of("new:" SECRET_B "\nold:" SECRET_A), none = { .n = 0 };
	struct rpc_hello h = test_hello(1);
	cluster_keys_name(&k, &h);
	assert_int_equal(h.keys_n, 2);
	assert_bytes_equal(key_id_bytes(&h.keys[0]), BYTES_LIT("new"));
	assert_bytes_equal(key_id_bytes(&h.keys[1]), BYTES_LIT("old"));
	cluster_keys_name(&none, &h);
	assert_int_equal(h.keys_n, 0);
}

/* Every pair of nodes that has a key in common comes to believe each other, in either role. */
static void the_first_key_in_common_speaks(void **state)
{
	(void)state;
	static const char *const files[] = {
		"old:" SECRET_A,
		"old:" SECRET_A "\nnew:" SECRET_B,
		"new:" SECRET_B "\nold:" SECRET_A,
		"new:" SECRET_B,
	};
	/* Who speaks (row) to whom (column): with which key. */
	static const char *const with[4][4] = {
		{ "old", "old", "old", NULL },
		{ "old", "old", "old", "new" },
		{ "old", "new", "new", "new" },
		{ NULL, "new", "new", "new" },
	};
	struct cluster_transcript t = { { 1 }, { 2 } };
	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < 4; j++) {
			struct cluster_keys self = keys_of(files[i]), peer = keys_of(files[j]);
			struct rpc_hello h = test_hello(2);
			cluster_keys_name(&peer, &h);
			const struct cluster_key *key = cluster_keys_for(&self, &h);
			if (with[i][j] == NULL) {
				assert_null(key);
				continue;
			}
			assert_bytes_equal(key_id_bytes(&key->id), bytes_str(with[i][j]));
			struct rpc_proof p;
			cluster_prove(key, CLUSTER_DIALLER, &t, &p);
			assert_true(cluster_believe(&peer, CLUSTER_DIALLER, &t, &p));
		}
	}
}

/* Made with another implementation of BLAKE2b: nodes of two builds must agree on them (V1). */
static void golden_proofs(void **state)
{
	(void)state;
	static const char *const macs[] = {
		[CLUSTER_DIALLED] = "d6163ce2dc3573762c541d71c93267f0542aa2a10cda8659d244fb8e2cfb1a78",
		[CLUSTER_DIALLER] = "6ba66f0b1f3c5fd0d0261f42dd38e96191a91419d6cda59da5f0e1ce0ac48c1c",
	};
	struct cluster_keys k = keys_of("c1:" SECRET_A);
	struct cluster_transcript t;
	cluster_transcript_put(&t, CLUSTER_DIALLED, BYTES_LIT("dialled's hello"));
	cluster_transcript_put(&t, CLUSTER_DIALLER, BYTES_LIT("dialler's hello"));
	for (unsigned role = CLUSTER_DIALLED; role <= CLUSTER_DIALLER; role++) {
		char hex[2 * RPC_MAC_BYTES + 1];
		struct rpc_proof p;
		cluster_prove(&k.keys[0], (enum cluster_role)role, &t, &p);
		text_hex(hex, bytes_of(p.mac, sizeof(p.mac)));
		assert_string_equal(hex, macs[role]);
		assert_bytes_equal(key_id_bytes(&p.key), BYTES_LIT("c1"));
	}
}

/* -- what is no proof -- */

struct said {
	struct cluster_keys keys;
	struct buf hello[2]; /* of the dialled, of the dialler */
	struct cluster_transcript t;
	struct rpc_proof proof; /* of the dialler */
};

static int setup(void **state)
{
	struct said *s = calloc(1, sizeof(*s));
	struct arena scratch;
	arena_init(&scratch, RPC_ARENA_MAX);
	s->keys = keys_of("c1:" SECRET_A);
	for (uint8_t i = 0; i < 2; i++) {
		struct rpc_msg m = { .kind = RPC_HELLO, .hello = test_hello((uint8_t)(i + 1)) };
		cluster_keys_name(&s->keys, &m.hello);
		memset(m.hello.challenge, 0x11 * (i + 1), sizeof(m.hello.challenge));
		buf_init(&s->hello[i], RPC_FRAME_MAX);
		assert_int_equal(rpc_encode(&m, &scratch, &s->hello[i]), OK);
	}
	arena_fini(&scratch);
	cluster_transcript_put(&s->t, CLUSTER_DIALLED, buf_bytes(&s->hello[0]));
	cluster_transcript_put(&s->t, CLUSTER_DIALLER, buf_bytes(&s->hello[1]));
	cluster_prove(&s->keys.keys[0], CLUSTER_DIALLER, &s->t, &s->proof);
	assert_true(cluster_believe(&s->keys, CLUSTER_DIALLER, &s->t, &s->proof));
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct said *s = *state;
	buf_fini(&s->hello[0]);
	buf_fini(&s->hello[1]);
	free(s);
	return 0;
}

static bool believed(const struct said *s, const struct cluster_transcript *t)
{
	return cluster_believe(&s->keys, CLUSTER_DIALLER, t, &s->proof);
}

static void any_changed_bit_of_a_hello(void **state)
{
	struct said *s = *state;
	for (unsigned i = 0; i < 2; i++) {
		enum cluster_role role = i == 0 ? CLUSTER_DIALLED : CLUSTER_DIALLER;
		assert_true(s->hello[i].n > 100);
		for (size_t bit = 0; bit < 8 * s->hello[i].n; bit++) {
			struct cluster_transcript t = s->t;
			s->hello[i].p[bit / 8] ^= (uint8_t)(1u << bit % 8);
			cluster_transcript_put(&t, role, buf_bytes(&s->hello[i]));
			s->hello[i].p[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_false(believed(s, &t));
		}
		struct cluster_transcript t = s->t;
		cluster_transcript_put(&t, role, bytes_head(buf_bytes(&s->hello[i]), s->hello[i].n - 1));
		assert_false(believed(s, &t));
		cluster_transcript_put(&t, role, BYTES_NONE);
		assert_false(believed(s, &t));
	}
	assert_true(believed(s, &s->t));
}

static void any_changed_bit_of_the_mac(void **state)
{
	struct said *s = *state;
	for (size_t bit = 0; bit < 8 * sizeof(s->proof.mac); bit++) {
		s->proof.mac[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(believed(s, &s->t));
		s->proof.mac[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void another_role_or_hellos_swapped(void **state)
{
	struct said *s = *state;
	assert_false(cluster_believe(&s->keys, CLUSTER_DIALLED, &s->t, &s->proof));
	struct cluster_transcript swapped;
	cluster_transcript_put(&swapped, CLUSTER_DIALLED, buf_bytes(&s->hello[1]));
	cluster_transcript_put(&swapped, CLUSTER_DIALLER, buf_bytes(&s->hello[0]));
	assert_false(believed(s, &swapped));
	assert_false(cluster_believe(&s->keys, CLUSTER_DIALLED, &swapped, &s->proof));
}

static void another_key_or_an_unknown_id(void **state)
{
	struct said *s = *state;
	static const char *const others[] = { "c1:" SECRET_B, "c2:" SECRET_A, "c2:" SECRET_A "\nc1:" SECRET_B };
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct cluster_keys k = keys_of(others[i]);
		assert_false(cluster_believe(&k, CLUSTER_DIALLER, &s->t, &s->proof));
	}
	struct cluster_keys none = { .n = 0 };
	assert_false(cluster_believe(&none, CLUSTER_DIALLER, &s->t, &s->proof));
	struct cluster_keys both = keys_of("c2:" SECRET_B "\nc1:" SECRET_A);
	assert_true(cluster_believe(&both, CLUSTER_DIALLER, &s->t, &s->proof));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),
		cmocka_unit_test(a_hello_names_the_keys),
		cmocka_unit_test(the_first_key_in_common_speaks),
		cmocka_unit_test(golden_proofs),
		cmocka_unit_test_setup_teardown(any_changed_bit_of_a_hello, setup, teardown),
		cmocka_unit_test_setup_teardown(any_changed_bit_of_the_mac, setup, teardown),
		cmocka_unit_test_setup_teardown(another_role_or_hellos_swapped, setup, teardown),
		cmocka_unit_test_setup_teardown(another_key_or_an_unknown_id, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
