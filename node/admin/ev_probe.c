#include "node/admin/ev_probe.h"

#include "base/obj.h"
#include "node/admin/admin.h"
#include "node/admin/fields.h"
#include "node/http/path.h"
#include "node/json_text.h"

#include <ev.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROBE_MAGIC 0x70726f62u
#define WAIT_MAGIC 0x70726f77u

enum { WAITING_MAX = 64 };

struct write {
	uint32_t slot;
	uint64_t number;
	bool deleted;
	uint64_t version; /* once it is stored; 0: there is no entry any more */
};

/* A request whose writes are on their way to the disk. */
struct wait {
	unsigned magic;
	struct probe *probe;
	struct http_exchange *x;
	struct write *writes;
	size_t writes_n, stored_n;
	ev_timer deadline;
};

struct probe {
	unsigned magic;
	struct control *control;
	struct node_id self;
	struct ev_loop *loop;
	uint32_t stored_within_ms;
	struct probe_log log;
	uint64_t number; /* the last one written */
	uint32_t next_slot;
	struct wait *waiting[WAITING_MAX];
	size_t waiting_n;
};

static uint64_t now_wall_us(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_REALTIME, &t) == 0);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* -- requests that wait for the disk -- */

static void wait_end(struct wait *w)
{
	struct probe *p = w->probe;
	for (size_t i = 0; i < p->waiting_n; i++) {
		if (p->waiting[i] == w) {
			p->waiting[i] = p->waiting[--p->waiting_n];
			break;
		}
	}
	ev_timer_stop(p->loop, &w->deadline);
	free(w->writes);
	OBJ_FREE(w);
}

static void on_gone(void *arg)
{
	wait_end(OBJ_CAST(struct wait, WAIT_MAGIC, arg));
}

static void on_deadline(struct ev_loop *loop, ev_timer *timer, int revents)
{
	(void)loop;
	(void)revents;
	struct wait *w = OBJ_CAST(struct wait, WAIT_MAGIC, timer->data);
	struct http_exchange *x = w->x;
	wait_end(w);
	http_problem(x, 503, "not-stored", "The store has not written it yet: see this node's log.", 1);
}

/* The own row shows a write only after the store has said STORED for it (R5). A later write into the slot
 * stands for it. */
static bool is_stored(const struct probe *p, struct write *w)
{
	uint8_t key[RPC_PROBE_KEY_MAX];
	struct bytes k = bytes_of(key, rpc_probe_key(w->slot, key));
	struct rpc_entry e;
	struct rpc_probe probe = { .number = 0 };
	bool there = kvs_entry_of(control_kvs(p->control), &p->self, RPC_LOCATIONS, k, &e);
	bool stored = w->deleted && !there;
	if (there && !e.deleted) {
		struct arena a;
		arena_init(&a, RPC_ARENA_MAX);
		if (rpc_decode_probe(e.value, &a, &probe) != OK)
			probe.number = 0;
		arena_fini(&a);
		stored = w->deleted ? probe.number > w->number : probe.number >= w->number;
	} else if (there) {
		/* Of a write it may be an older one; of a delete it is not, since that began with a live entry. */
		stored = w->deleted;
	}
	if (stored && there)
		w->version = e.version;
	return stored;
}

static void put_writes(const struct wait *w, struct buf *out)
{
	uint64_t last = 0;
	buf_put_u8(out, '{');
	field_id(out, "owner", &w->probe->self);
	json_put_key(out, "writes");
	buf_put_u8(out, '[');
	for (size_t i = 0; i < w->writes_n; i++) {
		const struct write *one = &w->writes[i];
		json_put_next(out);
		buf_put_u8(out, '{');
		field_u64(out, "slot", one->slot);
		field_u64(out, "number", one->number);
		field_u64(out, "version", one->version);
		buf_put_u8(out, '}');
		last = one->version > last ? one->version : last;
	}
	buf_put_u8(out, ']');
	field_u64(out, "version", last);
	buf_put_str(out, "}\n");
}

/* Answers when all of it is stored; true: it is over. */
static bool finish(struct wait *w)
{
	while (w->stored_n < w->writes_n && is_stored(w->probe, &w->writes[w->stored_n]))
		w->stored_n++;
	if (w->stored_n < w->writes_n)
		return false;
	struct http_exchange *x = w->x;
	struct buf out;
	buf_init(&out, ADMIN_ANSWER_MAX);
	put_writes(w, &out);
	wait_end(w);
	admin_answer_json(x, &out);
	buf_fini(&out);
	return true;
}

/* -- what control tells -- */

static void on_applied(void *ctx, const struct kvs_watched *w)
{
	struct probe *p = OBJ_CAST(struct probe, PROBE_MAGIC, ctx);
	probe_log_add(&p->log, &w->owner, &w->entry, now_wall_us());
}

