#include "ctl/rollout_said.h"

#include "base/check.h"
#include "ctl/cells.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { REFUSAL_MAX = 600 };

static json_t *sure(json_t *j)
{
	CHECK(j != NULL);
	return j;
}

static void set(json_t *object, const char *key, json_t *value)
{
	CHECK(json_object_set_new(object, key, sure(value)) == 0);
}

static void append(json_t *array, json_t *value)
{
	CHECK(json_array_append_new(array, sure(value)) == 0);
}

static json_t *number(uint64_t v)
{
	return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

static json_t *text_or_null(const char *text)
{
	return text == NULL || text[0] == '\0' ? json_null() : json_string(text);
}

/* -- why not -- */

static uint64_t wanted(const struct rollout_known *k, const struct rollout_terms *t)
{
	return t->peak > k->sessions ? t->peak : k->sessions;
}

static void say_refusal(const struct rollout_known *k, const struct rollout_plan *p,
    const struct rollout_terms *t, char out[REFUSAL_MAX])
{
	const char *role = known_roles[p->role];
	out[0] = '\0';
	switch (p->verdict) {
	case ROLLOUT_PLANNED: break;
	case ROLLOUT_ONLY_NODE:
		snprintf(out, REFUSAL_MAX, "%.200s is the only %s node that is there: nobody would stand in for it",
		    known_name(k, p->node), role);
		break;
	case ROLLOUT_MANY_AWAY:
		snprintf(out, REFUSAL_MAX,
		    "%zu of %zu %s nodes are away already, and no more may be: let them come back, or expel those "
		    "that never will",
		    p->away, p->all, role);
		break;
	case ROLLOUT_NO_ROOM:
		snprintf(out, REFUSAL_MAX,
		    "without %.200s the other delivery nodes have %" PRIu64 " places, and %" PRIu64
		    " are needed (%" PRIu64 " sessions now, peak %" PRIu64 ")",
		    known_name(k, p->node), p->places, wanted(k, t), k->sessions, t->peak);
		break;
	case ROLLOUT_NOTHING_TO_DO: snprintf(out, REFUSAL_MAX, "no node is there that could be upgraded"); break;
	}
}

/* -- as JSON -- */

/* What is up while the batch is away. */
struct remains {
	uint64_t up[ROLLOUT_ROLES], places;
	size_t last_copies;
};

static void count_remains(
    const struct rollout_known *k, const struct rollout_plan *p, uint32_t batch, struct remains *out)
{
	*out = (struct remains){ 0 };
	for (uint32_t i = 0; i < k->nodes_n; i++) {
		const struct rollout_node *n = &k->nodes[i];
		if (n->away || p->batch_of[i] == batch)
			continue;
		for (unsigned r = 0; r < ROLLOUT_ROLES; r++)
			out->up[r] += n->roles[r];
		out->places += n->places;
	}
}

static json_t *batch_said(
    const struct rollout_known *k, const struct rollout_plan *p, uint32_t batch, const size_t *last_copies)
{
	json_t *nodes = sure(json_array()), *up = sure(json_object()), *b = sure(json_object());
	const char *zone = NULL;
	struct remains left;
	count_remains(k, p, batch, &left);
	for (uint32_t i = 0; i < k->nodes_n; i++) {
		if (p->batch_of[i] != batch)
			continue;
		append(nodes, json_string(known_name(k, i)));
		zone = member_str(k->said[i], "zone");
	}
	for (unsigned r = 0; r < ROLLOUT_ROLES; r++)
		set(up, known_roles[r], number(left.up[r]));
	set(b, "nodes", nodes);
	set(b, "zone", text_or_null(zone));
	set(b, "up", up);
	set(b, "places", number(left.places));
	set(b, "last_copies", k->holders_known ? number(last_copies[batch]) : json_null());
	return b;
}

/* Contents with viewers that one node holds alone, by that node's batch. */
static size_t *count_last_copies(const struct rollout_known *k, const struct rollout_plan *p)
{
	size_t *n = calloc((size_t)p->batches_n + 1, sizeof(*n));
	CHECK(n != NULL);
	for (size_t i = 0; i < k->sets_n; i++) {
		const struct rollout_content *c = &k->contents[i];
		size_t there = 0;
		uint32_t holder = 0;
		for (size_t h = 0; h < c->holders_n; h++)
			if (!k->nodes[c->holders[h]].away) {
				there++;
				holder = c->holders[h];
			}
		if (there == 1 && p->batch_of[holder] != ROLLOUT_NO_BATCH)
			n[p->batch_of[holder]] += k->sets[i].contents;
	}
	return n;
}

static json_t *batches_said(const struct rollout_known *k, const struct rollout_plan *p)
{
	json_t *batches = sure(json_array());
	if (p->verdict != ROLLOUT_PLANNED)
		return batches;
	size_t *last_copies = count_last_copies(k, p);
	for (uint32_t b = 0; b < p->batches_n; b++)
		append(batches, batch_said(k, p, b, last_copies));
	free(last_copies);
	return batches;
}

static void say_common(
    json_t *said, const struct rollout_known *k, const struct rollout_plan *p, const struct rollout_terms *t)
{
	char refusal[REFUSAL_MAX];
	bool all_done = k->nodes_n > 0 && t->to != NULL && p->verdict == ROLLOUT_NOTHING_TO_DO;
	for (size_t i = 0; i < k->nodes_n; i++)
		all_done = all_done && k->nodes[i].done;
	say_refusal(k, p, t, refusal);
	set(said, "to", text_or_null(t->to));
	set(said, "sessions", number(k->sessions));
	set(said, "peak", t->peak > 0 ? number(t->peak) : json_null());
	set(said, "places", number(k->places));
	set(said, "holders_known", json_boolean(k->holders_known));
	set(said, "batches", batches_said(k, p));
	set(said, "refused", text_or_null(all_done ? NULL : refusal));
}

json_t *rollout_said(
    const struct rollout_known *k, const struct rollout_plan *p, const struct rollout_terms *t)
{
	json_t *said = sure(json_object()), *away = sure(json_array()), *done = sure(json_array());
	json_t *untold = sure(json_array());
	say_common(said, k, p, t);
	for (uint32_t i = 0; i < k->nodes_n; i++) {
		if (k->nodes[i].away)
			append(away, json_string(known_name(k, i)));
		else if (k->nodes[i].done)
			append(done, json_string(known_name(k, i)));
		if (k->watched_known && k->untold[i])
			append(untold, json_string(known_name(k, i)));
	}
	set(said, "watched_known", json_boolean(k->watched_known));
	set(said, "untold", untold);
	set(said, "nodes", number(k->nodes_n));
	set(said, "away", away);
	set(said, "done", done);
	return said;
}

json_t *rollout_status_said(
    const struct rollout_known *k, const struct rollout_plan *p, const struct rollout_terms *t)
{
	static const char *const copied[] = { "name", "id", "roles", "zone", "state", "liveness", "version",
		"sessions", "capacity" };
	json_t *said = sure(json_object()), *nodes = sure(json_array()), *versions = sure(json_object());
	say_common(said, k, p, t);
	for (uint32_t i = 0; i < k->nodes_n; i++) {
		json_t *n = sure(json_object());
		for (size_t c = 0; c < sizeof(copied) / sizeof(copied[0]); c++)
			if (json_object_get(k->said[i], copied[c]) != NULL)
				CHECK(json_object_set(n, copied[c], json_object_get(k->said[i], copied[c])) == 0);
		bool planned = p->batch_of != NULL && p->batch_of[i] != ROLLOUT_NO_BATCH;
		set(n, "done", json_boolean(k->nodes[i].done));
		set(n, "batch", planned && t->to != NULL ? number(p->batch_of[i] + 1) : json_null());
		append(nodes, n);
		const char *version = member_str(k->said[i], "version");
		version = version == NULL ? "" : version;
		set(versions, version, number((uint64_t)json_integer_value(json_object_get(versions, version)) + 1));
	}
	set(said, "nodes", nodes);
	set(said, "versions", versions);
	return said;
}
