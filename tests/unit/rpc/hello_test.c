#include "rpc/hello.h"

#include "rpc_test.h"

static enum rpc_refusal check(struct rpc_hello self, struct rpc_hello peer, uint32_t *version)
{
	return hello_check(&self, &peer, version);
}

static void the_highest_common_version(void **state)
{
	(void)state;
	static const struct {
		uint32_t self_min, self_max, peer_min, peer_max;
		uint32_t version; /* 0: refused */
	} table[] = {
		{ 1, 1, 1, 1, 1 },
		{ 1, 2, 1, 3, 2 },
		{ 1, 3, 2, 2, 2 },
		{ 2, 3, 1, 2, 2 },
		{ 2, 4, 3, 9, 4 },
		{ 1, 1, 2, 2, 0 },
		{ 5, 6, 1, 4, 0 },
		{ 1, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct rpc_hello self = test_hello(1), peer = test_hello(2);
		uint32_t version = 77;
		self.version_min = table[i].self_min;
		self.version_max = table[i].self_max;
		peer.version_min = table[i].peer_min;
		peer.version_max = table[i].peer_max;
		bool fits = table[i].version != 0;
		assert_int_equal(check(self, peer, &version), fits ? RPC_NOT_REFUSED : RPC_REFUSED_VERSION);
		assert_int_equal(version, fits ? table[i].version : 77);
		/* Both sides come to the same. */
		assert_int_equal(check(peer, self, &version), fits ? RPC_NOT_REFUSED : RPC_REFUSED_VERSION);
		assert_int_equal(version, fits ? table[i].version : 77);
	}
}

static void another_cluster_and_oneself(void **state)
{
	(void)state;
	struct rpc_hello self = test_hello(1), peer = test_hello(2);
	uint32_t version = 77;
	peer.cluster = BYTES_LIT("demo2");
	assert_int_equal(check(self, peer, &version), RPC_REFUSED_CLUSTER);
	peer.cluster = BYTES_LIT("dem");
	assert_int_equal(check(self, peer, &version), RPC_REFUSED_CLUSTER);
	assert_int_equal(check(self, self, &version), RPC_REFUSED_SELF);
	peer = test_hello(1);
	peer.incarnation.nonce++;
	assert_int_equal(check(self, peer, &version), RPC_REFUSED_SELF);
	assert_int_equal(version, 77);
	/* Features never refuse. */
	peer = test_hello(2);
	peer.features = UINT64_MAX;
	assert_int_equal(check(self, peer, &version), RPC_NOT_REFUSED);
}

static struct rpc_hello with_keys(uint8_t id, const char *first, const char *second)
{
	struct rpc_hello h = test_hello(id);
	assert_int_equal(key_id_set(&h.keys[0], bytes_str(first)), OK);
	if (second != NULL)
		assert_int_equal(key_id_set(&h.keys[1], bytes_str(second)), OK);
	h.keys_n = second == NULL ? 1 : 2;
	return h;
}

static void a_key_in_common_or_none_at_all(void **state)
{
	(void)state;
	uint32_t version = 77;
	struct rpc_hello none = test_hello(1), old = with_keys(2, "old", NULL);
	assert_int_equal(check(old, with_keys(3, "new", NULL), &version), RPC_REFUSED_KEY);
	assert_int_equal(check(old, none, &version), RPC_REFUSED_KEY);
	assert_int_equal(check(none, old, &version), RPC_REFUSED_KEY);
	/* A prefix of an id is another id. */
	assert_int_equal(check(old, with_keys(3, "ol", "oldest"), &version), RPC_REFUSED_KEY);
	/* What is wrong otherwise is told first. */
	struct rpc_hello other = with_keys(3, "new", NULL);
	other.cluster = BYTES_LIT("prod");
	assert_int_equal(check(old, other, &version), RPC_REFUSED_CLUSTER);
	other = with_keys(3, "new", NULL);
	other.version_min = other.version_max = 9;
	assert_int_equal(check(old, other, &version), RPC_REFUSED_VERSION);
	assert_int_equal(version, 77);
	assert_int_equal(check(old, with_keys(3, "new", "old"), &version), RPC_NOT_REFUSED);
	assert_int_equal(check(with_keys(3, "new", "old"), old, &version), RPC_NOT_REFUSED);
	assert_int_equal(version, 2);
}

static void texts_tell_both_sides(void **state)
{
	(void)state;
	char text[RPC_TEXT_MAX + 1], name[RPC_NAME_MAX];
	struct rpc_hello self = test_hello(1), peer = test_hello(2);
	peer.cluster = BYTES_LIT("prod");
	hello_refusal_text(RPC_REFUSED_CLUSTER, &self, &peer, text);
	assert_string_equal(text, "node 'delivery-1' is of cluster 'demo', not of 'prod'");
	hello_refusal_text(RPC_REFUSED_VERSION, &self, &peer, text);
	assert_string_equal(text, "node 'delivery-1' speaks protocol versions 1 to 2, not 1 to 2");
	hello_refusal_text(RPC_REFUSED_CLUSTER, &self, NULL, text);
	assert_string_equal(text, "refused by node 'delivery-1'");
	hello_refusal_text(RPC_REFUSED_MALFORMED, &self, NULL, text);
	assert_string_equal(text, "no valid hello");
	self = with_keys(1, "old", NULL);
	peer = with_keys(2, "new", NULL);
	peer.name = BYTES_LIT("api-1");
	hello_refusal_text(RPC_REFUSED_KEY, &self, &peer, text);
	assert_string_equal(text, "node 'api-1' does not know this cluster's key");
	peer.keys_n = 0;
	hello_refusal_text(RPC_REFUSED_KEY, &self, &peer, text);
	assert_string_equal(
	    text, "node 'delivery-1' demands a proof of the cluster's key, and node 'api-1' has none");
	hello_refusal_text(RPC_REFUSED_KEY, &peer, &self, text);
	assert_string_equal(
	    text, "node 'api-1' has no cluster key, and node 'delivery-1' demands a proof of one");
	memset(name, 'n', sizeof(name));
	self.name = self.cluster = peer.cluster = bytes_of(name, sizeof(name));
	hello_refusal_text(RPC_REFUSED_CLUSTER, &self, &peer, text);
	assert_true(strlen(text) < RPC_TEXT_MAX);
	assert_non_null(strstr(text, "not of"));
}

static void which_of_two_links_stays(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		uint8_t self, peer;
		bool new_dialled, old_dialled;
		uint64_t new_count, old_count;
		enum hello_verdict verdict;
	} table[] = {
		{ "crossed dials, the peer's is the lower id's", 2, 1, false, true, 3, 3, HELLO_NEW_STAYS },
		{ "crossed dials, ours is the lower id's", 1, 2, false, true, 3, 3, HELLO_OLD_STAYS },
		{ "a second address of a peer we have", 1, 2, true, true, 3, 3, HELLO_OLD_STAYS },
		{ "a dial to a peer that has dialled us", 1, 2, true, false, 3, 3, HELLO_OLD_STAYS },
		{ "a dial to a peer that has dialled us", 2, 1, true, false, 3, 3, HELLO_OLD_STAYS },
		{ "the peer dials again: it lost the old one", 1, 2, false, false, 3, 3, HELLO_NEW_STAYS },
		{ "the peer dials again: it lost the old one", 2, 1, false, false, 3, 3, HELLO_NEW_STAYS },
		{ "the peer started anew", 1, 2, false, true, 4, 3, HELLO_NEW_STAYS },
		{ "the peer started anew", 1, 2, true, true, 4, 3, HELLO_NEW_STAYS },
		{ "an earlier run of the peer, on a copied disk", 2, 1, false, true, 2, 3, HELLO_BOTH_STAY },
		{ "an earlier run of the peer, on a copied disk", 2, 1, false, false, 2, 3, HELLO_BOTH_STAY },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct node_id self = test_id(table[i].self);
		struct rpc_hello peer = test_hello(table[i].peer);
		peer.incarnation.count = table[i].new_count;
		struct hello_link old = { .peer = { table[i].old_count, peer.incarnation.nonce },
			.dialled = table[i].old_dialled };
		if (hello_meet(&self, &peer, table[i].new_dialled, old) != table[i].verdict)
			fail_msg("row %zu: %s", i, table[i].what);
		/* Of an unproven link its run says nothing. */
		old.unproven = true;
		enum hello_verdict proven =
		    table[i].new_count != table[i].old_count ? HELLO_NEW_STAYS : table[i].verdict;
		assert_int_equal(hello_meet(&self, &peer, table[i].new_dialled, old), proven);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_highest_common_version),
		cmocka_unit_test(another_cluster_and_oneself),
		cmocka_unit_test(a_key_in_common_or_none_at_all),
		cmocka_unit_test(texts_tell_both_sides),
		cmocka_unit_test(which_of_two_links_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
