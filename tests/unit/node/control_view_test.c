/* From members of the replica to the view that workers read. */
#include "node/control_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { MEMBERS_MAX = 8 };

struct kvs {
	struct kvs_member members[MEMBERS_MAX];
	size_t n;
};

size_t kvs_members_n(const struct kvs *k)
{
	return k->n;
}

void kvs_member_at(const struct kvs *k, size_t i, struct kvs_member *out)
{
	assert_true(i < k->n);
	*out = k->members[i];
}

static const struct bytes URLS[] = { BYTES_LIT("http://10.0.0.1:8080"), BYTES_LIT("http://10.0.0.2:8080") };

static struct rpc_register reg(const char *name)
{
	struct rpc_register r = {
		.name = bytes_str(name),
		.zone = BYTES_LIT("z"),
		.roles = RPC_ROLE_DELIVERY,
		.state = NODE_READY,
		.capacity_sessions = 500,
		.http_urls = URLS,
		.http_urls_n = 2,
	};
	return r;
}

static struct kvs_member *add(struct kvs *k, uint8_t id, const struct rpc_register *r)
{
	struct kvs_member *m = &k->members[k->n++];
	*m = (struct kvs_member){ .id = { { id } }, .incarnation = { 7, 9 }, .reg = r, .liveness = KVS_ALIVE };
	return m;
}

static struct cluster_view *view_of(const struct kvs *k, struct tally *t)
{
	struct node_id self = { { 2 } };
	return control_view_new(k, t, &self, 1234);
}

static void members_become_nodes(void **state)
{
	(void)state;
	struct tally *t = tally_new();
	struct rpc_register a = reg("a"), b = reg("b");
	b.state = NODE_DRAINING;
	b.http_urls_n = 0;
	struct kvs k = { .n = 0 };
	struct kvs_member *m = add(&k, 1, &a);
	m->has_load = true;
	m->load.sessions = 42;
	m->load_seen_ms = 1000;
	m = add(&k, 2, &b);
	m->liveness = KVS_SUSPECT;
	m->load.sessions = 99; /* not known: not to be taken */
	struct cluster_view *v = view_of(&k, t);
	assert_int_equal(v->nodes_n, 2);
	assert_int_equal(v->made_mono_ms, 1234);
	const struct view_node *n = &v->nodes[0];
	assert_int_equal(n->id.b[0], 1);
	assert_string_equal(n->name, "a");
	assert_string_equal(n->zone, "z");
	assert_string_equal(n->http_url, "http://10.0.0.1:8080");
	assert_int_equal(n->roles, RPC_ROLE_DELIVERY);
	assert_int_equal(n->state, NODE_READY);
	assert_int_equal(n->liveness, KVS_ALIVE);
	assert_int_equal(n->incarnation, 7);
	assert_int_equal(n->capacity, 500);
	assert_true(n->has_load);
	assert_int_equal(n->load, 42);
	assert_int_equal(n->load_seen_ms, 1000);
	assert_int_equal(n->slot, tally_slot(t, &n->id));
	assert_false(n->self);
	n = &v->nodes[1];
	assert_int_equal(n->state, NODE_DRAINING);
	assert_int_equal(n->liveness, KVS_SUSPECT);
	assert_string_equal(n->http_url, "");
	assert_false(n->has_load);
	assert_int_equal(n->load, 0);
	assert_true(n->self);
	assert_int_not_equal(v->nodes[0].slot, v->nodes[1].slot);
	cluster_view_free(v);
	tally_free(t);
}

