#include "rpc/nng_conn.h"

#include "base/obj.h"
#include "rpc/nng_err.h"

#include <nng/nng.h>

enum {
	CONN_MAGIC = 0x6e636f6e,
	KEEP_OUT_BYTES = 16 * 1024, /* memory kept by an out-buffer that is empty */
};

/* nng 1.5.2 never ends a transfer that is begun on a TLS stream which was closed or broke meanwhile, and
 * neither nng_aio_stop nor a time limit helps it. So a stream is closed only when no transfer is being
 * begun; and since a stream may break at any moment, nng_conn_free waits for nothing. */
struct nng_conn {
	unsigned magic;
	struct nng_hub *hub;
	struct nng_conn *next_orphan;
	struct nng_signal signal;
	nng_stream *stream;
	nng_aio *recv_aio, *send_aio;

	/* Under the hub's lock. The ring's free part is nng's while `receiving`, its filled part is the
	 * control loop's; out[flying] is nng's while `sending`. */
	uint8_t *in;
	size_t in_head, in_n;
	bool receiving, discarding, ended;
	bool shut, closed;  /* no transfer may begin; the stream was told */
	bool orphan;        /* no one but nng knows it */
	unsigned beginning; /* transfers that were claimed, and that nng may not have been given yet */
	int end_rv;         /* of the receive that found the end */
	struct buf out[2];
	unsigned flying;
	size_t flown;
	bool sending, unsendable;
};

static bool is_idle(const struct nng_conn *c)
{
	return !c->receiving && !c->sending && c->beginning == 0;
}

/* After each change that may have made it idle. */
static void note_idle(struct nng_conn *c)
{
	if (c->orphan && is_idle(c))
		nng_hub_raise(c->hub, &c->signal);
	else
		CHECK(pthread_cond_signal(&c->hub->changed) == 0);
}

/* nng was given what was claimed: of several the last closes a stream that was shut meanwhile. */
static void begun(struct nng_conn *c)
{
	nng_hub_lock(c->hub);
	bool close = c->shut && !c->closed && c->beginning == 1;
	if (close) {
		c->closed = true;
		nng_hub_unlock(c->hub);
		nng_stream_close(c->stream);
		nng_hub_lock(c->hub);
	}
	c->beginning--;
	note_idle(c);
	nng_hub_unlock(c->hub);
}

/* The ring's free part, if a receive may start now; `receiving` is set then. */
static unsigned claim_receive(struct nng_conn *c, nng_iov iov[2])
{
	size_t room = NNG_CONN_IN_BYTES - c->in_n;
	if (c->receiving || c->ended || c->shut || room == 0)
		return 0;
	c->receiving = true;
	c->beginning++;
	size_t tail = (c->in_head + c->in_n) % NNG_CONN_IN_BYTES;
	size_t first = NNG_CONN_IN_BYTES - tail < room ? NNG_CONN_IN_BYTES - tail : room;
	iov[0] = (nng_iov){ .iov_buf = c->in + tail, .iov_len = first };
	iov[1] = (nng_iov){ .iov_buf = c->in, .iov_len = room - first };
	return room > first ? 2 : 1;
}

/* Without the lock: nng may call back before it returns. */
static void receive(struct nng_conn *c, const nng_iov *iov, unsigned n)
{
	if (n == 0)
		return;
	CHECK(nng_aio_set_iov(c->recv_aio, n, iov) == 0);
	nng_stream_recv(c->stream, c->recv_aio);
	begun(c);
}

static void on_received(void *arg)
{
	struct nng_conn *c = OBJ_CAST(struct nng_conn, CONN_MAGIC, arg);
	nng_iov iov[2];
	nng_hub_lock(c->hub);
	c->receiving = false;
	size_t n = nng_aio_count(c->recv_aio);
	int rv = nng_aio_result(c->recv_aio);
	if (rv != 0 || n == 0) {
		c->end_rv = c->ended ? c->end_rv : rv;
		c->ended = true;
	} else {
		c->in_n = c->discarding ? 0 : c->in_n + n;
	}
	if (!c->orphan && (c->ended || !c->discarding))
		nng_hub_raise(c->hub, &c->signal);
	unsigned pieces = claim_receive(c, iov);
	if (pieces == 0)
		note_idle(c);
	nng_hub_unlock(c->hub);
	receive(c, iov, pieces);
}

