/* What is seen from outside: bytes and frames, which node has which update since when, false alarms. */
#include "base/check.h"
#include "rpc/entries.h"
#include "scale.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t VALUE_MARK[8] = { 's', 'c', 'a', 'l', 'e', 0xff, 0xfe, 0xfd };

/* A location's key, as an origin and a content make it. */
void scale_key(size_t update, uint8_t key[SCALE_KEY_BYTES])
{
	uint8_t whole[RPC_KEY_MAX];
	char content[24];
	size_t n;
	int content_n = snprintf(content, sizeof(content), "%014zx", update);
	CHECK(rpc_location_key(BYTES_LIT("live"), bytes_of(content, (size_t)content_n), whole, &n) == OK);
	CHECK(n == SCALE_KEY_BYTES);
	memcpy(key, whole, n);
}

/* Says which update it is. */
void scale_value(size_t update, uint8_t value[SCALE_VALUE_BYTES])
{
	struct prng filler;
	prng_init(&filler, update);
	for (size_t i = 0; i < SCALE_VALUE_BYTES; i++)
		value[i] = (uint8_t)prng_next(&filler);
	uint64_t number = update;
	memcpy(value, VALUE_MARK, sizeof(VALUE_MARK));
	memcpy(value + sizeof(VALUE_MARK), &number, sizeof(number));
}

static bool update_of(const struct scale *s, const struct rpc_entry *e, size_t *update)
{
	uint64_t number;
	if (e->value.n != SCALE_VALUE_BYTES || memcmp(e->value.p, VALUE_MARK, sizeof(VALUE_MARK)) != 0)
		return false;
	memcpy(&number, e->value.p + sizeof(VALUE_MARK), sizeof(number));
	*update = number;
	return number < s->updates_n;
}

size_t scale_node_of(const struct node_id *id)
{
	size_t node = 0;
	for (size_t i = NODE_ID_BYTES - 4; i < NODE_ID_BYTES; i++)
		node = node << 8 | id->b[i];
	return node;
}

/* -- updates -- */

static void mark(struct scale *s, size_t node, struct scale_update *u)
{
	uint64_t bit = UINT64_C(1) << (node % 64);
	if ((u->known[node / 64] & bit) != 0)
		return;
	u->known[node / 64] |= bit;
	u->known_n++;
	u->last_us = s->now_us;
	if (u->known_n == s->living_n)
		s->spread_n++;
}

static bool is_marked(const struct scale_update *u, size_t node)
{
	return (u->known[node / 64] >> (node % 64) & 1) != 0;
}

/* A row is whole up to `have`, so it is the newest ones that may be new. */
static void mark_up_to(struct scale *s, size_t node, const struct scale_node *owner, uint64_t have)
{
	for (size_t i = owner->versioned_n; i-- > 0;) {
		struct scale_update *u = &s->updates[owner->updates[i]];
		if (u->version > have)
			continue;
		if (is_marked(u, node))
			return;
		mark(s, node, u);
	}
}

static void look_at_row(struct scale *s, size_t node, size_t owner)
{
	struct kvs_row row;
	scale_enter(s, node);
	bool there = kvs_row_of(s->nodes[node].k, &s->nodes[owner].id, RPC_LOCATIONS, &row);
	scale_leave(s);
	if (there)
		mark_up_to(s, node, &s->nodes[owner], row.meta.have);
}

void scale_count_frame(struct scale *s, size_t node, const struct rpc_row_frame *f)
{
	if (f->stream != RPC_LOCATIONS || f->entries_n == 0)
		return;
	for (size_t i = 0; i < f->entries_n; i++) {
		size_t update;
		if (update_of(s, &f->entries[i], &update))
			s->updates[update].copies++;
	}
	look_at_row(s, node, scale_node_of(&f->owner));
}

void scale_count_stored(struct scale *s, size_t node)
{
	struct scale_node *n = &s->nodes[node];
	for (; n->versioned_n < n->updates_n; n->versioned_n++) {
		size_t update = n->updates[n->versioned_n];
		uint8_t key[SCALE_KEY_BYTES];
		scale_key(update, key);
		struct rpc_entry e;
		scale_enter(s, node);
		bool there = kvs_entry_of(n->k, &n->id, RPC_LOCATIONS, bytes_of(key, sizeof(key)), &e);
		scale_leave(s);
		if (!there)
			return;
		s->updates[update].version = e.version;
		mark(s, node, &s->updates[update]);
	}
}

