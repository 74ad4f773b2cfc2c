#include "rpc/nng_link.h"

#include "base/obj.h"
#include "rpc/hello.h"
#include "rpc/nng_set.h"

#include <nng/nng.h>

enum {
	LINKS_MAGIC = 0x6c6e6b73,
	FREE_WAIT_MS = 200,   /* for the last words to leave */
	HANG_UP_WAIT_MS = 50, /* and then for the peer to have read them */
};

/* Links that ended are freed here, where none of their code is on the stack. */
static void reap(void *owner)
{
	struct nng_links *set = OBJ_CAST(struct nng_links, LINKS_MAGIC, owner);
	for (size_t i = 0; set->dead_any && i < RPC_LINKS_MAX; i++) {
		if (set->slots[i] != NULL && set->slots[i]->state == LINK_DEAD)
			link_free(set->slots[i]);
	}
	set->dead_any = false;
	listener_resume(set->listener);
}

static enum err check_self(struct nng_links *set, const struct rpc_hello *self)
{
	struct rpc_msg m = { .kind = RPC_HELLO, .hello = *self };
	buf_clear(&set->frame);
	enum err e = rpc_encode(&m, &set->encode_arena, &set->frame);
	arena_reset(&set->encode_arena);
	return e;
}

static void set_self(struct nng_links *set, const struct rpc_hello *self)
{
	hello_copy_set(&set->self, self);
	cluster_keys_name(&set->keys, &set->self.hello);
}

enum err nng_links_new(const struct nng_links_config *c, struct nng_links **out)
{
	struct nng_links *set = OBJ_NEW(struct nng_links, LINKS_MAGIC);
	nng_hub_init(&set->hub, c->loop);
	set->events = c->events;
	set->ctx = c->ctx;
	if (c->keys != NULL)
		set->keys = *c->keys;
	set->random = c->random;
	if (c->cert != NULL)
		set->cert = nng_cert_hold(c->cert);
	set->self_retry_ms = c->self_retry_ms != 0 ? c->self_retry_ms : RPC_DIAL_SELF_RETRY_MS;
	CHECK(set->keys.n == 0 || set->random != NULL);
	set->reap = (struct nng_signal){ .run = reap, .owner = set };
	prng_init(&set->prng, c->seed);
	arena_init(&set->encode_arena, RPC_ARENA_MAX);
	arena_init(&set->decode_arena, RPC_ARENA_MAX);
	buf_init(&set->frame, RPC_FRAME_MAX);
	once_init(&set->refusals);
	enum err e = check_self(set, &c->self);
	if (e == OK) {
		set_self(set, &c->self);
		e = listener_new(set, c->listen, &set->listener);
	}
	if (e != OK) {
		nng_links_free(set);
		return e;
	}
	*out = set;
	return OK;
}

static bool all_links(const struct nng_links *set, bool (*is)(const struct nng_conn *))
{
	for (size_t i = 0, seen = 0; seen < set->slots_n; i++) {
		const struct link *l = set->slots[i];
		if (l == NULL)
			continue;
		seen++;
		if (l->state != LINK_DEAD && !is(l->conn))
			return false;
	}
	return true;
}

static void wait_until(struct nng_links *set, bool (*is)(const struct nng_conn *), uint64_t until_ms)
{
	nng_hub_lock(&set->hub);
	while (!all_links(set, is) && nng_now_ms() < until_ms)
		nng_hub_wait(&set->hub, until_ms);
	nng_hub_unlock(&set->hub);
}

/* A connection closed with unread input is reset, and takes its last words with it: so input is read
 * until the peer hangs up, or time is over. */
