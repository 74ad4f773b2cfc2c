#include "kvs/sync.h"

#include "base/check.h"
#include "kvs/compare.h"
#include "kvs/out.h"
#include "kvs/own.h"
#include "kvs/ranges.h"
#include "kvs/rows.h"
#include "kvs/serve.h"

#include <string.h>

/* Comparisons after which a node has what its peers had when it came: one peer may have just come itself. */
enum { CAUGHT_UP = 2 };

static const struct row_id FIRST_ID;
static const struct row_id LAST_ID = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

static struct bytes id_bytes(struct kvs *k, const struct row_id *id)
{
	struct bytes b = arena_dup(k->out->arena, bytes_of(id->b, sizeof(id->b)));
	CHECK(b.p != NULL);
	return b;
}

/* The id right after; false when there is none. */
static bool id_next(struct row_id *id)
{
	for (size_t i = sizeof(id->b); i-- > 0;)
		if (++id->b[i] != 0)
			return true;
	return false;
}

/* -- asking -- */

/* Sends a digest of the page that begins at `first`. */
void sync_ask_range(struct kvs *k, struct kvs_link *link, const struct row_id *first)
{
	struct rpc_msg *m = out_send(k, link, RPC_DIGEST, true);
	if (m == NULL)
		return; /* the next round asks again */
	size_t at = rows_lower(k, first), n = 0;
	while (
	    at + n < k->rows_n && n < k->cfg.digest_rows && row_id_cmp(&k->rows[at + n]->id, &link->ask_end) <= 0)
		n++;
	struct rpc_row_position *rows = arena_array(k->out->arena, n, sizeof(*rows));
	CHECK(rows != NULL);
	size_t listed = 0;
	for (size_t i = at; i < at + n; i++) {
		replica_expire(k->rows[i], k->now_ms, (k->cfg.silence_beats * k->cfg.heartbeat_interval_ms) * 4u);
		replica_position(k->rows[i], &rows[listed]);
		if (rows[listed].incarnation.count != 0)
			listed++;
	}
	link->asked_ms = k->now_ms;
	link->ask_paused = false;
	link->ask_first = *first;
	link->ask_to_end = at + n == k->rows_n || row_id_cmp(&k->rows[at + n]->id, &link->ask_end) > 0;
	link->ask_applied = 0;
	link->ask_last = link->ask_to_end ? link->ask_end : k->rows[at + n - 1]->id;
	m->digest.first = row_id_cmp(first, &FIRST_ID) == 0 ? BYTES_NONE : id_bytes(k, first);
	bool unbounded = row_id_cmp(&link->ask_last, &LAST_ID) == 0;
	m->digest.last = unbounded ? BYTES_NONE : id_bytes(k, &link->ask_last);
	m->digest.rows = rows;
	m->digest.rows_n = listed;
	k->counters.digests_sent++;
	timers_arm(&k->timers, &link->ask.t, k->now_ms + KVS_ASK_PATIENCE_MS);
}

static void ask(struct kvs *k, struct kvs_link *link)
{
	link->ask_due = false;
	if (link->speaks_ranges) {
		ranges_begin(k, link);
		return;
	}
	link->pending_n = 0;
	link->ask_end = LAST_ID;
	sync_ask_range(k, link, &FIRST_ID);
}

/* One at a time: what two peers have in common must not come twice. By digests alone a comparison takes so
 * many questions that it must not wait for another. */
void sync_next(struct kvs *k)
{
	size_t due = 0;
	bool asking = false;
	for (size_t i = 0; i < k->links_n; i++) {
		struct kvs_link *link = k->links[i];
		if (timer_armed(&link->ask.t))
			asking = asking || link->speaks_ranges;
		else if (link->ask_due && !link->speaks_ranges)
			ask(k, link);
		else
			due += link->ask_due;
	}
	if (due == 0 || asking)
		return;
	size_t pick = prng_below(&k->prng, due);
	for (size_t i = 0; i < k->links_n; i++) {
		struct kvs_link *link = k->links[i];
		if (!link->ask_due || !link->speaks_ranges || timer_armed(&link->ask.t) || pick-- > 0)
			continue;
		ask(k, link);
		return;
	}
}

void sync_soon(struct kvs *k, struct kvs_link *link)
{
	link->ask_due = true;
	sync_next(k);
}

void sync_on_link(struct kvs *k, struct kvs_link *link)
{
	/* A comparison serves both; who has little to compare with asks everybody. */
	if (link->dialled || !sync_is_caught_up(k))
		sync_soon(k, link);
}

void sync_ended(struct kvs *k, struct kvs_link *link, bool whole)
{
	timers_disarm(&k->timers, &link->ask.t);
	whole = whole && !link->ask_shared;
	link->ask_shared = false;
	link->compared |= whole;
	if (whole && k->compared_n < CAUGHT_UP)
		k->compared_n++;
	if (!whole && !sync_is_caught_up(k))
		link->ask_due = true; /* who lacks so much does not wait for the next round */
	sync_next(k);
}

