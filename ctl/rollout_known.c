#include "ctl/rollout_known.h"

#include "base/check.h"
#include "ctl/cells.h"

#include <stdlib.h>
#include <string.h>

const char *const known_roles[ROLLOUT_ROLES] = { "api", "delivery", "ingest" };
enum { ROLE_DELIVERY = 1, MOST_MIN = 1, MOST_MAX = 1024 };

static bool is(const json_t *object, const char *key, const char *value)
{
	const char *s = member_str(object, key);
	return s != NULL && strcmp(s, value) == 0;
}

static void *grown(void *list, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return list;
	*cap = *cap == 0 ? 64 : *cap * 2;
	list = reallocarray(list, *cap, size);
	CHECK(list != NULL);
	return list;
}

/* -- nodes -- */

static uint32_t zone_of(const struct rollout_known *k, const json_t *node)
{
	const char *zone = member_str(node, "zone");
	for (uint32_t i = 0; i < k->nodes_n; i++)
		if (zone != NULL && is(k->said[i], "zone", zone))
			return k->nodes[i].zone;
	return (uint32_t)k->nodes_n;
}

static void take_roles(const json_t *node, struct rollout_node *n)
{
	const json_t *roles = json_object_get(node, "roles");
	for (size_t i = 0; i < json_array_size(roles); i++)
		for (unsigned r = 0; r < ROLLOUT_ROLES; r++) {
			const char *role = json_string_value(json_array_get(roles, i));
			n->roles[r] |= role != NULL && strcmp(role, known_roles[r]) == 0;
		}
}

static bool take_node(struct rollout_known *k, const json_t *node, const struct known_wish *w)
{
	if (member_str(node, "id") == NULL || member_str(node, "state") == NULL)
		return false;
	if (json_is_true(json_object_get(node, "expelled")))
		return true;
	bool ready = is(node, "state", "ready") && is(node, "liveness", "alive");
	struct rollout_node n = { .zone = zone_of(k, node),
		.away = !ready && !w->back,
		.done = w->to != NULL && is(node, "version", w->to) };
	take_roles(node, &n);
	uint64_t sessions = 0;
	member_u64(node, "sessions", &sessions);
	if (n.roles[ROLE_DELIVERY]) {
		member_u64(node, "capacity", &n.places);
		/* Viewers of a node that drains will want a place elsewhere. */
		k->sessions += is(node, "liveness", "down") || is(node, "state", "left") ? 0 : sessions;
		k->places += n.away ? 0 : n.places;
	}
	k->said[k->nodes_n] = node;
	k->nodes[k->nodes_n++] = n;
	return true;
}

int known_by_id(const void *a, const void *b)
{
	return strcmp(((const struct known_id *)a)->id, ((const struct known_id *)b)->id);
}

bool known_take_nodes(struct rollout_known *k, json_t *answer, const struct known_wish *w)
{
	static const char *const keys[] = { "zone", "name", NULL };
	size_t n;
	*k = (struct rollout_known){ .answer = answer };
	json_t **rows = members_sorted(json_object_get(answer, "nodes"), keys, &n);
	bool fine = rows != NULL;
	k->said = calloc(n + 1, sizeof(*k->said));
	k->nodes = calloc(n + 1, sizeof(*k->nodes));
	k->ids = calloc(n + 1, sizeof(*k->ids));
	CHECK(k->said != NULL && k->nodes != NULL && k->ids != NULL);
	for (size_t i = 0; fine && i < n; i++)
		fine = take_node(k, rows[i], w);
	free(rows);
	for (uint32_t i = 0; i < k->nodes_n; i++)
		k->ids[i] = (struct known_id){ member_str(k->said[i], "id"), i };
	qsort(k->ids, k->nodes_n, sizeof(*k->ids), known_by_id);
	return fine;
}

size_t known_most(const struct rollout_known *k, unsigned batch_permille)
{
	size_t all = 0, away = 0;
	for (size_t i = 0; i < k->nodes_n; i++) {
		all += k->nodes[i].roles[ROLE_DELIVERY];
		away += k->nodes[i].roles[ROLE_DELIVERY] && k->nodes[i].away;
	}
	size_t most = rollout_quota(all, batch_permille) + away;
	return most < MOST_MIN ? MOST_MIN : most > MOST_MAX ? MOST_MAX : most;
}

