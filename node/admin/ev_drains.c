/* GET /v1/drains: what operators ordered about nodes that take no viewers, the latest order first. Of each
 * node the replica keeps the last one, and an undrain for seven days (R1): with the nodes' logs, which have
 * them all, this is when a rollout was where. */
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
};

struct drain_orders {
	struct drain_order *list;
	size_t n, cap;
	bool failed;
};

static void take(void *arg, const struct kvs_command *c)
{
	struct drain_orders *l = arg;
	bool is = c->what.kind == RPC_COMMAND_DRAIN || c->what.kind == RPC_COMMAND_UNDRAIN;
	if (!is || c->what.subject.n != NODE_ID_BYTES || l->n == DRAINS_TOLD_MAX)
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
}

static int newest_first(const void *x, const void *y)
{
	const struct drain_order *a = x, *b = y;
	return rpc_command_cmp(b->at, &b->id, a->at, &a->id);
}

static void put_order(const struct kvs *kvs, const struct drain_order *d, struct buf *out)
{
	char at[RFC3339_SECONDS_LEN + 1];
	rfc3339_seconds(at, d->at.wall_ms / 1000);
	json_put_next(out);
	buf_put_u8(out, '{');
	field_str(out, "at", bytes_str(at));
	field_str(out, "order", bytes_str(d->kind == RPC_COMMAND_DRAIN ? "drain" : "undrain"));
	field_str(out, "node", admin_name_of(kvs, &d->subject));
	field_id(out, "id", &d->subject);
	field_str(out, "asked", admin_name_of(kvs, &d->issuer));
	buf_put_u8(out, '}');
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
