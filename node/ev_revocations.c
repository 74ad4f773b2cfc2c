#include "node/ev_revocations.h"

#include "base/obj.h"
#include "node/ev_mailbox.h"
#include "node/fs_log.h"
#include "node/revoked_reader.h"

#include <pthread.h>
#include <string.h>

#define REVOCATIONS_MAGIC 0x7265766eu

enum {
	READ_EVERY_MS = 250,
	FORGET_READS = 240, /* once a minute */
	DELETE_READS = 40,  /* every ten seconds, when one has ended */
	DELETE_MAX = 4096,  /* at once */
};

struct waiting {
	struct rpc_session_id id;
	uint64_t not_after_s;
};

struct revocations {
	unsigned magic;
	struct revocations_config c;
	struct revoked_reader reader;
	ev_timer timer;
	unsigned reads;
	bool full_said;
	struct rpc_session_id ended[DELETE_MAX];

	pthread_mutex_t lock; /* of what follows */
	struct letter letter;
	struct waiting waiting[REVOCATIONS_WAITING];
	size_t waiting_n, own_n;
	uint64_t own_first_end_s;
};

static void lock(struct revocations *r)
{
	CHECK(pthread_mutex_lock(&r->lock) == 0);
}

static void unlock(struct revocations *r)
{
	CHECK(pthread_mutex_unlock(&r->lock) == 0);
}

/* -- from a worker to the replica -- */

enum err revocations_add(void *revocations, const struct rpc_session_id *id, uint64_t not_after_s)
{
	struct revocations *r = OBJ_CAST(struct revocations, REVOCATIONS_MAGIC, revocations);
	if (revoked_has(r->c.set, id))
		return OK;
	enum err e = OK;
	lock(r);
	if (r->own_n >= r->c.own_max)
		e = ERR_FULL;
	else if (r->waiting_n == REVOCATIONS_WAITING)
		e = ERR_BUSY;
	else if (revoked_has(r->c.set, id))
		; /* by another worker, meanwhile */
	else if (!revoked_add(r->c.set, id, not_after_s))
		e = ERR_FULL;
	else {
		r->waiting[r->waiting_n++] = (struct waiting){ *id, not_after_s };
		r->own_n++;
		if (not_after_s < r->own_first_end_s)
			r->own_first_end_s = not_after_s;
		(void)mailbox_post(r->c.mailbox, &r->letter);
	}
	unlock(r);
	return e;
}

static void write_entry(struct revocations *r, const struct waiting *w)
{
	uint8_t key[RPC_REVOCATION_KEY_BYTES];
	struct buf value;
	buf_init(&value, RPC_VALUE_MAX);
	rpc_revocation_key(&w->id, key);
	CHECK(rpc_encode_revocation(w->not_after_s, &value) == OK);
	control_put(r->c.control, bytes_of(key, sizeof(key)), buf_bytes(&value));
	buf_fini(&value);
}

static void on_waiting(struct letter *l)
{
	struct revocations *r = CONTAINER_OF(l, struct revocations, letter);
	static struct waiting taken[REVOCATIONS_WAITING]; /* control's thread only */
	OBJ_CHECK(r, REVOCATIONS_MAGIC);
	lock(r);
	size_t n = r->waiting_n;
	memcpy(taken, r->waiting, n * sizeof(taken[0]));
	r->waiting_n = 0;
	unlock(r);
	for (size_t i = 0; i < n; i++)
		write_entry(r, &taken[i]);
}

/* -- from the replica to the workers -- */

static void on_found(void *arg, const struct rpc_session_id *id, uint64_t not_after_s)
{
	struct revocations *r = arg;
	if (not_after_s < r->c.now_wall_ms() / 1000 || revoked_add(r->c.set, id, not_after_s) || r->full_said)
		return;
	r->full_said = true;
	LOG_EVENT(LOG_ERROR, "api", "revocations-full",
	    "more sessions are revoked in this cluster than a node keeps in mind: further ones are not refused "
	    "here",
	    LOG_U64("max", REVOKED_MAX));
}

/* -- in time -- */

static void delete_own(struct revocations *r, const struct rpc_session_id *id)
{
	uint8_t bytes[RPC_REVOCATION_KEY_BYTES];
	struct bytes key = bytes_of(bytes, sizeof(bytes)), value;
	rpc_revocation_key(id, bytes);
	/* Deleted before, and not stored yet. */
	if (!kvs_own_get(control_kvs(r->c.control), RPC_LOCATIONS, key, &value))
		return;
	control_delete(r->c.control, key);
	lock(r);
	r->own_n -= r->own_n > 0;
	unlock(r);
}

static void delete_ended(struct revocations *r, uint64_t now_s)
{
	struct revoked_own own;
	lock(r);
	bool due = r->own_first_end_s < now_s;
	r->own_first_end_s = due ? UINT64_MAX : r->own_first_end_s;
	unlock(r);
	if (!due)
		return;
	revoked_reader_own(control_kvs(r->c.control), &r->c.self, now_s, r->ended, DELETE_MAX, &own);
	for (size_t i = 0; i < own.ended_n; i++)
		delete_own(r, &r->ended[i]);
	/* The row shows them still: what ended is looked for once more, and then what is left. */
	lock(r);
	if (own.first_end_s < r->own_first_end_s)
		r->own_first_end_s = own.first_end_s;
	unlock(r);
}

static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	struct revocations *r = OBJ_CAST(struct revocations, REVOCATIONS_MAGIC, w->data);
	uint64_t now_s = r->c.now_wall_ms() / 1000;
	revoked_reader_read(&r->reader, control_kvs(r->c.control), on_found, r);
	r->reads++;
	if (r->reads % DELETE_READS == 0)
		delete_ended(r, now_s);
	if (r->reads % FORGET_READS == 0) {
		revoked_expire(r->c.set, now_s);
		r->full_said = r->full_said && revoked_n(r->c.set) > REVOKED_MAX / 2;
	}
}

struct revocations *revocations_start(const struct revocations_config *c)
{
	struct revocations *r = OBJ_NEW(struct revocations, REVOCATIONS_MAGIC);
	struct revoked_own own;
	r->c = *c;
	r->letter.deliver = on_waiting;
	CHECK(pthread_mutex_init(&r->lock, NULL) == 0);
	revoked_reader_init(&r->reader);
	revoked_reader_read(&r->reader, control_kvs(c->control), on_found, r);
	revoked_reader_own(control_kvs(c->control), &c->self, 0, NULL, 0, &own);
	r->own_n = own.n;
	r->own_first_end_s = own.first_end_s;
	double every_s = (c->read_every_ms == 0 ? READ_EVERY_MS : c->read_every_ms) / 1000.0;
	ev_timer_init(&r->timer, on_timer, every_s, every_s);
	r->timer.data = r;
	ev_timer_start(c->loop, &r->timer);
	return r;
}

void revocations_stop(struct revocations *r)
{
	if (r == NULL)
		return;
	OBJ_CHECK(r, REVOCATIONS_MAGIC);
	ev_timer_stop(r->c.loop, &r->timer);
	on_waiting(&r->letter); /* the last ones */
	mailbox_withdraw(r->c.mailbox, &r->letter);
	revoked_reader_fini(&r->reader);
	CHECK(pthread_mutex_destroy(&r->lock) == 0);
	OBJ_FREE(r);
}