static void on_stored(void *ctx)
{
	struct probe *p = OBJ_CAST(struct probe, PROBE_MAGIC, ctx);
	for (size_t i = 0; i < p->waiting_n;)
		if (!finish(p->waiting[i]))
			i++;
}

/* Numbers go on where an earlier run ended, also when the clock was set back since. */
static void find_last(void *arg, const struct rpc_entry *e)
{
	struct probe *p = arg;
	struct rpc_probe probe;
	struct arena a;
	uint32_t slot;
	if (e->deleted || rpc_probe_key_slot(e->key, &slot) != OK)
		return;
	arena_init(&a, RPC_ARENA_MAX);
	if (rpc_decode_probe(e->value, &a, &probe) == OK && probe.number > p->number)
		p->number = probe.number;
	arena_fini(&a);
}

struct probe *probe_new(
    struct control *control, const struct node_id *self, struct ev_loop *loop, uint32_t stored_within_ms)
{
	struct probe *p = OBJ_NEW(struct probe, PROBE_MAGIC);
	p->control = control;
	p->self = *self;
	p->loop = loop;
	p->stored_within_ms = stored_within_ms;
	probe_log_init(&p->log);
	/* What an earlier run deleted has left no number behind: time goes on all the same. */
	p->number = now_wall_us() / 1000;
	kvs_each_entry(control_kvs(control), self, RPC_LOCATIONS, find_last, p);
	struct control_watcher w = { on_applied, on_stored, p };
	control_watch(control, &w);
	return p;
}

void probe_free(struct probe *p)
{
	if (p == NULL)
		return;
	OBJ_CHECK(p, PROBE_MAGIC);
	control_watch(p->control, NULL);
	while (p->waiting_n > 0)
		wait_end(p->waiting[0]);
	probe_log_fini(&p->log);
	OBJ_FREE(p);
}

const struct probe_log *probe_log_of(const struct probe *p)
{
	OBJ_CHECK(p, PROBE_MAGIC);
	return &p->log;
}

/* -- POST and DELETE -- */

static struct wait *wait_new(struct probe *p, struct http_exchange *x, size_t writes_max)
{
	struct wait *w = OBJ_NEW(struct wait, WAIT_MAGIC);
	w->probe = p;
	w->x = x;
	w->writes = calloc(writes_max, sizeof(*w->writes));
	CHECK(w->writes != NULL);
	p->waiting[p->waiting_n++] = w;
	ev_now_update(p->loop);
	ev_timer_init(&w->deadline, on_deadline, p->stored_within_ms / 1000.0, 0.0);
	w->deadline.data = w;
	ev_timer_start(p->loop, &w->deadline);
	http_on_gone(x, on_gone, w);
	return w;
}

static void write_one(struct probe *p, struct wait *w, uint32_t slot, uint32_t filler_bytes)
{
	uint8_t key[RPC_PROBE_KEY_MAX], filler[RPC_PROBE_FILLER_MAX];
	struct buf value;
	memset(filler, 'x', filler_bytes);
	struct rpc_probe probe = { now_wall_us(), ++p->number, bytes_of(filler, filler_bytes) };
	buf_init(&value, RPC_VALUE_MAX);
	CHECK(rpc_encode_probe(&probe, &value) == OK);
	w->writes[w->writes_n++] = (struct write){ .slot = slot, .number = probe.number };
	control_put(p->control, bytes_of(key, rpc_probe_key(slot, key)), buf_bytes(&value));
	buf_fini(&value);
}

/* A page of another site may make a browser post, but not with that type unless it is allowed to. */
static bool is_json(struct http_exchange *x)
{
	struct bytes type = http_header(http_request(x), "Content-Type");
	return http_header_is(bytes_head(type, bytes_index(type, ';')), "application/json");
}

/* False: it was answered. */
static bool may_write(struct probe *p, struct http_exchange *x)
{
	if (control_mute(p->control))
		http_problem(x, 503, "mute", "This node's store fails: nothing is written.", 1);
	else if (p->waiting_n == WAITING_MAX)
		http_problem(x, 503, "busy", "Too many probes are on their way to the disk.", 1);
	else
		return true;
	return false;
}

static void post(struct probe *p, struct http_exchange *x)
{
	struct probe_request r;
	const char *why;
	if (!is_json(x)) {
		http_problem(x, 415, "media-type", "Send the request with Content-Type: application/json.", 0);
		return;
	}
	if (!probe_request_parse(http_request(x)->body, &r, &why)) {
		http_problem(x, 400, "malformed", why, 0);
		return;
	}
	if (!may_write(p, x))
		return;
	struct wait *w = wait_new(p, x, r.slots);
	for (uint32_t i = 0; i < r.slots; i++) {
		uint32_t slot = r.has_slot ? r.slot : p->next_slot++ % RPC_PROBE_SLOTS;
		write_one(p, w, slot, r.filler_bytes);
	}
}

