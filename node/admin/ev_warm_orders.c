#include "node/admin/ev_warm_orders.h"

#include "base/obj.h"
#include "base/text.h"
#include "node/admin/admin.h"
#include "node/admin/fields.h"
#include "node/admin/warm_choice.h"
#include "node/api/session_request.h"
#include "node/fs_log.h"
#include "node/json_text.h"
#include "node/member_of.h"

#include <ev.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WARM_ORDERS_MAGIC 0x77726f72u

enum { LOOK_EVERY_MS = 1000, DECISION_MAX_BYTES = 16 << 20, ORIGIN_MAX = 64 };

/* One of the chosen nodes, and what it last said. */
struct copy {
	struct node_id node;
	bool holder;   /* when it was chosen */
	enum err said; /* why it could not be told; OK: it was */
	uint64_t heard_ms;
	uint32_t state, objects, remaining, failed;
	uint64_t bytes;
	char detail[RPC_TEXT_MAX + 1];
};

struct warm_order {
	struct rpc_warm_id id;
	char content[RPC_CONTENT_MAX + 1], origin[ORIGIN_MAX + 1], by[RPC_OPERATOR_MAX + 1];
	uint64_t given_ms, number;
	uint32_t asked; /* copies */
	size_t copies_n;
	struct copy copies[WARM_COPIES_MAX];
};

struct warm_orders {
	unsigned magic;
	struct control *control;
	struct ev_loop *loop;
	void (*random)(void *out, size_t n);
	struct warm_order *orders[WARM_ORDERS_MAX];
	uint64_t number;
	ev_timer timer;
	struct warm_orders_counters count;
};

static uint64_t now_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* -- an order's way to its nodes -- */

static bool copy_ended(const struct copy *c)
{
	return c->state == RPC_WARM_DONE || c->state == RPC_WARM_STOPPED || c->state == RPC_WARM_REFUSED;
}

static bool order_over(const struct warm_order *o, uint64_t now)
{
	for (size_t i = 0; i < o->copies_n; i++)
		if (!copy_ended(&o->copies[i]))
			return now - o->given_ms > WARM_GIVE_UP_MS;
	return true;
}

static void tell(struct warm_orders *all, const struct warm_order *o, struct copy *c)
{
	struct rpc_msg m = { .kind = RPC_WARM };
	m.warm = (struct rpc_warm){
		.id = o->id, .origin = bytes_str(o->origin), .content = bytes_str(o->content), .by = bytes_str(o->by)
	};
	c->said = control_say_warm(all->control, &c->node, &m);
}

static void look(struct warm_orders *all)
{
	uint64_t now = now_ms();
	bool more = false;
	for (size_t i = 0; i < WARM_ORDERS_MAX; i++) {
		struct warm_order *o = all->orders[i];
		if (o == NULL || order_over(o, now))
			continue;
		more = true;
		for (size_t k = 0; k < o->copies_n; k++) {
			struct copy *c = &o->copies[k];
			if (!copy_ended(c) && now - c->heard_ms > WARM_SILENT_MS)
				tell(all, o, c);
		}
	}
	if (!more)
		ev_timer_stop(all->loop, &all->timer);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	look(OBJ_CAST(struct warm_orders, WARM_ORDERS_MAGIC, timer->data));
}

static struct warm_order *order_of(const struct warm_orders *all, const struct rpc_warm_id *id)
{
	for (size_t i = 0; i < WARM_ORDERS_MAX; i++)
		if (all->orders[i] != NULL && memcmp(all->orders[i]->id.b, id->b, sizeof(id->b)) == 0)
			return all->orders[i];
	return NULL;
}

static void on_told(void *ctx, const struct node_id *from, const struct rpc_msg *m)
{
	struct warm_orders *all = OBJ_CAST(struct warm_orders, WARM_ORDERS_MAGIC, ctx);
	const struct rpc_warm_told *t = &m->warm_told;
	struct warm_order *o = order_of(all, &t->id);
	for (size_t i = 0; o != NULL && i < o->copies_n; i++) {
		struct copy *c = &o->copies[i];
		if (!node_id_eq(&c->node, from))
			continue;
		c->heard_ms = now_ms();
		c->state = t->state;
		c->objects = t->objects;
		c->remaining = t->remaining;
		c->failed = t->failed;
		c->bytes = t->bytes;
		memcpy(c->detail, t->detail.p, t->detail.n); /* the codec's limit is RPC_TEXT_MAX */
		c->detail[t->detail.n] = '\0';
	}
}

