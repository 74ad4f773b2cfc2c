#include "base/obj.h"
#include "rpc/nng_set.h"

#include <stdio.h>

enum {
	LINK_MAGIC = 0x6c696e6b,
	LINGER_MS = 200,
	ACK_EVERY_BYTES = 64 * 1024,
	/* What urgent frames may add to the window. */
	URGENT_BYTES = 4 * 1024,
	SLOT_BITS = 12,
};
_Static_assert(1 << SLOT_BITS == RPC_LINKS_MAX, "a link's id holds its slot");

static struct bytes copy_text(struct hello_copy *to, size_t *used, struct bytes s, size_t max)
{
	CHECK(s.n <= max && *used + s.n <= sizeof(to->text));
	uint8_t *at = to->text + *used;
	if (s.n > 0)
		memcpy(at, s.p, s.n);
	*used += s.n;
	return bytes_of(at, s.n);
}

void hello_copy_set(struct hello_copy *to, const struct rpc_hello *from)
{
	size_t used = 0;
	to->hello = *from;
	to->hello.cluster = copy_text(to, &used, from->cluster, RPC_CLUSTER_MAX);
	to->hello.name = copy_text(to, &used, from->name, RPC_NAME_MAX);
	to->hello.build = copy_text(to, &used, from->build, RPC_NAME_MAX);
	to->hello.rpc_address = copy_text(to, &used, from->rpc_address, RPC_ADDRESS_MAX);
}

struct link *link_by_id(const struct nng_links *set, link_id id)
{
	struct link *l = set->slots[id & (RPC_LINKS_MAX - 1)];
	return l != NULL && l->id == id && l->state == LINK_UP ? l : NULL;
}

bool link_counts(const struct link *l, const struct node_id *node)
{
	return (l->state == LINK_UP || l->state == LINK_CONFIRM) && node_id_eq(&l->peer.hello.node, node);
}

struct link *link_to(const struct nng_links *set, const struct node_id *node)
{
	for (size_t i = 0, seen = 0; seen < set->slots_n; i++) {
		struct link *l = set->slots[i];
		if (l == NULL)
			continue;
		seen++;
		if (link_counts(l, node))
			return l;
	}
	return NULL;
}

static enum err encode(struct link *l, const struct rpc_msg *m)
{
	struct nng_links *set = l->set;
	buf_clear(&set->frame);
	enum err e = rpc_encode_named(m, l->names, &set->encode_arena, &set->frame);
	arena_reset(&set->encode_arena);
	return e;
}

enum err link_send(struct link *l, struct rpc_msg *m, bool urgent)
{
	struct nng_links *set = l->set;
	uint64_t window = RPC_LINK_WINDOW + (urgent ? URGENT_BYTES : 0);
	uint64_t unacked = l->said_bytes - l->acked_bytes;
	if (unacked >= window) {
		set->counters.window_full++;
		return ERR_FULL;
	}
	m->acked_bytes = frame_ack(l->consumed_bytes, l->told_bytes);
	enum err e = encode(l, m);
	if (e != OK)
		return e;
	struct bytes frame = buf_bytes(&set->frame);
	if (unacked + FRAME_PREFIX_BYTES + frame.n > window) {
		set->counters.window_full++;
		return ERR_FULL;
	}
	uint8_t prefix[FRAME_PREFIX_BYTES];
	frame_prefix(prefix, frame.n);
	e = nng_conn_send(l->conn, bytes_of(prefix, sizeof(prefix)), frame);
	if (e != OK)
		return e;
	rpc_names_said(l->names);
	l->said_bytes += sizeof(prefix) + frame.n;
	if (m->acked_bytes != 0)
		l->told_bytes = m->acked_bytes;
	set->counters.frames_out++;
	set->counters.bytes_out += sizeof(prefix) + frame.n;
	set->counters.by_kind[m->kind].frames_out++;
	set->counters.by_kind[m->kind].bytes_out += sizeof(prefix) + frame.n;
	return OK;
}

void link_say(struct link *l, struct rpc_msg *m)
{
	enum err e = link_send(l, m, true);
	CHECK(e == OK || e == ERR_FULL || e == ERR_NO_MEMORY);
}

bool link_is_listening(const struct link *l)
{
	return l->state == LINK_HELLO || l->state == LINK_PROOF || l->state == LINK_CONFIRM ||
	       l->state == LINK_UP;
}

static void stop_timer(struct link *l)
{
	ev_timer_stop(l->set->hub.loop, &l->timer);
}

static void start_timer(struct link *l, uint64_t after_ms)
{
	stop_timer(l);
	ev_timer_set(&l->timer, (double)after_ms / 1000.0, 0.);
	ev_timer_start(l->set->hub.loop, &l->timer);
}

static void die(struct link *l)
{
	struct nng_links *set = l->set;
	l->state = LINK_DEAD;
	stop_timer(l);
	nng_conn_shut(l->conn);
	set->dead_any = true;
	nng_hub_lock(&set->hub);
	nng_hub_raise(&set->hub, &set->reap);
	nng_hub_unlock(&set->hub);
}