const char *known_name(const struct rollout_known *k, uint32_t node)
{
	const char *name = member_str(k->said[node], "name");
	return name != NULL && name[0] != '\0' ? name : member_str(k->said[node], "id");
}

/* -- holders -- */

/* The nodes that a piece's numbers stand for; ROLLOUT_NO_BATCH: one that is not known, or expelled. */
static uint32_t *nodes_of(const struct rollout_known *k, const json_t *ids)
{
	uint32_t *nodes = calloc(json_array_size(ids) + 1, sizeof(*nodes));
	CHECK(nodes != NULL);
	for (size_t i = 0; i < json_array_size(ids); i++) {
		struct known_id wanted = { json_string_value(json_array_get(ids, i)), 0 };
		const struct known_id *found =
		    wanted.id == NULL ? NULL : bsearch(&wanted, k->ids, k->nodes_n, sizeof(wanted), known_by_id);
		nodes[i] = found == NULL ? ROLLOUT_NO_BATCH : found->node;
	}
	return nodes;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* `content`: what it is called, or NULL. Only what is watched is kept. */
static bool take_set(
    struct rollout_known *k, const json_t *set, const char *content, const uint32_t *nodes, size_t nodes_n)
{
	struct known_set s = { .from = k->holders_n, .contents = 1 };
	if (!json_is_array(set))
		return false;
	for (size_t i = 0; i < json_array_size(set); i++) {
		const json_t *at = json_array_get(set, i);
		json_int_t v = json_integer_value(at);
		if (!json_is_integer(at) || v < 0 || (size_t)v >= nodes_n)
			return false;
		if (nodes[v] == ROLLOUT_NO_BATCH)
			continue;
		k->holders = grown(k->holders, k->holders_n, &k->holders_cap, sizeof(*k->holders));
		k->holders[k->holders_n++] = nodes[v];
		s.n++;
	}
	if (s.n == 0 || !known_is_watched(k, content, &k->holders[s.from], s.n)) {
		k->holders_n = s.from;
		return true;
	}
	qsort(&k->holders[s.from], s.n, sizeof(*k->holders), by_number);
	k->sets = grown(k->sets, k->sets_n, &k->sets_cap, sizeof(*k->sets));
	k->sets[k->sets_n++] = s;
	return true;
}

bool known_take_holders(struct rollout_known *k, const json_t *piece)
{
	const json_t *ids = json_object_get(piece, "ids"), *sets = json_object_get(piece, "sets");
	const json_t *contents = json_object_get(piece, "contents");
	if (!json_is_array(ids) || !json_is_array(sets))
		return false;
	uint32_t *nodes = nodes_of(k, ids);
	bool fine = true;
	for (size_t i = 0; fine && i < json_array_size(sets); i++)
		fine = take_set(k, json_array_get(sets, i), json_string_value(json_array_get(contents, i)), nodes,
		    json_array_size(ids));
	free(nodes);
	return fine;
}

static int by_holders(const void *x, const void *y, void *holders)
{
	const struct known_set *a = x, *b = y;
	const uint32_t *all = holders;
	for (uint32_t i = 0; i < a->n && i < b->n; i++)
		if (all[a->from + i] != all[b->from + i])
			return all[a->from + i] < all[b->from + i] ? -1 : 1;
	return a->n < b->n ? -1 : a->n > b->n;
}

void known_settle(struct rollout_known *k)
{
	size_t n = 0;
	if (k->sets_n > 0)
		qsort_r(k->sets, k->sets_n, sizeof(*k->sets), by_holders, k->holders);
	for (size_t i = 0; i < k->sets_n; i++) {
		if (n > 0 && by_holders(&k->sets[n - 1], &k->sets[i], k->holders) == 0)
			k->sets[n - 1].contents++;
		else
			k->sets[n++] = k->sets[i];
	}
	k->sets_n = n;
	k->contents = calloc(n + 1, sizeof(*k->contents));
	CHECK(k->contents != NULL);
	for (size_t i = 0; i < n; i++)
		k->contents[i] = (struct rollout_content){ &k->holders[k->sets[i].from], k->sets[i].n };
}

void known_free(struct rollout_known *k)
{
	json_decref(k->answer);
	free(k->said);
	free(k->nodes);
	free(k->ids);
	free(k->holders);
	free(k->sets);
	free(k->contents);
	free(k->watched);
	free(k->untold);
	*k = (struct rollout_known){ 0 };
}
