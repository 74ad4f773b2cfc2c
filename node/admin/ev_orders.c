#include "node/admin/ev_orders.h"

#include "base/obj.h"
#include "base/text.h"
#include "node/admin/admin.h"
#include "node/admin/fields.h"
#include "node/api/session_request.h"
#include "node/fs_log.h"
#include "node/json_text.h"

#include <ev.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define ORDERS_MAGIC 0x6f726472u
#define WAIT_MAGIC 0x6f726477u

enum { WAITING_MAX = 64 };

/* A request whose order is being recorded. */
struct wait {
	unsigned magic;
	struct orders *orders;
	struct http_exchange *x;
	struct rpc_command_id id;
	enum rpc_command_kind kind;
	size_t subject_n;
	uint8_t subject[RPC_SUBJECT_MAX];
	ev_timer deadline;
};

struct orders {
	unsigned magic;
	struct control *control;
	struct node_id self;
	struct ev_loop *loop;
	uint32_t recorded_within_ms;
	struct wait *waiting[WAITING_MAX];
	size_t waiting_n;
};

/* -- progress -- */

static bool has_applied(const struct kvs *kvs, const struct node_id *node, const struct rpc_command_id *id)
{
	struct rpc_entry e;
	struct rpc_applied applied = { .n = 0 };
	struct arena a;
	if (!kvs_entry_of(kvs, node, RPC_LOAD, RPC_KEY_APPLIED, &e) || e.deleted)
		return false;
	arena_init(&a, RPC_ARENA_MAX);
	if (rpc_decode_applied(e.value, &a, &applied) != OK)
		applied.n = 0;
	arena_fini(&a);
	for (size_t i = 0; i < applied.n; i++)
		if (rpc_command_id_cmp(&applied.ids[i], id) == 0)
			return true;
	return false;
}

/* Delivery nodes by whether they have told that they applied it. */
static void put_nodes(const struct kvs *kvs, const struct rpc_command_id *id, bool applied, struct buf *out)
{
	json_put_key(out, applied ? "applied" : "pending");
	buf_put_u8(out, '[');
	for (size_t i = 0; i < kvs_members_n(kvs); i++) {
		struct kvs_member m;
		kvs_member_at(kvs, i, &m);
		bool counts = m.reg != NULL && (m.reg->roles & RPC_ROLE_DELIVERY) != 0 && !m.expelled &&
		              m.reg->state != NODE_LEFT;
		if (!counts || has_applied(kvs, &m.id, id) != applied)
			continue;
		json_put_next(out);
		buf_put_u8(out, '{');
		field_str(out, "node", m.reg->name);
		field_bool(out, "down", m.liveness == KVS_DOWN);
		buf_put_u8(out, '}');
	}
	buf_put_u8(out, ']');
}

/* -- answers -- */

static void put_recorded_by(
    const struct kvs *kvs, const struct node_id *self, const struct node_id *by, struct buf *out)
{
	char id[2 * NODE_ID_BYTES + 1];
	json_put_key(out, "recorded_by");
	if (by == NULL || node_id_eq(by, self)) {
		buf_put_str(out, "null");
		return;
	}
	struct bytes name = admin_name_of(kvs, by);
	text_hex(id, bytes_of(by->b, NODE_ID_BYTES));
	json_put_string(out, name.n > 0 ? name : bytes_str(id));
}

static void put_order(const struct wait *w, const struct node_id *by, struct buf *out)
{
	const struct orders *o = w->orders;
	const struct kvs *kvs = control_kvs(o->control);
	bool alone = by == NULL || node_id_eq(by, &o->self);
	buf_put_u8(out, '{');
	field_hex(out, "id", bytes_of(w->id.b, sizeof(w->id.b)));
	if (w->kind == RPC_COMMAND_PURGE) {
		field_str(out, "content", bytes_of(w->subject, w->subject_n));
	} else {
		struct node_id node;
		memcpy(node.b, w->subject, NODE_ID_BYTES);
		field_str(out, "node", admin_name_of(kvs, &node));
		field_id(out, "node_id", &node);
	}
	put_recorded_by(kvs, &o->self, by, out);
	if (alone)
		field_str(out, "detail",
		    BYTES_LIT(
		        "The order stands, but no second node has recorded it: it is lost if this node's disk is."));
	if (w->kind == RPC_COMMAND_PURGE) {
		put_nodes(kvs, &w->id, true, out);
		put_nodes(kvs, &w->id, false, out);
	}
	buf_put_str(out, "}\n");
}

