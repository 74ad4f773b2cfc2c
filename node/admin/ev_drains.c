/* GET /v1/drains: what operators ordered about nodes that take no viewers, the latest order first. Of each
 * node the replica keeps the last one, and an undrain for seven days (R1), which also says when what it takes
 * back was ordered, and by whom: with the nodes' logs, which have them all, this is when a rollout was where.
 */
#include "node/admin/admin.h"
#include "node/admin/fields.h"
#include "node/json_text.h"
#include "node/rfc3339.h"

#include <stdlib.h>
#include <string.h>

enum { DRAINS_TOLD_MAX = 10000 };

struct drain_order {
	struct rpc_command_id id;
	struct rpc_hlc at;
	uint32_t kind;
	struct node_id subject, issuer;
	struct admin_drained drained; /* of an undrain */
	char by[RPC_OPERATOR_MAX];
	size_t by_n;
};

struct drain_orders {
	struct drain_order *list;
	size_t n, cap;
	bool failed;
};

static size_t copy_operator(char out[RPC_OPERATOR_MAX], struct bytes by)
{
	if (by.n > 0)
		memcpy(out, by.p, by.n); /* the codec's limit */
	return by.n;
}

static bool is_about_draining(const struct rpc_command *c)
{
	return (c->kind == RPC_COMMAND_DRAIN || c->kind == RPC_COMMAND_UNDRAIN) && c->subject.n == NODE_ID_BYTES;
}

static void take(void *arg, const struct kvs_command *c)
{
	struct drain_orders *l = arg;
	if (!is_about_draining(&c->what) || l->n == DRAINS_TOLD_MAX)
		return;
	if (l->n == l->cap) {
		size_t cap = l->cap == 0 ? 64 : l->cap * 2;
		struct drain_order *grown = reallocarray(l->list, cap, sizeof(*grown));
		l->failed |= grown == NULL;
		if (grown == NULL)
			return;
		l->list = grown;
		l->cap = cap;
	}
	struct drain_order *d = &l->list[l->n++];
	*d =
	    (struct drain_order){ .id = c->id, .at = c->what.at, .kind = c->what.kind, .issuer = c->what.issuer };
	memcpy(d->subject.b, c->what.subject.p, NODE_ID_BYTES);
	d->by_n = copy_operator(d->by, c->what.by);
	d->drained.at_ms = c->what.drained_ms;
	d->drained.by_n = copy_operator(d->drained.by, c->what.drained_by);
}

static int newest_first(const void *x, const void *y)
{
	const struct drain_order *a = x, *b = y;
	return rpc_command_cmp(b->at, &b->id, a->at, &a->id);
}

static void field_time(struct buf *out, const char *key, uint64_t wall_ms)
{
	char at[RFC3339_SECONDS_LEN + 1];
	rfc3339_seconds(at, wall_ms / 1000);
	field_str_if(out, key, wall_ms > 0 ? bytes_str(at) : BYTES_NONE);
}

static void put_order(const struct kvs *kvs, const struct drain_order *d, struct buf *out)
{
	json_put_next(out);
	buf_put_u8(out, '{');
	field_time(out, "at", d->at.wall_ms);
	field_str(out, "order", bytes_str(d->kind == RPC_COMMAND_DRAIN ? "drain" : "undrain"));
	field_str(out, "node", admin_name_of(kvs, &d->subject));
	field_id(out, "id", &d->subject);
	field_str(out, "asked", admin_name_of(kvs, &d->issuer));
	field_str_if(out, "by", bytes_of(d->by, d->by_n));
	if (d->kind == RPC_COMMAND_UNDRAIN) {
		field_time(out, "drained_at", d->drained.at_ms);
		field_str_if(out, "drained_by", bytes_of(d->drained.by, d->drained.by_n));
	}
	buf_put_u8(out, '}');
}

/* -- one node's -- */

struct drain_search {
	struct node_id node;
	bool found;
	struct rpc_hlc at;
	struct rpc_command_id id;
	struct admin_drained drained;
};

static void search(void *arg, const struct kvs_command *c)
{
	struct drain_search *s = arg;
	if (!is_about_draining(&c->what) || memcmp(s->node.b, c->what.subject.p, NODE_ID_BYTES) != 0 ||
	    (s->found && rpc_command_cmp(s->at, &s->id, c->what.at, &c->id) >= 0))
		return;
	bool drains = c->what.kind == RPC_COMMAND_DRAIN;
	s->found = true;
	s->at = c->what.at;
	s->id = c->id;
	s->drained.at_ms = drains ? c->what.at.wall_ms : c->what.drained_ms;
	s->drained.by_n = copy_operator(s->drained.by, drains ? c->what.by : c->what.drained_by);
}

void admin_find_drain(const struct kvs *kvs, const struct node_id *node, struct admin_drained *out)
{
	struct drain_search s = { .node = *node };
	for (size_t i = 0; i < kvs_members_n(kvs); i++) {
		struct kvs_member m;
		kvs_member_at(kvs, i, &m);
		kvs_each_command(kvs, &m.id, 0, search, &s);
	}
	*out = s.drained;
}

void admin_drains(const struct admin *a, struct http_exchange *x)
{
	const struct kvs *kvs = control_kvs(a->control);
	struct drain_orders l = { 0 };
	struct buf out;
	for (size_t i = 0; i < kvs_members_n(kvs); i++) {
		struct kvs_member m;
		kvs_member_at(kvs, i, &m);
		kvs_each_command(kvs, &m.id, 0, take, &l);
	}
	if (l.n > 0)
		qsort(l.list, l.n, sizeof(*l.list), newest_first);
	buf_init(&out, ADMIN_ANSWER_MAX);
	buf_put_str(&out, "{\"drains\":[");
	for (size_t i = 0; i < l.n; i++) {
		/* Who recorded it has the same. */
		if (i == 0 || memcmp(&l.list[i].id, &l.list[i - 1].id, sizeof(l.list[i].id)) != 0)
			put_order(kvs, &l.list[i], &out);
	}
	buf_put_str(&out, "]}\n");
	if (l.failed)
		http_problem(x, 503, "unavailable", err_str(ERR_NO_MEMORY), 1);
	else
		admin_answer_json(x, &out);
	buf_fini(&out);
	free(l.list);
}
