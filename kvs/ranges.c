#include "kvs/ranges.h"

#include "base/check.h"
#include "kvs/out.h"
#include "kvs/prints.h"
#include "kvs/sync.h"

/* A range most of whose parts differ is listed whole: going deeper would find the same. */
enum { MANY_DIFFER = 12 };

static void add(struct kvs_link *link, bool digest, uint32_t depth, uint32_t prefix)
{
	if (link->pending_n == KVS_RANGES_PENDING_MAX)
		return; /* the next comparison finds it again */
	link->pending[link->pending_n++] =
	    (struct range_pending){ .digest = digest, .depth = (uint8_t)depth, .prefix = (uint16_t)prefix };
}

/* Asks about the last ranges of the list that have one depth. */
static void ask(struct kvs *k, struct kvs_link *link)
{
	struct rpc_msg *m = out_send(k, link, RPC_RANGES, true);
	if (m == NULL)
		return; /* the question's time runs out, and another round begins */
	uint32_t *prefixes = arena_array(k->out->arena, RPC_RANGES_MAX, sizeof(*prefixes));
	uint64_t *sums = arena_array(k->out->arena, RPC_RANGES_MAX * RPC_RANGE_FANOUT, sizeof(*sums));
	CHECK(prefixes != NULL && sums != NULL);
	uint32_t depth = link->pending[link->pending_n - 1].depth;
	size_t n = 0;
	while (n < RPC_RANGES_MAX && link->pending_n > 0) {
		const struct range_pending *t = &link->pending[link->pending_n - 1];
		if (t->digest || t->depth != depth)
			break;
		for (uint32_t i = 0; i < RPC_RANGE_FANOUT; i++)
			sums[n * RPC_RANGE_FANOUT + i] = prints_of(k, depth + 1, t->prefix * 16u + i);
		prefixes[n++] = t->prefix;
		link->pending_n--;
	}
	m->ranges = (struct rpc_ranges){
		.depth = depth, .prefixes = prefixes, .prefixes_n = n, .sums = sums, .rows = k->rows_n
	};
	k->counters.ranges_asked += n;
}

void ranges_begin(struct kvs *k, struct kvs_link *link)
{
	link->pending_n = 0;
	add(link, false, 0, 0);
	ranges_next(k, link);
}

void ranges_next(struct kvs *k, struct kvs_link *link)
{
	if (link->pending_n == 0) {
		sync_ended(k, link, true);
		return;
	}
	timers_arm(&k->timers, &link->ask.t, k->now_ms + KVS_ASK_PATIENCE_MS);
	const struct range_pending *t = &link->pending[link->pending_n - 1];
	if (!t->digest) {
		ask(k, link);
		return;
	}
	link->pending_n--;
	struct row_id first = prints_first(t->depth, t->prefix);
	link->ask_end = prints_last(t->depth, t->prefix);
	sync_ask_range(k, link, &first);
}

static void answer(struct kvs *k, struct kvs_link *link, const struct rpc_ranges *q)
{
	struct rpc_msg *m = out_send(k, link, RPC_RANGES, true);
	if (m == NULL)
		return;
	uint32_t *prefixes = arena_array(k->out->arena, q->prefixes_n, sizeof(*prefixes));
	uint32_t *differ = arena_array(k->out->arena, q->prefixes_n, sizeof(*differ));
	CHECK(prefixes != NULL && differ != NULL);
	bool declined = q->rows > 2 * (uint64_t)k->rows_n && !sync_is_caught_up(k);
	for (size_t i = 0; i < q->prefixes_n; i++) {
		prefixes[i] = q->prefixes[i];
		for (uint32_t j = 0; !declined && j < RPC_RANGE_FANOUT; j++)
			if (prints_of(k, q->depth + 1, q->prefixes[i] * 16u + j) != q->sums[i * RPC_RANGE_FANOUT + j])
				differ[i] |= 1u << j;
	}
	m->ranges = (struct rpc_ranges){ .answer = true,
		.depth = q->depth,
		.prefixes = prefixes,
		.prefixes_n = q->prefixes_n,
		.differ = differ,
		.rows = k->rows_n };
	if (declined)
		sync_soon(k, link);
}

static void take_answer(struct kvs_link *link, const struct rpc_ranges *a)
{
	for (size_t i = 0; i < a->prefixes_n; i++) {
		int n = __builtin_popcount(a->differ[i]);
		if (n >= MANY_DIFFER) {
			add(link, true, a->depth, a->prefixes[i]);
			continue;
		}
		for (uint32_t j = 0; n > 0 && j < RPC_RANGE_FANOUT; j++)
			if ((a->differ[i] >> j & 1) != 0)
				add(link, a->depth == RPC_RANGE_DEPTH_MAX, a->depth + 1, a->prefixes[i] * 16u + j);
	}
}

void ranges_on_message(struct kvs *k, struct kvs_link *link, const struct rpc_ranges *m)
{
	if (!m->answer) {
		answer(k, link, m);
	} else if (timer_armed(&link->ask.t)) {
		take_answer(link, m);
		ranges_next(k, link);
	}
}