bool sync_is_caught_up(const struct kvs *k)
{
	if (k->compared_n >= CAUGHT_UP)
		return true;
	size_t others = 0;
	for (size_t i = 0; i < k->members_n; i++)
		others += k->members[i] != k->self && k->members[i]->in_ring && k->members[i]->liveness != KVS_DOWN;
	return others > 0 && k->compared_n >= others;
}

void sync_on_timer(struct kvs *k)
{
	uint64_t interval = k->cfg.repair_interval_ms;
	uint64_t jittered = interval - interval / 4 + prng_below(&k->prng, interval / 2 + 1);
	timers_arm(&k->timers, &k->digest.t, k->now_ms + jittered);
	if (k->links_n > 0)
		sync_soon(k, k->links[prng_below(&k->prng, k->links_n)]);
}

void sync_tell(struct kvs *k, struct kvs_link *link, const struct replica *r)
{
	struct rpc_msg *m = out_send(k, link, RPC_DIGEST, false);
	if (m == NULL)
		return;
	struct rpc_row_position *p = arena_alloc(k->out->arena, sizeof(*p));
	CHECK(p != NULL);
	replica_position(r, p);
	m->digest = (struct rpc_digest){
		.answer = true,
		.first = id_bytes(k, &r->id),
		.last = id_bytes(k, &r->id),
		.rows = p,
		.rows_n = 1,
	};
}

/* -- being asked -- */

struct range {
	struct row_id first, last;
	bool to_end;
};

static bool read_range(const struct rpc_digest *d, struct range *range)
{
	*range = (struct range){ .to_end = d->last.n == 0 };
	if ((d->first.n != 0 && d->first.n != RPC_ROW_ID_BYTES) ||
	    (d->last.n != 0 && d->last.n != RPC_ROW_ID_BYTES))
		return false;
	if (d->first.n > 0)
		memcpy(range->first.b, d->first.p, RPC_ROW_ID_BYTES);
	if (d->last.n > 0)
		memcpy(range->last.b, d->last.p, RPC_ROW_ID_BYTES);
	return true;
}

/* Positions ascend, one a row, of streams that exist. */
static bool well_formed(const struct rpc_digest *d)
{
	if (d->rows_n > RPC_DIGEST_ROWS_MAX)
		return false;
	struct row_id last = FIRST_ID;
	for (size_t i = 0; i < d->rows_n; i++) {
		if ((unsigned)d->rows[i].stream >= RPC_STREAMS)
			return false;
		struct row_id id = row_id_of(&d->rows[i].owner, d->rows[i].stream);
		if (i > 0 && row_id_cmp(&last, &id) >= 0)
			return false;
		last = id;
	}
	return true;
}

/* Serves every row of the range that has the wanted urgency; what is not listed is lacking there.
 * False at the end of the budget; *stop is the row that was not served to its end. */
static bool serve_range(struct kvs *k, struct kvs_link *link, const struct rpc_digest *d,
    const struct range *range, bool control, struct row_id *stop)
{
	size_t listed = 0;
	for (size_t i = rows_lower(k, &range->first); i < k->rows_n; i++) {
		const struct replica *r = k->rows[i];
		if (!range->to_end && row_id_cmp(&r->id, &range->last) > 0)
			break;
		if ((r->stream == RPC_CONTROL) != control)
			continue;
		struct rpc_row_position p = { .owner = r->owner, .stream = r->stream };
		for (; listed < d->rows_n; listed++) {
			struct row_id id = row_id_of(&d->rows[listed].owner, d->rows[listed].stream);
			int c = row_id_cmp(&id, &r->id);
			if (c == 0)
				p = d->rows[listed];
			if (c >= 0)
				break;
		}
		if (!serve_row(k, link, r, &p)) {
			*stop = r->id;
			return false;
		}
	}
	return true;
}

/* What the peer's positions show to be lacking or wrong here, as the rows of an answer. */
static size_t collect_wants(
    struct kvs *k, struct kvs_link *link, const struct rpc_digest *d, struct rpc_row_position *wants)
{
	size_t n = 0;
	for (size_t i = 0; i < d->rows_n; i++) {
		const struct rpc_row_position *p = &d->rows[i];
		if (node_id_eq(&p->owner, &k->cfg.self))
			own_sighted(k, p->incarnation);
		if (compare_position(k, link, p, &wants[n]))
			n++;
	}
	return n;
}

static void answer(
    struct kvs *k, struct kvs_link *link, const struct rpc_digest *d, const struct range *range)
{
	struct rpc_row_position *wants = arena_array(k->out->arena, d->rows_n, sizeof(*wants));
	CHECK(wants != NULL);
	size_t wants_n = collect_wants(k, link, d, wants);
	struct row_id stop = FIRST_ID;
	bool whole = true;
	if (!serve_range(k, link, d, range, true, &stop)) {
		whole = false;
		stop = range->first; /* nothing but control was served before it */
	} else if (!serve_range(k, link, d, range, false, &stop)) {
		whole = false;
	}
	struct rpc_msg *m = out_send(k, link, RPC_DIGEST, true);
	if (m == NULL)
		return;
	m->digest = (struct rpc_digest){
		.answer = true,
		.first = whole ? BYTES_NONE : id_bytes(k, &stop),
		.rows = wants,
		.rows_n = wants_n,
	};
}