static void wait_end(struct wait *w)
{
	struct orders *o = w->orders;
	for (size_t i = 0; i < o->waiting_n; i++) {
		if (o->waiting[i] == w) {
			o->waiting[i] = o->waiting[--o->waiting_n];
			break;
		}
	}
	ev_timer_stop(o->loop, &w->deadline);
	OBJ_FREE(w);
}

static void answer(struct wait *w, const struct node_id *by)
{
	struct http_exchange *x = w->x;
	bool recorded = !node_id_eq(by, &w->orders->self);
	struct buf out;
	buf_init(&out, ADMIN_ANSWER_MAX);
	put_order(w, by, &out);
	http_on_gone(x, NULL, NULL);
	wait_end(w);
	admin_answer_json_as(x, recorded ? 200 : 202, &out);
	buf_fini(&out);
}

/* True: it is answered. */
static bool finish(struct wait *w, bool late)
{
	const struct orders *o = w->orders;
	const struct kvs *kvs = control_kvs(o->control);
	struct node_id by;
	bool stored = kvs_command_recorded(kvs, &w->id, &by);
	if (!stored && late) {
		struct http_exchange *x = w->x;
		http_on_gone(x, NULL, NULL);
		wait_end(w);
		http_problem(x, 503, "not-stored", "The store has not written it yet: see this node's log.", 1);
		return true;
	}
	if (!stored || (node_id_eq(&by, &o->self) && !late && kvs_has_company(kvs)))
		return false;
	answer(w, &by);
	return true;
}

static void on_deadline(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	(void)finish(OBJ_CAST(struct wait, WAIT_MAGIC, timer->data), true);
}

static void on_gone(void *arg)
{
	wait_end(OBJ_CAST(struct wait, WAIT_MAGIC, arg));
}

static void on_commands(void *ctx)
{
	struct orders *o = OBJ_CAST(struct orders, ORDERS_MAGIC, ctx);
	for (size_t i = 0; i < o->waiting_n;)
		if (!finish(o->waiting[i], false))
			i++;
}

struct orders *orders_new(
    struct control *control, const struct node_id *self, struct ev_loop *loop, uint32_t recorded_within_ms)
{
	struct orders *o = OBJ_NEW(struct orders, ORDERS_MAGIC);
	o->control = control;
	o->self = *self;
	o->loop = loop;
	o->recorded_within_ms = recorded_within_ms;
	control_on_commands(control, on_commands, o);
	return o;
}

void orders_free(struct orders *o)
{
	if (o == NULL)
		return;
	OBJ_CHECK(o, ORDERS_MAGIC);
	control_on_commands(o->control, NULL, o);
	while (o->waiting_n > 0)
		wait_end(o->waiting[0]);
	OBJ_FREE(o);
}

/* -- ordering -- */

static void order_refused(struct http_exchange *x, enum err e, enum rpc_command_kind kind)
{
	if (e == ERR_FULL)
		http_problem(x, 503, "full", "There are too many orders already: they are kept for seven days.", 60);
	else if (e == ERR_CLOSED)
		http_problem(
		    x, 503, "expelled", "This node does not write: it was expelled, or its id is used twice.", 0);
	else if (kind == RPC_COMMAND_EXPEL)
		http_problem(x, 409, "self", "A node does not expel itself: ask another one.", 0);
	else
		http_problem(x, 400, "malformed", "That is no content.", 0);
}