void link_leave(struct link *l, bool linger, bool bye, enum dial_end end)
{
	struct nng_links *set = l->set;
	CHECK(link_is_listening(l));
	bool was_up = l->state == LINK_UP, counted = was_up || l->state == LINK_CONFIRM;
	uint64_t up_for_ms = was_up ? nng_now_ms() - l->since_ms : 0;
	struct dial *dial = l->dial;
	l->dial = NULL;
	if (linger) {
		l->state = LINK_LINGER;
		nng_conn_discard_input(l->conn);
		start_timer(l, LINGER_MS);
	} else {
		die(l);
	}
	if (was_up) {
		set->counters.links--;
		set->accepted_n += !l->dialled;
	}
	if (dial != NULL)
		dial_link_ended(dial, end, up_for_ms);
	if (counted)
		dials_node_lost(set, &l->peer.hello.node, end);
	if (was_up)
		set->events->down(set->ctx, l->id, bye);
}

void link_come_up(struct link *l)
{
	struct nng_links *set = l->set;
	l->state = LINK_UP;
	l->since_ms = nng_now_ms();
	cluster_keys_fini(&l->keys);
	stop_timer(l);
	set->counters.links++;
	if (!l->dialled) {
		set->accepted_n--;
		listener_resume(set->listener);
	}
	set->events->up(set->ctx, l->id, &l->peer.hello, l->version, l->dialled);
}

/* The connection is gone, or was never answered on. */
static void broke(struct link *l, enum err e)
{
	struct nng_links *set = l->set;
	enum dial_end end = l->state == LINK_UP ? DIAL_LOST : DIAL_FAILED;
	if (l->state == LINK_HELLO)
		link_note_tls(l, e);
	if (!link_is_listening(l))
		return; /* the core may have closed it */
	if (l->dial != NULL && l->state != LINK_UP)
		set->events->dial_failed(set->ctx, l->address, e);
	link_leave(l, false, false, end);
}

static void on_input(void *arg)
{
	struct link *l = OBJ_CAST(struct link, LINK_MAGIC, arg);
	link_hear(l);
	if (l->state == LINK_DEAD)
		return;
	if (l->state == LINK_UP && l->consumed_bytes - l->told_bytes >= ACK_EVERY_BYTES)
		link_say_heartbeat(l);
	if (link_is_listening(l) && nng_conn_has_input(l->conn)) {
		nng_conn_again(l->conn);
		return;
	}
	if (!nng_conn_ended(l->conn))
		return;
	if (l->state == LINK_LINGER)
		die(l);
	else
		broke(l, nng_conn_end(l->conn));
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int events)
{
	struct link *l = OBJ_CAST(struct link, LINK_MAGIC, w->data);
	(void)loop;
	(void)events;
	if (l->state == LINK_LINGER)
		die(l);
	else if (!link_proof_is_late(l))
		broke(l, ERR_TIMEOUT); /* no hello within RPC_HELLO_TIMEOUT_MS */
}

static enum err take_slot(struct link *l)
{
	struct nng_links *set = l->set;
	for (size_t i = 0; set->slots_n < RPC_LINKS_MAX && i < RPC_LINKS_MAX; i++) {
		if (set->slots[i] != NULL)
			continue;
		set->slots[i] = l;
		set->slots_n++;
		l->id = ++set->ids << SLOT_BITS | i;
		return OK;
	}
	return ERR_FULL;
}

enum err link_new(struct nng_links *set, struct nng_stream *stream, struct dial *dial, const char *address,
    struct link **out)
{
	struct link *l = OBJ_NEW(struct link, LINK_MAGIC);
	l->set = set;
	l->dialled = dial != NULL;
	l->since_ms = nng_now_ms();
	l->dial = dial;
	l->keys = set->keys;
	snprintf(l->address, sizeof(l->address), "%s", address);
	enum err e = nng_conn_new(&set->hub, stream, RPC_LINK_WINDOW + URGENT_BYTES, on_input, l, &l->conn);
	if (e == OK)
		e = take_slot(l);
	if (e != OK) {
		nng_conn_free(l->conn);
		cluster_keys_fini(&l->keys);
		OBJ_FREE(l);
		return e;
	}
	set->accepted_n += !l->dialled;
	frame_reader_init(&l->frames, RPC_FRAME_MAX);
	ev_timer_init(&l->timer, on_timer, 0., 0.);
	l->timer.data = l;
	start_timer(l, RPC_HELLO_TIMEOUT_MS);
	if (!l->dialled)
		link_say_hello(l);
	*out = l;
	return OK;
}

void link_free(struct link *l)
{
	struct nng_links *set = l->set;
	set->slots[l->id & (RPC_LINKS_MAX - 1)] = NULL;
	set->slots_n--;
	if (!l->dialled && l->state != LINK_UP)
		set->accepted_n--;
	stop_timer(l);
	nng_conn_free(l->conn);
	frame_reader_fini(&l->frames);
	rpc_names_free(l->names);
	cluster_keys_fini(&l->keys);
	OBJ_FREE(l);
}