/* Whether it has all that there is, as far as is known, and is not asked something else. */
static bool has_bulk(const struct kvs_link *link, const struct kvs_link *asked)
{
	const struct member *m = link->member;
	return link->speaks_ranges && !link->closing && !m->expelled && m->reg != NULL &&
	       m->reg->state == NODE_READY && (link == asked || !timer_armed(&link->ask.t));
}

/* A peer that is ready, at random; the one that was asked so far when there is none. */
static struct kvs_link *bulk_peer(struct kvs *k, struct kvs_link *asked)
{
	size_t n = 0;
	for (size_t i = 0; i < k->links_n; i++)
		n += has_bulk(k->links[i], asked);
	size_t pick = n > 0 ? prng_below(&k->prng, n) : 0;
	for (size_t i = 0; i < k->links_n; i++)
		if (has_bulk(k->links[i], asked) && pick-- == 0)
			return k->links[i];
	return asked;
}

/* Whom to ask for what is left of a comparison. Each part of what a node lacks that just came is asked of
 * another peer: else whoever it met first, most often a seed, would serve all who come. */
static struct kvs_link *pass_on(struct kvs *k, struct kvs_link *asked)
{
	if (sync_is_caught_up(k) || !asked->speaks_ranges)
		return asked;
	struct kvs_link *to = bulk_peer(k, asked);
	if (to == asked)
		return asked;
	timers_disarm(&k->timers, &asked->ask.t);
	asked->ask_shared = false;
	asked->ask_due = true; /* it was not heard to its end */
	to->ask_shared = true;
	to->asked_ms = asked->asked_ms;
	to->ask_end = asked->ask_end;
	to->pending_n = asked->pending_n;
	memcpy(to->pending, asked->pending, asked->pending_n * sizeof(asked->pending[0]));
	timers_arm(&k->timers, &to->ask.t, k->now_ms + KVS_ASK_PATIENCE_MS);
	return to;
}

/* Bulk is asked for at a rate, so that who has lost its disk costs the peer and the links no more than that.
 */
static void ask_rest(struct kvs *k, struct kvs_link *asked, const struct row_id *next)
{
	struct kvs_link *link = pass_on(k, asked);
	uint64_t due_ms = link->asked_ms + (uint64_t)k->cfg.exchange_bytes * 1000 / KVS_BULK_BYTES_PER_S;
	if (k->now_ms >= due_ms) {
		sync_ask_range(k, link, next);
		return;
	}
	link->ask_paused = true;
	link->ask_after = *next;
	timers_arm(&k->timers, &link->ask.t, due_ms);
}

void sync_on_ask_timer(struct kvs *k, struct kvs_link *link)
{
	if (link->ask_paused)
		sync_ask_range(k, link, &link->ask_after);
	else
		sync_ended(k, link, false);
}

/* The peer has served the page, or a part of it. */
static void ask_on(
    struct kvs *k, struct kvs_link *link, const struct rpc_digest *d, const struct range *range)
{
	if (!timer_armed(&link->ask.t))
		return;
	struct row_id next;
	if (d->first.n > 0) {
		next = range->first;
		/* A row that cannot be had from there must not hide those after it. */
		bool stuck = link->ask_applied == 0 && row_id_cmp(&next, &link->ask_first) <= 0;
		if (stuck && (row_id_cmp(&next, &link->ask_first) < 0 || !id_next(&next))) {
			ranges_next(k, link);
			return;
		}
		ask_rest(k, link, &next);
		return;
	} else {
		next = link->ask_last;
		if (link->ask_to_end || !id_next(&next)) {
			ranges_next(k, link);
			return;
		}
	}
	sync_ask_range(k, link, &next);
}

static void on_answer(
    struct kvs *k, struct kvs_link *link, const struct rpc_digest *d, const struct range *range)
{
	for (size_t i = 0; i < d->rows_n; i++) {
		const struct rpc_row_position *p = &d->rows[i];
		struct rpc_row_position unused;
		if (node_id_eq(&p->owner, &k->cfg.self))
			own_sighted(k, p->incarnation);
		(void)compare_position(k, link, p, &unused);
	}
	/* Unbounded by `last`: it ends this node's question. */
	if (range->to_end)
		ask_on(k, link, d, range);
	for (size_t i = 0; i < d->rows_n; i++) {
		const struct replica *r = rows_find(k, &d->rows[i].owner, d->rows[i].stream);
		if (r != NULL && !serve_row(k, link, r, &d->rows[i]))
			return; /* the peer's next question gets the rest */
	}
}

void sync_on_digest(struct kvs *k, struct kvs_link *link, const struct rpc_digest *d)
{
	struct range range;
	if (!read_range(d, &range) || !well_formed(d)) {
		k->counters.frames_refused++;
		out_event(k, KVS_EVENT_REFUSED_FRAME, &link->member->id, "malformed digest", d->rows_n);
		return;
	}
	if (d->answer)
		on_answer(k, link, d, &range);
	else
		answer(k, link, d, &range);
}