void scale_count_all(struct scale *s, size_t first_update)
{
	for (size_t u = first_update; u < s->updates_n; u++) {
		size_t owner = s->updates[u].owner;
		for (size_t i = 0; i < s->o.nodes && s->updates[u].known_n < s->living_n; i++)
			if (scale_runs(s, i) && !is_marked(&s->updates[u], i))
				look_at_row(s, i, owner);
	}
}

/* -- members -- */

/* Members are sorted by id. */
static bool member_of(const struct kvs *k, const struct node_id *id, struct kvs_member *m)
{
	size_t low = 0, high = kvs_members_n(k);
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		kvs_member_at(k, mid, m);
		int order = node_id_cmp(&m->id, id);
		if (order == 0)
			return true;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static bool all_are_alive(const struct scale *s, const struct kvs *k)
{
	if (kvs_members_n(k) < s->o.nodes)
		return false;
	for (size_t i = 0; i < kvs_members_n(k); i++) {
		struct kvs_member m;
		kvs_member_at(k, i, &m);
		if (m.reg == NULL || m.liveness != KVS_ALIVE)
			return false;
	}
	return true;
}

bool scale_knows_all(struct scale *s, size_t node)
{
	scale_enter(s, node);
	bool all = all_are_alive(s, s->nodes[node].k);
	scale_leave(s);
	return all;
}

bool scale_knows_victim(struct scale *s, size_t node)
{
	struct kvs_member m;
	scale_enter(s, node);
	bool known = member_of(s->nodes[node].k, &s->nodes[s->victim].id, &m);
	scale_leave(s);
	return known && m.liveness == KVS_DOWN;
}

static void say(const struct scale *s, size_t node, const struct kvs_event *e, const char *what)
{
	if (s->o.verbose)
		fprintf(stderr, "  at %" PRIu64 " ms, node %zu of node %zu: %s: %s\n", s->now_us / 1000, node,
		    scale_node_of(&e->node), what, e->detail);
}

void scale_count_events(struct scale *s, size_t node)
{
	for (size_t i = 0; i < s->out->events_n; i++) {
		const struct kvs_event *e = &s->out->events[i];
		switch (e->kind) {
		case KVS_EVENT_NODE_DOWN:
			if (!s->apart && scale_runs(s, scale_node_of(&e->node))) {
				s->false_alarms++;
				say(s, node, e, "false alarm");
			}
			break;
		case KVS_EVENT_NODE_SUSPECT:
		case KVS_EVENT_CLAIM:
			if (!s->apart && scale_runs(s, scale_node_of(&e->node))) {
				s->errors++;
				say(s, node, e, "false suspicion");
			}
			break;
		case KVS_EVENT_CLAIM_WITHDRAWN:
		case KVS_EVENT_NODE_ALIVE:
		case KVS_EVENT_NODE_STATE: break;
		case KVS_EVENT_LIFE_RAISED:
			if (!s->apart)
				s->errors++;
			break;
		default: s->errors++; say(s, node, e, "error");
		}
	}
	struct scale_node *n = &s->nodes[node];
	if (s->victim != SIZE_MAX && s->out->members_changed && !n->told && scale_knows_victim(s, node)) {
		n->told = true;
		s->told_n++;
		s->told_us = s->now_us;
	}
}

/* -- traffic -- */

void scale_traffic_since(const struct scale *s, const struct scale_traffic *then, struct scale_traffic *out)
{
	for (size_t i = 0; i < SCALE_KINDS; i++) {
		out->frames[i] = s->sent.frames[i] - then->frames[i];
		out->bytes[i] = s->sent.bytes[i] - then->bytes[i];
	}
}

uint64_t scale_traffic_bytes(const struct scale_traffic *t)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < SCALE_KINDS; i++)
		sum += t->bytes[i];
	return sum;
}

uint64_t scale_traffic_frames(const struct scale_traffic *t)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < SCALE_KINDS; i++)
		sum += t->frames[i];
	return sum;
}