struct warm_orders *warm_orders_new(
    struct control *control, struct ev_loop *loop, void (*random)(void *out, size_t n))
{
	struct warm_orders *all = OBJ_NEW(struct warm_orders, WARM_ORDERS_MAGIC);
	all->control = control;
	all->loop = loop;
	all->random = random;
	ev_timer_init(&all->timer, on_timer, LOOK_EVERY_MS / 1000.0, LOOK_EVERY_MS / 1000.0);
	all->timer.data = all;
	control_on_warm(control, RPC_WARM_TOLD, on_told, all);
	return all;
}

void warm_orders_free(struct warm_orders *all)
{
	if (all == NULL)
		return;
	OBJ_CHECK(all, WARM_ORDERS_MAGIC);
	control_on_warm(all->control, RPC_WARM_TOLD, NULL, NULL);
	ev_timer_stop(all->loop, &all->timer);
	for (size_t i = 0; i < WARM_ORDERS_MAX; i++)
		free(all->orders[i]);
	OBJ_FREE(all);
}

void warm_orders_count(const struct warm_orders *all, struct warm_orders_counters *out)
{
	*out = all->count;
}

/* -- answers -- */

static const char *state_str(const struct warm_orders *all, const struct copy *c)
{
	struct kvs_member m;
	bool known = member_of(control_kvs(all->control), &c->node, &m);
	switch (c->state) {
	case RPC_WARM_DONE: return "done";
	case RPC_WARM_STOPPED: return "stopped";
	case RPC_WARM_REFUSED: return "refused";
	default: break;
	}
	if (!known || m.liveness == KVS_DOWN)
		return "down";
	if (c->said == ERR_NOT_FOUND)
		return "unreachable";
	if (c->said == ERR_VERSION)
		return "too old";
	if (c->state == 0)
		return "ordered";
	return c->state == RPC_WARM_WAITING ? "waiting" : "running";
}

static void put_copy(const struct warm_orders *all, const struct copy *c, struct buf *out)
{
	json_put_next(out);
	buf_put_u8(out, '{');
	field_str(out, "node", admin_name_of(control_kvs(all->control), &c->node));
	field_id(out, "id", &c->node);
	field_bool(out, "holder", c->holder);
	field_str(out, "state", bytes_str(state_str(all, c)));
	field_bool(out, "ended", copy_ended(c));
	field_u64(out, "objects", c->objects);
	field_u64(out, "remaining", c->remaining);
	field_u64(out, "failed", c->failed);
	field_u64(out, "bytes", c->bytes);
	field_str(out, "detail", bytes_str(c->detail));
	buf_put_u8(out, '}');
}

static void put_order(const struct warm_orders *all, const struct warm_order *o, struct buf *out)
{
	buf_put_u8(out, '{');
	field_hex(out, "id", bytes_of(o->id.b, sizeof(o->id.b)));
	field_str(out, "content", bytes_str(o->content));
	field_str(out, "origin", bytes_str(o->origin));
	field_str_if(out, "by", bytes_str(o->by));
	field_u64(out, "copies", o->asked);
	field_u64(out, "age_ms", now_ms() - o->given_ms);
	json_put_key(out, "nodes");
	buf_put_u8(out, '[');
	for (size_t i = 0; i < o->copies_n; i++)
		put_copy(all, &o->copies[i], out);
	buf_put_str(out, "]}\n");
}

/* -- ordering -- */

/* A free place, or that of the order that was over first; NULL: all are under way. */
static struct warm_order **place_for(struct warm_orders *all)
{
	struct warm_order **found = NULL;
	for (size_t i = 0; i < WARM_ORDERS_MAX; i++) {
		struct warm_order **at = &all->orders[i];
		if (*at == NULL)
			return at;
		if (order_over(*at, now_ms()) && (found == NULL || (*at)->number < (*found)->number))
			found = at;
	}
	return found;
}

static enum err read_place(const struct admin *a, const struct config_origin *origin, struct bytes content,
    struct arena *arena, struct place *out)
{
	struct kvs_holder *holders = arena_array(arena, PLACE_HOLDERS_MAX, sizeof(*holders));
	struct place_wish wish = { .origin = bytes_str(origin->name), .content = content, .explain = true };
	size_t n = 0;
	if (holders == NULL)
		return ERR_NO_MEMORY;
	enum err e = kvs_reader_holders(a->reader, wish.origin, content, arena, holders, PLACE_HOLDERS_MAX, &n);
	return e == OK ? place_among_now(a->api, a->view_reader, holders, n, &wish, arena, out) : e;
}

