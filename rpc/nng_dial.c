#include "base/address.h"
#include "base/obj.h"
#include "rpc/backoff.h"
#include "rpc/nng_err.h"
#include "rpc/nng_set.h"

#include <nng/nng.h>
#include <stdio.h>
#include <string.h>

enum { DIAL_MAGIC = 0x6469616c };

enum dial_state {
	DIAL_WAITING,    /* the timer runs */
	DIAL_CONNECTING, /* nng has the aio */
	DIAL_LINKED,     /* the attempt became a link, up or about to be */
	DIAL_COVERED,    /* another link to the node behind this address exists */
};

struct dial {
	unsigned magic;
	struct nng_links *set;
	struct dial *next;
	char address[RPC_ADDRESS_MAX + 1];
	enum dial_state state;
	ev_timer timer;
	nng_stream_dialer *dialer;
	nng_aio *aio;
	struct nng_signal signal;
	bool connected; /* or failed: nng is done with the aio; under the hub's lock */
	struct link *link;
	bool peer_known, self_said;
	struct node_id peer;
	unsigned attempts; /* since it was last well; sets the backoff */
	uint64_t instant_at_ms;
};

static void wait_then_dial(struct dial *d, uint64_t after_ms)
{
	struct ev_loop *loop = d->set->hub.loop;
	d->state = DIAL_WAITING;
	ev_timer_stop(loop, &d->timer);
	ev_timer_set(&d->timer, (double)after_ms / 1000.0, 0.);
	ev_timer_start(loop, &d->timer);
}

static bool is_covered(const struct dial *d)
{
	return d->peer_known && link_to(d->set, &d->peer) != NULL;
}

/* A link that broke is dialled again at once, but not over and over. */
static void go_on(struct dial *d, enum dial_end end)
{
	uint64_t now_ms = nng_now_ms();
	if (end == DIAL_SELF) {
		/* No proof came with that, and the address may be another's tomorrow. */
		wait_then_dial(d, d->set->self_retry_ms);
	} else if (is_covered(d)) {
		d->state = DIAL_COVERED;
	} else if (end == DIAL_LOST && now_ms - d->instant_at_ms >= DIAL_INSTANT_GAP_MS) {
		d->instant_at_ms = now_ms;
		wait_then_dial(d, 0);
	} else {
		wait_then_dial(
		    d, backoff_ms(&d->set->prng, d->attempts, RPC_DIAL_BACKOFF_MIN_MS, RPC_DIAL_BACKOFF_MAX_MS));
	}
}

static void attempt_failed(struct dial *d, enum err e)
{
	struct nng_links *set = d->set;
	go_on(d, DIAL_FAILED);
	set->events->dial_failed(set->ctx, d->address, e);
}

/* Waits for nng's callback to have ended. */
static void drop_attempt(struct dial *d)
{
	nng_aio_stop(d->aio);
	nng_aio_free(d->aio);
	nng_stream_dialer_free(d->dialer);
	d->aio = NULL;
	d->dialer = NULL;
	nng_hub_forget(&d->set->hub, &d->signal);
	d->connected = false;
}

static void on_connected(void *arg)
{
	struct dial *d = OBJ_CAST(struct dial, DIAL_MAGIC, arg);
	struct nng_hub *hub = &d->set->hub;
	nng_hub_lock(hub);
	d->connected = true;
	nng_hub_raise(hub, &d->signal);
	nng_hub_unlock(hub);
}

static void on_connected_signal(void *owner)
{
	struct dial *d = OBJ_CAST(struct dial, DIAL_MAGIC, owner);
	nng_hub_lock(&d->set->hub);
	bool connected = d->connected;
	nng_hub_unlock(&d->set->hub);
	if (!connected)
		return;
	int rv = nng_aio_result(d->aio);
	nng_stream *stream = rv == 0 ? nng_aio_get_output(d->aio, 0) : NULL;
	drop_attempt(d);
	enum err e = err_from_nng(rv);
	if (e == OK && is_covered(d)) {
		nng_stream_free(stream);
		d->state = DIAL_COVERED;
		return;
	}
	if (e == OK) {
		d->state = DIAL_LINKED;
		e = link_new(d->set, stream, d, d->address, &d->link);
	}
	if (e != OK)
		attempt_failed(d, e);
}