/* The next piece to send, if a send may start now; `sending` is set then. */
static bool claim_send(struct nng_conn *c, nng_iov *iov)
{
	if (c->sending || c->unsendable || c->ended || c->shut)
		return false;
	if (c->flown == c->out[c->flying].n) {
		struct buf *empty = &c->out[c->flying];
		if (empty->cap > KEEP_OUT_BYTES)
			buf_fini(empty);
		buf_clear(empty);
		c->flown = 0;
		c->flying = 1 - c->flying;
	}
	struct buf *b = &c->out[c->flying];
	if (c->flown == b->n)
		return false;
	c->sending = true;
	c->beginning++;
	*iov = (nng_iov){ .iov_buf = b->p + c->flown, .iov_len = b->n - c->flown };
	return true;
}

static void transmit(struct nng_conn *c, const nng_iov *iov)
{
	CHECK(nng_aio_set_iov(c->send_aio, 1, iov) == 0);
	nng_stream_send(c->stream, c->send_aio);
	begun(c);
}

static void on_sent(void *arg)
{
	struct nng_conn *c = OBJ_CAST(struct nng_conn, CONN_MAGIC, arg);
	nng_iov iov;
	nng_hub_lock(c->hub);
	c->sending = false;
	/* The end is for the receiving side to find, after all that came before it. */
	if (nng_aio_result(c->send_aio) != 0)
		c->unsendable = true;
	else
		c->flown += nng_aio_count(c->send_aio);
	bool more = claim_send(c, &iov);
	if (!more)
		note_idle(c);
	nng_hub_unlock(c->hub);
	if (more)
		transmit(c, &iov);
}

enum err nng_conn_new(struct nng_hub *hub, struct nng_stream *stream, size_t out_max,
    void (*run)(void *owner), void *owner, struct nng_conn **out)
{
	struct nng_conn *c = OBJ_NEW(struct nng_conn, CONN_MAGIC);
	c->hub = hub;
	c->stream = stream;
	c->signal = (struct nng_signal){ .run = run, .owner = owner };
	buf_init(&c->out[0], out_max);
	buf_init(&c->out[1], out_max);
	c->in = malloc(NNG_CONN_IN_BYTES);
	int rv = c->in == NULL ? NNG_ENOMEM : nng_aio_alloc(&c->recv_aio, on_received, c);
	if (rv == 0)
		rv = nng_aio_alloc(&c->send_aio, on_sent, c);
	/* nng leaves Nagle's algorithm on: a frame would wait 40 ms for the peer's acknowledgement of another. */
	if (rv == 0)
		rv = nng_stream_set_bool(stream, NNG_OPT_TCP_NODELAY, true);
	if (rv != 0) {
		nng_conn_free(c);
		return err_from_nng(rv);
	}
	nng_aio_set_timeout(c->recv_aio, NNG_DURATION_INFINITE);
	nng_aio_set_timeout(c->send_aio, NNG_DURATION_INFINITE);
	nng_iov iov[2];
	nng_hub_lock(hub);
	unsigned pieces = claim_receive(c, iov);
	nng_hub_unlock(hub);
	receive(c, iov, pieces);
	*out = c;
	return OK;
}

static void forget_orphan(struct nng_conn *c)
{
	nng_hub_lock(c->hub);
	struct nng_conn **at = &c->hub->orphans;
	while (*at != c)
		at = &(*at)->next_orphan;
	*at = c->next_orphan;
	nng_hub_unlock(c->hub);
}

/* The wait of nng_aio_stop is for a callback to return, and is short. */
static void free_idle(struct nng_conn *c)
{
	if (c->recv_aio != NULL) {
		nng_aio_stop(c->recv_aio);
		nng_aio_free(c->recv_aio);
	}
	if (c->send_aio != NULL) {
		nng_aio_stop(c->send_aio);
		nng_aio_free(c->send_aio);
	}
	nng_stream_free(c->stream);
	forget_orphan(c);
	nng_hub_forget(c->hub, &c->signal);
	buf_fini(&c->out[0]);
	buf_fini(&c->out[1]);
	free(c->in);
	OBJ_FREE(c);
}

static void run_orphan(void *arg)
{
	struct nng_conn *c = OBJ_CAST(struct nng_conn, CONN_MAGIC, arg);
	nng_hub_lock(c->hub);
	bool idle = is_idle(c);
	nng_hub_unlock(c->hub);
	if (idle)
		free_idle(c);
}

void nng_conn_free(struct nng_conn *c)
{
	if (c == NULL)
		return;
	nng_conn_shut(c);
	nng_hub_lock(c->hub);
	c->orphan = true;
	c->next_orphan = c->hub->orphans;
	c->hub->orphans = c;
	c->signal.run = run_orphan;
	c->signal.owner = c;
	nng_hub_unlock(c->hub);
	run_orphan(c);
}