static void say_bye_to_all(struct nng_links *set)
{
	uint64_t end_ms = nng_now_ms() + FREE_WAIT_MS;
	for (size_t i = 0; i < RPC_LINKS_MAX; i++) {
		struct link *l = set->slots[i];
		if (l == NULL || l->state == LINK_DEAD)
			continue;
		struct rpc_msg m = { .kind = RPC_BYE };
		if (l->state == LINK_UP)
			link_say(l, &m);
		nng_conn_discard_input(l->conn);
	}
	wait_until(set, nng_conn_drained_locked, end_ms);
	uint64_t hung_up_ms = nng_now_ms() + HANG_UP_WAIT_MS;
	wait_until(set, nng_conn_ended_locked, hung_up_ms < end_ms ? hung_up_ms : end_ms);
}

void nng_links_free(struct nng_links *set)
{
	if (set == NULL)
		return;
	OBJ_CHECK(set, LINKS_MAGIC);
	listener_free(set->listener);
	set->listener = NULL;
	dials_free(set);
	say_bye_to_all(set);
	for (size_t i = 0; i < RPC_LINKS_MAX; i++) {
		if (set->slots[i] != NULL)
			link_free(set->slots[i]);
	}
	nng_hub_forget(&set->hub, &set->reap);
	buf_fini(&set->frame);
	arena_fini(&set->encode_arena);
	arena_fini(&set->decode_arena);
	cluster_keys_fini(&set->keys);
	if (!nng_conns_settle(&set->hub, nng_now_ms() + FREE_WAIT_MS)) {
		nng_hub_leave(&set->hub); /* a few kilobytes lost are better than a callback into freed memory */
		return;
	}
	nng_hub_fini(&set->hub);
	nng_cert_free(set->cert);
	OBJ_FREE(set);
}

unsigned nng_links_port(const struct nng_links *set)
{
	return listener_port(set->listener);
}

void nng_links_set_self(struct nng_links *set, const struct rpc_hello *self)
{
	CHECK(check_self(set, self) == OK);
	set_self(set, self);
}

void nng_links_set_keys(struct nng_links *set, const struct cluster_keys *keys)
{
	CHECK((keys->n > 0) == (set->keys.n > 0));
	set->keys = *keys;
	cluster_keys_name(&set->keys, &set->self.hello);
}

void nng_links_set_cert(struct nng_links *set, struct nng_cert *cert)
{
	CHECK(cert != NULL && set->cert != NULL);
	struct nng_cert *former = set->cert;
	set->cert = nng_cert_hold(cert);
	listener_renew(set->listener);
	nng_cert_free(former);
}

enum err nng_links_send(struct nng_links *set, link_id id, struct rpc_msg *m)
{
	struct link *l = link_by_id(set, id);
	return l == NULL ? ERR_NOT_FOUND : link_send(l, m, false);
}

size_t nng_links_room(const struct nng_links *set, link_id id)
{
	const struct link *l = link_by_id(set, id);
	if (l == NULL)
		return 0;
	uint64_t unacked = l->said_bytes - l->acked_bytes;
	return unacked < RPC_LINK_WINDOW ? (size_t)(RPC_LINK_WINDOW - unacked) : 0;
}

void nng_links_close(struct nng_links *set, link_id id)
{
	struct link *l = link_by_id(set, id);
	if (l == NULL)
		return;
	struct rpc_msg m = { .kind = RPC_BYE };
	link_say(l, &m);
	link_leave(l, true, true, DIAL_FAILED);
}

void nng_links_refuse(struct nng_links *set, link_id id, enum rpc_refusal reason)
{
	struct link *l = link_by_id(set, id);
	char text[RPC_TEXT_MAX + 1];
	if (l == NULL)
		return;
	hello_refusal_text(reason, &set->self.hello, &l->peer.hello, text);
	struct rpc_msg m = { .kind = RPC_REFUSAL, .refusal = { .reason = reason, .text = bytes_str(text) } };
	link_say(l, &m);
	link_leave(l, true, true, DIAL_FAILED);
}

void nng_links_count(const struct nng_links *set, struct nng_links_counters *out)
{
	*out = set->counters;
}

void nng_links_exit(void)
{
	nng_fini();
}