/* The chosen nodes into o->copies. */
static enum err choose(
    const struct admin *a, const struct config_origin *origin, struct arena *arena, struct warm_order *o)
{
	struct place p;
	uint32_t chosen[WARM_COPIES_MAX];
	enum err e = read_place(a, origin, bytes_str(o->content), arena, &p);
	if (e != OK)
		return e;
	bool *able = arena_array(arena, p.nodes_n, sizeof(*able));
	if (able == NULL)
		return ERR_NO_MEMORY;
	for (size_t i = 0; i < p.nodes_n; i++)
		able[i] = control_warm_able(a->control, &p.nodes[i].id) == OK;
	o->copies_n = warm_choose(&p, able, o->asked, chosen);
	for (size_t i = 0; i < o->copies_n; i++)
		o->copies[i] = (struct copy){ .node = p.nodes[chosen[i]].id, .holder = p.nodes[chosen[i]].holder };
	return OK;
}

static void log_order(const struct warm_order *o)
{
	char id[2 * RPC_WARM_ID_BYTES + 1];
	text_hex(id, bytes_of(o->id.b, sizeof(o->id.b)));
	LOG_EVENT(LOG_INFO, "node", "warm", "an operator ordered copies of a content", LOG_STR("warm", id),
	    LOG_STR("content", o->content), LOG_U64("copies", o->asked), LOG_U64("nodes", o->copies_n),
	    LOG_STR("by", o->by));
}

static void begin(struct warm_orders *all, struct warm_order *o)
{
	all->random(o->id.b, sizeof(o->id.b));
	o->number = ++all->number;
	o->given_ms = now_ms();
	all->count.orders++;
	all->count.copies += o->copies_n;
	for (size_t i = 0; i < o->copies_n; i++) {
		o->copies[i].heard_ms = o->given_ms;
		tell(all, o, &o->copies[i]);
	}
	ev_now_update(all->loop);
	ev_timer_again(all->loop, &all->timer);
}

static void order(const struct admin *a, struct http_exchange *x, const char *content, uint32_t copies)
{
	struct warm_orders *all = a->warm_orders;
	const struct config_origin *origin = config_origin_of(a->config, bytes_str(content));
	struct warm_order **at = place_for(all);
	if (origin == NULL) {
		http_problem(x, 404, "no-such-content", "No origin store of this node has contents of that name.", 0);
		return;
	}
	if (at == NULL) {
		http_problem(x, 503, "busy", "Too many contents are being warmed.", 10);
		return;
	}
	struct warm_order *o = calloc(1, sizeof(*o));
	CHECK(o != NULL);
	o->asked = copies;
	struct bytes by = admin_operator_of(x);
	if (by.n > 0)
		memcpy(o->by, by.p, by.n);
	memcpy(o->content, content, strlen(content) + 1);
	memcpy(o->origin, origin->name, strlen(origin->name) + 1);
	struct arena arena;
	arena_init(&arena, DECISION_MAX_BYTES);
	enum err e = choose(a, origin, &arena, o);
	arena_fini(&arena);
	if (e != OK || o->copies_n == 0) {
		free(o);
		http_problem(x, 503, e != OK ? "unavailable" : "no-headroom",
		    e != OK ? err_str(e) : "No delivery node that is ready and linked has headroom.", 5);
		return;
	}
	free(*at);
	*at = o;
	struct buf out;
	buf_init(&out, ADMIN_ANSWER_MAX);
	begin(all, o);
	log_order(o);
	put_order(all, o, &out);
	admin_answer_json_as(x, 202, &out);
	buf_fini(&out);
}

/* -- of this node itself -- */

enum err warm_orders_give(struct warm_orders *all, struct bytes origin, struct bytes content,
    const struct node_id *node, struct rpc_warm_id *id)
{
	if (origin.n > ORIGIN_MAX || content.n > RPC_CONTENT_MAX)
		return ERR_TOO_BIG;
	struct warm_order **at = place_for(all);
	if (at == NULL)
		return ERR_FULL;
	free(*at);
	*at = calloc(1, sizeof(**at));
	CHECK(*at != NULL);
	struct warm_order *o = *at;
	o->asked = 1;
	o->copies_n = 1;
	o->copies[0].node = *node;
	memcpy(o->content, content.p, content.n);
	memcpy(o->origin, origin.p, origin.n);
	begin(all, o);
	*id = o->id;
	return OK;
}