/* A node may be full in Mbit/s before it is full in sessions. */
static void load_is_of_the_nearer_bound(void **state)
{
	(void)state;
	static const struct {
		uint32_t capacity_mbps, sessions, reckoned_mbps, load, egress_mbps, busy;
	} cases[] = { { 1000, 42, 0, 42, 0, 84 }, { 1000, 42, 80, 42, 500, 500 },
		{ 1000, 42, 600, 300, 500, 600 }, { 1000, 42, 1000, 500, 1001, 1001 },
		{ 1000, 42, 2000, 1000, 0, 2000 }, { 0, 42, 600, 42, 9999, 84 },
		{ 1, 1, UINT32_MAX, UINT32_MAX, 0, UINT32_MAX } };
	struct tally *t = tally_new();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rpc_register r = reg("x");
		struct kvs k = { .n = 0 };
		r.capacity_mbps = cases[i].capacity_mbps;
		struct kvs_member *m = add(&k, 1, &r);
		m->has_load = true;
		m->load.sessions = cases[i].sessions;
		m->load.reckoned_mbps = cases[i].reckoned_mbps;
		m->load.egress_mbps = cases[i].egress_mbps;
		struct cluster_view *v = view_of(&k, t);
		assert_int_equal(v->nodes[0].load, cases[i].load);
		assert_int_equal(v->nodes[0].busy_permille, cases[i].busy);
		cluster_view_free(v);
	}
	tally_free(t);
}

static void members_never_heard_of_are_left_out(void **state)
{
	(void)state;
	struct tally *t = tally_new();
	struct rpc_register r = reg("x");
	struct kvs k = { .n = 0 };
	add(&k, 1, NULL);
	add(&k, 2, &r);
	add(&k, 3, NULL);
	add(&k, 4, &r);
	struct cluster_view *v = view_of(&k, t);
	assert_int_equal(v->nodes_n, 2);
	assert_int_equal(v->nodes[0].id.b[0], 2);
	assert_int_equal(v->nodes[1].id.b[0], 4);
	cluster_view_free(v);
	k.n = 0;
	v = view_of(&k, t);
	assert_int_equal(v->nodes_n, 0);
	cluster_view_free(v);
	tally_free(t);
}

static void texts_are_bounded(void **state)
{
	(void)state;
	struct tally *t = tally_new();
	static char text[RPC_ADDRESS_MAX + 200];
	memset(text, 'x', sizeof(text));
	struct rpc_register r = reg("");
	r.name = bytes_of(text, RPC_NAME_MAX);
	r.zone = bytes_of(text, RPC_NAME_MAX + 1);
	memcpy(text, "http://", 7);
	struct bytes url = bytes_of(text, sizeof(text));
	r.http_urls = &url;
	r.http_urls_n = 1;
	struct kvs k = { .n = 0 };
	add(&k, 1, &r);
	struct cluster_view *v = view_of(&k, t);
	assert_int_equal(strlen(v->nodes[0].name), RPC_NAME_MAX);
	assert_int_equal(strlen(v->nodes[0].zone), RPC_NAME_MAX);
	assert_int_equal(strlen(v->nodes[0].http_url), RPC_ADDRESS_MAX);
	cluster_view_free(v);
	tally_free(t);
}

/* A register is another node's word; its URL becomes a part of every URI and of JSON. */
static void what_is_no_plain_url_is_none(void **state)
{
	(void)state;
	static const char *const bad[] = { "", "http", "a:80", "javascript:x", "http://a\"b", "http://a b",
		"http://a\\b", "http://a\n", "http://\xc3\xa9", "https://a\x7f" };
	struct tally *t = tally_new();
	struct rpc_register r = reg("a");
	struct bytes url;
	r.http_urls = &url;
	r.http_urls_n = 1;
	struct kvs k = { .n = 0 };
	add(&k, 1, &r);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		url = bytes_str(bad[i]);
		struct cluster_view *v = view_of(&k, t);
		assert_string_equal(v->nodes[0].http_url, "");
		cluster_view_free(v);
	}
	url = BYTES_LIT("https://[::1]:443");
	struct cluster_view *v = view_of(&k, t);
	assert_string_equal(v->nodes[0].http_url, "https://[::1]:443");
	cluster_view_free(v);
	tally_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_become_nodes),
		cmocka_unit_test(load_is_of_the_nearer_bound),
		cmocka_unit_test(members_never_heard_of_are_left_out),
		cmocka_unit_test(texts_are_bounded),
		cmocka_unit_test(what_is_no_plain_url_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
