#include "kvs/pull.h"

#include "base/check.h"
#include "base/obj.h"
#include "kvs/out.h"
#include "kvs/own.h"
#include "kvs/rows.h"
#include "kvs/rules.h"
#include "kvs/serve.h"
#include "kvs/tree.h"

static bool lacks(const struct replica *r, struct incarnation incarnation, uint64_t have)
{
	struct rpc_row_position mine;
	replica_position(r, &mine);
	int order = incarnation_cmp(incarnation, mine.incarnation);
	return order > 0 || (order == 0 && have > mine.have);
}

void pull_free(struct kvs *k, struct pull *p)
{
	timers_disarm(&k->timers, &p->timer.t);
	p->row->pull = NULL;
	k->pulls_n--;
	OBJ_FREE(p);
}

void pull_want(
    struct kvs *k, struct kvs_link *link, struct replica *r, struct incarnation incarnation, uint64_t have)
{
	if (!lacks(r, incarnation, have))
		return;
	struct pull *p = r->pull;
	if (p == NULL) {
		if (k->pulls_n >= KVS_PULLS_MAX)
			return; /* it is announced again with the next change, and there is repair */
		p = OBJ_NEW(struct pull, KVS_PULL_MAGIC);
		p->row = r;
		p->timer = (struct kvs_timer){ .kind = KVS_TIMER_PULL, .of = p };
		r->pull = p;
		k->pulls_n++;
		timers_arm(&k->timers, &p->timer.t, k->now_ms + k->cfg.pull_wait_ms);
	}
	int order = incarnation_cmp(incarnation, p->incarnation);
	if (order > 0 || (order == 0 && have > p->have)) {
		p->incarnation = incarnation;
		p->have = have;
	}
	for (size_t i = 0; i < PULL_CANDIDATES_MAX; i++)
		if (p->links[i] == link->id)
			return;
	for (size_t i = 0; i < PULL_CANDIDATES_MAX; i++) {
		if (p->links[i] != 0)
			continue;
		p->links[i] = link->id;
		return;
	}
}

/* The next of those that have it and are still linked. */
static struct kvs_link *choose(const struct kvs *k, struct pull *p)
{
	for (size_t i = 0; i < PULL_CANDIDATES_MAX; i++) {
		uint64_t id = p->links[(p->next + i) % PULL_CANDIDATES_MAX];
		struct kvs_link *link = id != 0 ? links_find(k, id) : NULL;
		if (link == NULL)
			continue;
		p->next = (p->next + i + 1) % PULL_CANDIDATES_MAX;
		return link;
	}
	return NULL;
}

/* Adds the row to what is asked of that peer in this step. */
static bool ask(struct kvs *k, struct kvs_link *link, const struct replica *r)
{
	if (link->pulls == NULL || link->pulls->pull.rows_n == RPC_PULL_ROWS_MAX) {
		struct rpc_msg *m = out_send(k, link, RPC_PULL, false);
		struct rpc_row_position *rows =
		    m != NULL ? arena_array(k->out->arena, RPC_PULL_ROWS_MAX, sizeof(*rows)) : NULL;
		if (m == NULL)
			return false;
		CHECK(rows != NULL);
		m->pull.rows = rows;
		link->pulls = m;
		k->asked = true;
	}
	struct rpc_row_position *at = (struct rpc_row_position *)link->pulls->pull.rows;
	replica_position(r, &at[link->pulls->pull.rows_n++]);
	return true;
}

void pull_on_timer(struct kvs *k, struct pull *p)
{
	struct kvs_link *link = choose(k, p);
	if (!lacks(p->row, p->incarnation, p->have) || link == NULL || !kvs_rule_pulls_again(p->tries)) {
		pull_free(k, p);
		return;
	}
	if (!ask(k, link, p->row)) {
		timers_arm(&k->timers, &p->timer.t, k->now_ms);
		out_later(k);
		return;
	}
	k->counters.pulls++;
	if (p->tries++ == 0)
		tree_on_miss(k, link, &p->row->owner);
	timers_arm(&k->timers, &p->timer.t, k->now_ms + ((uint64_t)k->cfg.pull_retry_ms << p->tries));
}

void pull_on_applied(struct kvs *k, struct replica *r, bool repair)
{
	struct pull *p = r->pull;
	if (p == NULL)
		return;
	if (!lacks(r, p->incarnation, p->have)) {
		pull_free(k, p);
	} else if (repair) {
		/* The answer's budget ended before the row did: it goes on. */
		p->tries = 1;
		timers_arm(&k->timers, &p->timer.t, k->now_ms + k->cfg.pull_retry_ms);
	}
}

void pull_on_message(struct kvs *k, struct kvs_link *link, const struct rpc_pull *m)
{
	for (size_t i = 0; i < m->rows_n; i++) {
		const struct rpc_row_position *p = &m->rows[i];
		const struct replica *r = rows_find(k, &p->owner, p->stream);
		if (node_id_eq(&p->owner, &k->cfg.self))
			own_sighted(k, p->incarnation);
		if (r != NULL && !serve_row(k, link, r, p))
			return; /* the rest is asked for again */
	}
}
