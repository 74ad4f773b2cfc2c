#include "node/admin/probe.h"

#include "base/check.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

const struct histogram_bounds probe_bounds_us = { .per_unit = 1000000,
	.n = 16,
	.le = { 250, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000, 2000000,
	    5000000, 10000000, 30000000 } };

void probe_log_init(struct probe_log *l)
{
	*l = (struct probe_log){ .seen = NULL };
	histogram_init(&l->spread, &probe_bounds_us);
}

void probe_log_fini(struct probe_log *l)
{
	free(l->seen);
	l->seen = NULL;
	l->seen_n = l->seen_cap = 0;
}

/* The owner's place, made when it is new; NULL at the bound. */
static struct probe_seen *seen_of(struct probe_log *l, const struct node_id *owner)
{
	size_t low = 0, high = l->seen_n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (node_id_cmp(&l->seen[mid].owner, owner) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < l->seen_n && node_id_eq(&l->seen[low].owner, owner))
		return &l->seen[low];
	if (l->seen_n == PROBE_SEEN_MAX)
		return NULL;
	if (l->seen_n == l->seen_cap) {
		l->seen_cap = l->seen_cap == 0 ? 64 : l->seen_cap * 2;
		l->seen = realloc(l->seen, l->seen_cap * sizeof(*l->seen));
		CHECK(l->seen != NULL);
	}
	memmove(l->seen + low + 1, l->seen + low, (l->seen_n - low) * sizeof(*l->seen));
	l->seen_n++;
	l->seen[low] = (struct probe_seen){ .owner = *owner };
	return &l->seen[low];
}

void probe_log_add(
    struct probe_log *l, const struct node_id *owner, const struct rpc_entry *e, uint64_t now_wall_us)
{
	struct arena a;
	struct rpc_probe p;
	uint32_t slot;
	arena_init(&a, RPC_ARENA_MAX);
	bool is_probe = rpc_probe_key_slot(e->key, &slot) == OK && rpc_decode_probe(e->value, &a, &p) == OK;
	struct probe_seen *seen = is_probe ? seen_of(l, owner) : NULL;
	if (seen != NULL) {
		/* Whatever a peer wrote there, the difference is taken without overflow. */
		seen->number = p.number;
		seen->latency_us = (int64_t)(now_wall_us - p.wall_us);
		if (seen->latency_us > PROBE_FETCHED_US)
			l->fetched++;
		else
			histogram_observe(&l->spread, seen->latency_us > 0 ? (uint64_t)seen->latency_us : 0);
	}
	arena_fini(&a);
}

/* A whole number in its bounds; absent leaves *out. */
static bool take_number(const json_t *body, const char *key, uint32_t min, uint32_t max, uint32_t *out)
{
	const json_t *v = json_object_get(body, key);
	if (v == NULL)
		return true;
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		return false;
	*out = (uint32_t)json_integer_value(v);
	return true;
}

static bool take_members(const json_t *body, struct probe_request *r, const char **why)
{
	bool has_slots = json_object_get(body, "slots") != NULL;
	r->has_slot = json_object_get(body, "slot") != NULL;
	*why = NULL;
	if (!json_is_object(body))
		*why = "The body must be a JSON object.";
	else if (r->has_slot && has_slots)
		*why = "Name one slot, or say how many slots, not both.";
	else if (!take_number(body, "slot", 0, RPC_PROBE_SLOTS - 1, &r->slot))
		*why = "\"slot\" must be a whole number from 0 to 999.";
	else if (!take_number(body, "slots", 1, PROBE_WRITES_MAX, &r->slots))
		*why = "\"slots\" must be a whole number from 1 to 1000.";
	else if (!take_number(body, "bytes", 0, RPC_PROBE_FILLER_MAX, &r->filler_bytes))
		*why = "\"bytes\" must be a whole number from 0 to 256.";
	return *why == NULL;
}

bool probe_request_parse(struct bytes body, struct probe_request *out, const char **why)
{
	struct probe_request r = { .slots = 1 };
	if (body.n > 0) {
		json_t *json = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
		bool fine = json != NULL && take_members(json, &r, why);
		if (json == NULL)
			*why = "The body is no JSON.";
		json_decref(json);
		if (!fine)
			return false;
	}
	*out = r;
	return true;
}