static void log_order(const struct orders *o, const struct rpc_command *what, const char *id)
{
	struct node_id node = { { 0 } };
	if (what->kind == RPC_COMMAND_PURGE) {
		LOG_EVENT(LOG_INFO, "node", "purge", "an operator ordered a purge", LOG_STR("purge", id),
		    LOG_BYTES("content", what->subject), LOG_BYTES("by", what->by));
		return;
	}
	memcpy(node.b, what->subject.p, NODE_ID_BYTES);
	struct bytes name = admin_name_of(control_kvs(o->control), &node);
	if (what->kind == RPC_COMMAND_EXPEL)
		LOG_EVENT(LOG_WARN, "node", "expel", "an operator ordered that a node be expelled",
		    LOG_STR("order", id), LOG_BYTES("subject", name), LOG_BYTES("by", what->by));
	else if (what->kind == RPC_COMMAND_DRAIN)
		LOG_EVENT(LOG_INFO, "node", "drain-order", "an operator ordered that a node take no new viewers",
		    LOG_STR("order", id), LOG_BYTES("subject", name), LOG_BYTES("by", what->by));
	else
		LOG_EVENT(LOG_INFO, "node", "undrain-order", "an operator took back that a node drains",
		    LOG_STR("order", id), LOG_BYTES("subject", name), LOG_BYTES("by", what->by));
}

static enum err give(struct orders *o, struct rpc_command *what, struct rpc_command_id *id)
{
	struct admin_drained drained;
	struct node_id node;
	if (what->subject.n > RPC_SUBJECT_MAX)
		return ERR_INVALID;
	if (what->kind == RPC_COMMAND_UNDRAIN) {
		memcpy(node.b, what->subject.p, NODE_ID_BYTES);
		admin_find_drain(control_kvs(o->control), &node, &drained);
		what->drained_ms = drained.at_ms;
		what->drained_by = bytes_of(drained.by, drained.by_n);
	}
	return control_order(o->control, what, id);
}

static void order(struct orders *o, struct http_exchange *x, enum rpc_command_kind kind, struct bytes subject)
{
	struct wait *w = OBJ_NEW(struct wait, WAIT_MAGIC);
	struct rpc_command what = { .kind = kind, .subject = subject, .by = admin_operator_of(x) };
	enum err e = give(o, &what, &w->id);
	if (e != OK) {
		OBJ_FREE(w);
		order_refused(x, e, kind);
		return;
	}
	w->orders = o;
	w->x = x;
	w->kind = kind;
	w->subject_n = subject.n;
	memcpy(w->subject, subject.p, subject.n);
	char id[2 * RPC_COMMAND_ID_BYTES + 1];
	text_hex(id, bytes_of(w->id.b, sizeof(w->id.b)));
	log_order(o, &what, id);
	o->waiting[o->waiting_n++] = w;
	ev_now_update(o->loop);
	ev_timer_init(&w->deadline, on_deadline, o->recorded_within_ms / 1000.0, 0.0);
	w->deadline.data = w;
	ev_timer_start(o->loop, &w->deadline);
	http_on_gone(x, on_gone, w);
}

/* A page of another site may make a browser post, but not with that type unless it is allowed to. */
static bool may_order(struct orders *o, struct http_exchange *x)
{
	const struct http_request *r = http_request(x);
	struct bytes type = http_header(r, "Content-Type");
	OBJ_CHECK(o, ORDERS_MAGIC);
	if (r->method != HTTP_POST)
		admin_not_allowed(x, "POST");
	else if (!http_header_is(bytes_head(type, bytes_index(type, ';')), "application/json"))
		http_problem(x, 415, "media-type", "Send the request with Content-Type: application/json.", 0);
	else if (control_mute(o->control))
		http_problem(x, 503, "mute", "This node's store fails: nothing is written.", 1);
	else if (o->waiting_n == WAITING_MAX)
		http_problem(x, 503, "busy", "Too many orders are being recorded.", 1);
	else
		return true;
	return false;
}

static void purge(struct orders *o, struct http_exchange *x)
{
	if (!may_order(o, x))
		return;
	struct bytes body = http_request(x)->body;
	json_t *json = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
	const json_t *content = json_object_get(json, "content");
	struct bytes name = content == NULL || !json_is_string(content)
	                        ? BYTES_NONE
	                        : bytes_of(json_string_value(content), json_string_length(content));
	if (json_object_size(json) != 1 || name.n == 0 || !session_name_ok(name))
		http_problem(x, 400, "malformed", "The body must be {\"content\": ID}.", 0);
	else
		order(o, x, RPC_COMMAND_PURGE, name);
	json_decref(json);
}