static int begin_attempt(struct dial *d)
{
	char url[sizeof("tls+tcp://") + RPC_ADDRESS_MAX];
	struct nng_cert *cert = d->set->cert;
	snprintf(url, sizeof(url), "%s://%s", cert != NULL ? "tls+tcp" : "tcp", d->address);
	int rv = nng_stream_dialer_alloc(&d->dialer, url);
	if (rv != 0)
		return rv;
	if (cert != NULL)
		rv = nng_stream_dialer_set_ptr(d->dialer, NNG_OPT_TLS_CONFIG, nng_cert_of_dialer(cert));
	if (rv == 0)
		rv = nng_aio_alloc(&d->aio, on_connected, d);
	if (rv != 0) {
		nng_stream_dialer_free(d->dialer);
		d->dialer = NULL;
		return rv;
	}
	d->state = DIAL_CONNECTING;
	nng_aio_set_timeout(d->aio, DIAL_CONNECT_TIMEOUT_MS);
	nng_stream_dialer_dial(d->dialer, d->aio);
	return 0;
}

static void on_due(struct ev_loop *loop, ev_timer *w, int events)
{
	struct dial *d = OBJ_CAST(struct dial, DIAL_MAGIC, w->data);
	(void)loop;
	(void)events;
	if (is_covered(d)) {
		d->state = DIAL_COVERED;
		return;
	}
	d->attempts++;
	int rv = begin_attempt(d);
	if (rv != 0)
		attempt_failed(d, err_from_nng(rv));
}

bool dial_first_self(struct dial *d)
{
	bool first = !d->self_said;
	d->self_said = true;
	return first;
}

void dial_peer_is(struct dial *d, const struct node_id *node)
{
	d->peer_known = true;
	d->peer = *node;
}

void dial_link_ended(struct dial *d, enum dial_end end, uint64_t up_for_ms)
{
	d->link = NULL;
	if (up_for_ms > DIAL_KEPT_MS)
		d->attempts = 0;
	go_on(d, end);
}

void dials_node_lost(struct nng_links *set, const struct node_id *node, enum dial_end end)
{
	for (struct dial *d = set->dials; d != NULL; d = d->next) {
		if (d->state != DIAL_COVERED || !node_id_eq(&d->peer, node))
			continue;
		d->attempts = 0;
		go_on(d, end);
	}
}

static struct dial **find(struct nng_links *set, const char *address)
{
	struct dial **at = &set->dials;
	while (*at != NULL && strcmp((*at)->address, address) != 0)
		at = &(*at)->next;
	return at;
}

static void free_dial(struct nng_links *set, struct dial *d)
{
	ev_timer_stop(set->hub.loop, &d->timer);
	if (d->state == DIAL_CONNECTING) {
		nng_aio_stop(d->aio);
		if (nng_aio_result(d->aio) == 0)
			nng_stream_free(nng_aio_get_output(d->aio, 0));
		drop_attempt(d);
	}
	if (d->link != NULL)
		d->link->dial = NULL;
	set->dials_n--;
	OBJ_FREE(d);
}

void dials_free(struct nng_links *set)
{
	while (set->dials != NULL) {
		struct dial *d = set->dials;
		set->dials = d->next;
		free_dial(set, d);
	}
}

enum err nng_links_dial(struct nng_links *set, const char *address)
{
	struct address a;
	if (strlen(address) > RPC_ADDRESS_MAX || address_parse(bytes_str(address), &a) != OK || a.port == 0)
		return ERR_INVALID;
	if (*find(set, address) != NULL)
		return OK;
	if (set->dials_n == RPC_LINKS_MAX)
		return ERR_FULL;
	struct dial *d = OBJ_NEW(struct dial, DIAL_MAGIC);
	d->set = set;
	d->signal = (struct nng_signal){ .run = on_connected_signal, .owner = d };
	snprintf(d->address, sizeof(d->address), "%s", address);
	ev_timer_init(&d->timer, on_due, 0., 0.);
	d->timer.data = d;
	d->next = set->dials;
	set->dials = d;
	set->dials_n++;
	wait_then_dial(d, 0);
	return OK;
}

void nng_links_undial(struct nng_links *set, const char *address)
{
	struct dial **at = find(set, address);
	struct dial *d = *at;
	if (d == NULL)
		return;
	*at = d->next;
	free_dial(set, d);
}