bool nng_conns_settle(struct nng_hub *hub, uint64_t until_ms)
{
	nng_hub_lock(hub);
	while (hub->orphans != NULL) {
		struct nng_conn *c = hub->orphans;
		while (c != NULL && !is_idle(c))
			c = c->next_orphan;
		if (c != NULL) {
			nng_hub_unlock(hub);
			free_idle(c);
			nng_hub_lock(hub);
		} else if (!nng_hub_wait(hub, until_ms)) {
			break;
		}
	}
	bool settled = hub->orphans == NULL;
	nng_hub_unlock(hub);
	return settled;
}

struct bytes nng_conn_peek(struct nng_conn *c)
{
	nng_hub_lock(c->hub);
	size_t to_end = NNG_CONN_IN_BYTES - c->in_head;
	struct bytes b = bytes_of(c->in + c->in_head, c->in_n < to_end ? c->in_n : to_end);
	nng_hub_unlock(c->hub);
	return b;
}

void nng_conn_consume(struct nng_conn *c, size_t n)
{
	nng_iov iov[2];
	nng_hub_lock(c->hub);
	CHECK(n <= c->in_n);
	c->in_head = (c->in_head + n) % NNG_CONN_IN_BYTES;
	c->in_n -= n;
	unsigned pieces = claim_receive(c, iov);
	nng_hub_unlock(c->hub);
	receive(c, iov, pieces);
}

bool nng_conn_has_input(struct nng_conn *c)
{
	nng_hub_lock(c->hub);
	bool has = c->in_n > 0;
	nng_hub_unlock(c->hub);
	return has;
}

void nng_conn_again(struct nng_conn *c)
{
	nng_hub_lock(c->hub);
	nng_hub_raise(c->hub, &c->signal);
	nng_hub_unlock(c->hub);
}

bool nng_conn_ended_locked(const struct nng_conn *c)
{
	return c->ended;
}

bool nng_conn_ended(struct nng_conn *c)
{
	nng_hub_lock(c->hub);
	bool ended = c->ended && (c->in_n == 0 || c->discarding);
	nng_hub_unlock(c->hub);
	return ended;
}

enum err nng_conn_end(struct nng_conn *c)
{
	nng_hub_lock(c->hub);
	int rv = c->ended ? c->end_rv : 0;
	nng_hub_unlock(c->hub);
	bool verified = true;
	if (rv == NNG_ECRYPTO && nng_stream_get_bool(c->stream, NNG_OPT_TLS_VERIFIED, &verified) == 0 &&
	    !verified)
		return ERR_FORGED; /* nng's engine has one error for all that mbedTLS can say */
	return rv == 0 ? ERR_CLOSED : err_from_nng(rv);
}

bool nng_conn_drained_locked(const struct nng_conn *c)
{
	const struct buf *next = &c->out[1 - c->flying];
	return c->ended || c->unsendable || (!c->sending && c->flown == c->out[c->flying].n && next->n == 0);
}

enum err nng_conn_send(struct nng_conn *c, struct bytes head, struct bytes body)
{
	nng_iov iov;
	nng_hub_lock(c->hub);
	struct buf *b = &c->out[1 - c->flying];
	if (head.n + body.n > b->max - b->n) {
		nng_hub_unlock(c->hub);
		return ERR_FULL;
	}
	buf_put_bytes(b, head);
	buf_put_bytes(b, body);
	enum err e = buf_err(b);
	bool start = e == OK && claim_send(c, &iov);
	nng_hub_unlock(c->hub);
	if (start)
		transmit(c, &iov);
	return e;
}

void nng_conn_discard_input(struct nng_conn *c)
{
	nng_iov iov[2];
	nng_hub_lock(c->hub);
	c->discarding = true;
	unsigned pieces = 0;
	if (!c->receiving) {
		c->in_n = 0;
		pieces = claim_receive(c, iov);
	}
	nng_hub_unlock(c->hub);
	receive(c, iov, pieces);
}

void nng_conn_shut(struct nng_conn *c)
{
	nng_hub_lock(c->hub);
	c->shut = true;
	bool close = !c->closed && c->beginning == 0;
	c->closed |= close;
	nng_hub_unlock(c->hub);
	if (close) /* once: a TLS stream says goodbye each time */
		nng_stream_close(c->stream);
}