static void order_of_node(
    struct orders *o, struct http_exchange *x, enum rpc_command_kind kind, struct bytes node)
{
	struct admin_refusal why;
	struct node_id id;
	if (!may_order(o, x))
		return;
	if (!admin_take_owner(control_kvs(o->control), node, &id, &why))
		http_problem(x, why.status, why.type, why.detail, 0);
	else
		order(o, x, kind, bytes_of(id.b, sizeof(id.b)));
}

/* Whoever it was said to. */
static bool is_known(const struct kvs *kvs, const struct rpc_command_id *id)
{
	uint8_t key[RPC_COMMAND_KEY_BYTES];
	rpc_command_key(id, key);
	for (size_t i = 0; i < kvs_members_n(kvs); i++) {
		struct kvs_member m;
		struct rpc_entry e;
		kvs_member_at(kvs, i, &m);
		if (kvs_entry_of(kvs, &m.id, RPC_CONTROL, bytes_of(key, sizeof(key)), &e) && !e.deleted)
			return true;
	}
	return false;
}

static void show(const struct orders *o, struct http_exchange *x, struct bytes hex)
{
	const struct kvs *kvs = control_kvs(o->control);
	struct rpc_command_id id;
	struct node_id by;
	struct buf out;
	if (http_request(x)->method != HTTP_GET && http_request(x)->method != HTTP_HEAD) {
		admin_not_allowed(x, "GET, HEAD");
		return;
	}
	if (hex.n != 2 * RPC_COMMAND_ID_BYTES || text_unhex(id.b, hex) != OK) {
		http_problem(x, 404, "not-found", "That is no purge's id.", 0);
		return;
	}
	if (!is_known(kvs, &id)) {
		http_problem(x, 404, "no-such-purge", "No node has such an order: it is old, or never was.", 0);
		return;
	}
	bool known = kvs_command_recorded(kvs, &id, &by);
	buf_init(&out, ADMIN_ANSWER_MAX);
	buf_put_u8(&out, '{');
	field_hex(&out, "id", bytes_of(id.b, sizeof(id.b)));
	put_recorded_by(kvs, &o->self, known ? &by : NULL, &out);
	put_nodes(kvs, &id, true, &out);
	put_nodes(kvs, &id, false, &out);
	buf_put_str(&out, "}\n");
	admin_answer_json(x, &out);
	buf_fini(&out);
}

/* What stands behind the last slash of an order about a node. */
static bool verb_of(struct bytes path, enum rpc_command_kind *kind, struct bytes *rest)
{
	static const struct {
		struct bytes end;
		enum rpc_command_kind kind;
	} verbs[] = {
		{ BYTES_LIT("/expel"), RPC_COMMAND_EXPEL },
		{ BYTES_LIT("/drain"), RPC_COMMAND_DRAIN },
		{ BYTES_LIT("/undrain"), RPC_COMMAND_UNDRAIN },
	};
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!bytes_ends_with(path, verbs[i].end))
			continue;
		*kind = verbs[i].kind;
		*rest = bytes_head(path, path.n - verbs[i].end.n);
		return true;
	}
	return false;
}

bool orders_take(const struct admin *a, struct http_exchange *x, struct bytes path)
{
	static const struct bytes purges = { (const uint8_t *)"/v1/purge/", 10 };
	static const struct bytes nodes = { (const uint8_t *)"/v1/nodes/", 10 };
	enum rpc_command_kind kind;
	struct bytes rest;
	if (bytes_eq(path, BYTES_LIT("/v1/purge"))) {
		purge(a->orders, x);
	} else if (bytes_starts_with(path, purges)) {
		show(a->orders, x, bytes_from(path, purges.n));
	} else if (!verb_of(path, &kind, &rest)) {
		return false;
	} else if (bytes_eq(rest, BYTES_LIT("/v1")) && kind != RPC_COMMAND_EXPEL) {
		order_of_node(a->orders, x, kind, bytes_str(a->config->node));
	} else if (bytes_starts_with(rest, nodes) && rest.n > nodes.n) {
		order_of_node(a->orders, x, kind, bytes_from(rest, nodes.n));
	} else {
		return false;
	}
	return true;
}