bool warm_orders_told(const struct warm_orders *all, const struct rpc_warm_id *id, struct warm_copy *out)
{
	const struct warm_order *o = order_of(all, id);
	struct kvs_member m;
	if (o == NULL)
		return false;
	const struct copy *c = &o->copies[0];
	*out = (struct warm_copy){ .state = c->state,
		.objects = c->objects,
		.remaining = c->remaining,
		.failed = c->failed,
		.bytes = c->bytes,
		.detail = c->detail };
	out->gone =
	    !copy_ended(c) && (c->said == ERR_NOT_FOUND || c->said == ERR_VERSION ||
	                          !member_of(control_kvs(all->control), &c->node, &m) || m.liveness == KVS_DOWN);
	return true;
}

void warm_orders_forget(struct warm_orders *all, const struct rpc_warm_id *id)
{
	for (size_t i = 0; i < WARM_ORDERS_MAX; i++) {
		if (all->orders[i] == NULL || memcmp(all->orders[i]->id.b, id->b, sizeof(id->b)) != 0)
			continue;
		free(all->orders[i]);
		all->orders[i] = NULL;
	}
}

/* -- requests -- */

/* {"content": ID, "copies": N}; "copies" may be absent: 1. */
static bool take_body(json_t *json, const char **content, uint32_t *copies)
{
	const json_t *name = json_object_get(json, "content"), *n = json_object_get(json, "copies");
	size_t members = 1 + (n != NULL);
	if (json_object_size(json) != members || !json_is_string(name) || (n != NULL && !json_is_integer(n)))
		return false;
	json_int_t number = n != NULL ? json_integer_value(n) : 1;
	if (number < 1 || number > WARM_COPIES_MAX ||
	    !session_name_ok(bytes_of(json_string_value(name), json_string_length(name))))
		return false;
	*content = json_string_value(name);
	*copies = (uint32_t)number;
	return true;
}

static void on_post(const struct admin *a, struct http_exchange *x)
{
	const struct http_request *r = http_request(x);
	struct bytes type = http_header(r, "Content-Type");
	struct admin_refusal why;
	const char *content;
	uint32_t copies;
	if (r->method != HTTP_POST) {
		admin_not_allowed(x, "POST");
		return;
	}
	/* A page of another site may make a browser post, but not with that type unless it is allowed to. */
	if (!http_header_is(bytes_head(type, bytes_index(type, ';')), "application/json")) {
		http_problem(x, 415, "media-type", "Send the request with Content-Type: application/json.", 0);
		return;
	}
	if (a->api == NULL || a->warm_orders == NULL) {
		admin_no_api_here(a, http_arena(x), &why);
		http_problem(x, why.status, why.type, why.detail, 0);
		return;
	}
	json_t *json = json_loadb((const char *)r->body.p, r->body.n, JSON_REJECT_DUPLICATES, NULL);
	if (take_body(json, &content, &copies))
		order(a, x, content, copies);
	else
		http_problem(x, 400, "malformed", "The body must be {\"content\": ID, \"copies\": 1 to 64}.", 0);
	json_decref(json);
}

static void show(const struct admin *a, struct http_exchange *x, struct bytes hex)
{
	struct rpc_warm_id id;
	const struct warm_order *o = NULL;
	if (http_request(x)->method != HTTP_GET && http_request(x)->method != HTTP_HEAD) {
		admin_not_allowed(x, "GET, HEAD");
		return;
	}
	if (a->warm_orders != NULL && hex.n == 2 * RPC_WARM_ID_BYTES && text_unhex(id.b, hex) == OK)
		o = order_of(a->warm_orders, &id);
	if (o == NULL) {
		http_problem(x, 404, "no-such-warm",
		    "This node has no such order: it was given to another one, or is long over.", 0);
		return;
	}
	struct buf out;
	buf_init(&out, ADMIN_ANSWER_MAX);
	put_order(a->warm_orders, o, &out);
	admin_answer_json(x, &out);
	buf_fini(&out);
}

bool warm_orders_handle(const struct admin *a, struct http_exchange *x, struct bytes path)
{
	static const struct bytes orders = { (const uint8_t *)"/v1/warm/", 9 };
	if (bytes_eq(path, BYTES_LIT("/v1/warm")))
		on_post(a, x);
	else if (bytes_starts_with(path, orders))
		show(a, x, bytes_from(path, orders.n));
	else
		return false;
	return true;
}