/* The slot's own entry, as it will be; *stored: and so it is on disk. */
static bool has_own(const struct probe *p, struct bytes key, bool *stored)
{
	struct bytes value;
	struct rpc_entry e;
	if (!kvs_own_get(control_kvs(p->control), RPC_LOCATIONS, key, &value))
		return false;
	*stored = kvs_entry_of(control_kvs(p->control), &p->self, RPC_LOCATIONS, key, &e) && !e.deleted;
	return true;
}

/* A live entry that is on its way to the disk may stand over an older tombstone there, which would be taken
 * for the one that is asked for. */
static bool may_delete(struct probe *p, struct http_exchange *x)
{
	if (!may_write(p, x))
		return false;
	for (uint32_t slot = 0; slot < RPC_PROBE_SLOTS; slot++) {
		uint8_t key[RPC_PROBE_KEY_MAX];
		bool stored;
		if (has_own(p, bytes_of(key, rpc_probe_key(slot, key)), &stored) && !stored) {
			http_problem(x, 503, "busy", "Probes are on their way to the disk.", 1);
			return false;
		}
	}
	return true;
}

static void delete_all(struct probe *p, struct http_exchange *x)
{
	if (!may_delete(p, x))
		return;
	struct wait *w = wait_new(p, x, RPC_PROBE_SLOTS);
	for (uint32_t slot = 0; slot < RPC_PROBE_SLOTS; slot++) {
		uint8_t key[RPC_PROBE_KEY_MAX];
		struct bytes k = bytes_of(key, rpc_probe_key(slot, key));
		bool stored;
		if (!has_own(p, k, &stored))
			continue;
		w->writes[w->writes_n++] = (struct write){ .slot = slot, .number = p->number, .deleted = true };
		control_delete(p->control, k);
	}
	if (w->writes_n == 0)
		(void)finish(w);
}

/* -- GET -- */

static void put_seen(const struct admin *a, struct buf *out)
{
	const struct probe_log *l = &a->probe->log;
	buf_put_u8(out, '{');
	field_str(out, "node", bytes_str(a->config->node));
	field_id(out, "id", a->self);
	json_put_key(out, "seen");
	buf_put_u8(out, '[');
	for (size_t i = 0; i < l->seen_n; i++) {
		const struct probe_seen *s = &l->seen[i];
		json_put_next(out);
		buf_put_u8(out, '{');
		field_id(out, "owner", &s->owner);
		field_str(out, "name", admin_name_of(control_kvs(a->control), &s->owner));
		field_u64(out, "number", s->number);
		json_put_key(out, "latency_us");
		buf_printf(out, "%" PRId64 "}", s->latency_us);
	}
	buf_put_str(out, "]}\n");
}

static void put_slot(void *arg, const struct rpc_entry *e)
{
	struct buf *out = arg;
	struct rpc_probe probe;
	struct arena a;
	uint32_t slot;
	if (e->deleted || rpc_probe_key_slot(e->key, &slot) != OK)
		return;
	arena_init(&a, RPC_ARENA_MAX);
	if (rpc_decode_probe(e->value, &a, &probe) == OK) {
		json_put_next(out);
		buf_put_u8(out, '{');
		field_u64(out, "slot", slot);
		field_u64(out, "number", probe.number);
		field_u64(out, "version", e->version);
		buf_put_u8(out, '}');
	}
	arena_fini(&a);
}

static void put_slots(const struct admin *a, const struct node_id *owner, struct buf *out)
{
	const struct kvs *kvs = control_kvs(a->control);
	buf_put_u8(out, '{');
	field_str(out, "name", admin_name_of(kvs, owner));
	field_id(out, "owner", owner);
	json_put_key(out, "slots");
	buf_put_u8(out, '[');
	kvs_each_entry(kvs, owner, RPC_LOCATIONS, put_slot, out);
	buf_put_str(out, "]}\n");
}

static void get(const struct admin *a, struct http_exchange *x)
{
	struct bytes owner = http_query(http_request(x)->query, "owner");
	struct admin_refusal why;
	struct node_id id;
	if (owner.n > 0 && !admin_take_owner(control_kvs(a->control), owner, &id, &why)) {
		http_problem(x, why.status, why.type, why.detail, 0);
		return;
	}
	struct buf out;
	buf_init(&out, ADMIN_ANSWER_MAX);
	if (owner.n > 0)
		put_slots(a, &id, &out);
	else
		put_seen(a, &out);
	admin_answer_json(x, &out);
	buf_fini(&out);
}

void probe_handle(const struct admin *a, struct http_exchange *x)
{
	OBJ_CHECK(a->probe, PROBE_MAGIC);
	switch (http_request(x)->method) {
	case HTTP_GET:
	case HTTP_HEAD: get(a, x); break;
	case HTTP_POST: post(a->probe, x); break;
	case HTTP_DELETE: delete_all(a->probe, x); break;
	default: admin_not_allowed(x, "GET, HEAD, POST, DELETE");
	}
}
