#include "base/address.h"
#include "base/obj.h"
#include "rpc/nng_err.h"
#include "rpc/nng_set.h"

#include <arpa/inet.h>
#include <nng/nng.h>
#include <stdio.h>
#include <string.h>

enum { LISTENER_MAGIC = 0x6c697374 };

struct listener {
	unsigned magic;
	struct nng_links *set;
	nng_stream_listener *listener;
	nng_aio *aio;
	struct nng_signal signal;
	bool accepted; /* or failed: nng is done with the aio; under the hub's lock */
	bool armed;    /* an accept is under way or was not looked at yet */
	ev_timer retry;
	unsigned port;
};

static void address_of(nng_stream *stream, char out[RPC_ADDRESS_MAX + 1])
{
	nng_sockaddr a;
	char host[INET6_ADDRSTRLEN] = "?";
	unsigned port = 0;
	const char *format = "%s:%u";
	if (nng_stream_get_addr(stream, NNG_OPT_REMADDR, &a) == 0) {
		if (a.s_family == NNG_AF_INET) {
			inet_ntop(AF_INET, &a.s_in.sa_addr, host, sizeof(host));
			port = ntohs(a.s_in.sa_port);
		} else if (a.s_family == NNG_AF_INET6) {
			inet_ntop(AF_INET6, a.s_in6.sa_addr, host, sizeof(host));
			port = ntohs(a.s_in6.sa_port);
			format = "[%s]:%u";
		}
	}
	snprintf(out, RPC_ADDRESS_MAX + 1, format, host, port);
}

static void arm(struct listener *l)
{
	const struct nng_links *set = l->set;
	if (l->armed || ev_is_active(&l->retry))
		return;
	if (set->accepted_n >= LISTEN_PENDING_MAX || set->slots_n >= RPC_LINKS_MAX)
		return; /* the kernel's backlog holds the rest; listener_resume */
	l->armed = true;
	nng_stream_listener_accept(l->listener, l->aio);
}

void listener_resume(struct listener *l)
{
	if (l != NULL)
		arm(l);
}

static void on_retry(struct ev_loop *loop, ev_timer *w, int events)
{
	(void)loop;
	(void)events;
	arm(OBJ_CAST(struct listener, LISTENER_MAGIC, w->data));
}

static void on_accepted(void *arg)
{
	struct listener *l = OBJ_CAST(struct listener, LISTENER_MAGIC, arg);
	struct nng_hub *hub = &l->set->hub;
	nng_hub_lock(hub);
	l->accepted = true;
	nng_hub_raise(hub, &l->signal);
	nng_hub_unlock(hub);
}

static void on_accepted_signal(void *owner)
{
	struct listener *l = OBJ_CAST(struct listener, LISTENER_MAGIC, owner);
	nng_hub_lock(&l->set->hub);
	bool accepted = l->accepted;
	l->accepted = false;
	nng_hub_unlock(&l->set->hub);
	if (!accepted)
		return;
	l->armed = false;
	if (nng_aio_result(l->aio) == NNG_ECANCELED) { /* listener_renew */
		arm(l);
		return;
	}
	if (nng_aio_result(l->aio) != 0) {
		/* Out of descriptors, say: the set goes on with the links it has. */
		ev_timer_stop(l->set->hub.loop, &l->retry);
		ev_timer_set(&l->retry, LISTEN_RETRY_MS / 1000.0, 0.);
		ev_timer_start(l->set->hub.loop, &l->retry);
		return;
	}
	nng_stream *stream = nng_aio_get_output(l->aio, 0);
	char address[RPC_ADDRESS_MAX + 1];
	address_of(stream, address);
	struct link *link;
	if (link_new(l->set, stream, NULL, address, &link) != OK)
		l->set->counters.refused++;
	arm(l);
}

static int use_cert(struct listener *l)
{
	if (l->set->cert == NULL)
		return 0;
	return nng_stream_listener_set_ptr(l->listener, NNG_OPT_TLS_CONFIG, nng_cert_of_listener(l->set->cert));
}

/* The accept that waits took the former certificate with it. */
void listener_renew(struct listener *l)
{
	CHECK(use_cert(l) == 0);
	if (l->armed)
		nng_aio_abort(l->aio, NNG_ECANCELED);
}

static int start(struct listener *l, const char *address)
{
	char url[sizeof("tls+tcp://") + RPC_ADDRESS_MAX];
	snprintf(url, sizeof(url), "%s://%s", l->set->cert != NULL ? "tls+tcp" : "tcp", address);
	int rv = nng_stream_listener_alloc(&l->listener, url);
	if (rv == 0)
		rv = use_cert(l);
	if (rv == 0)
		rv = nng_aio_alloc(&l->aio, on_accepted, l);
	if (rv == 0)
		rv = nng_stream_listener_listen(l->listener);
	int port = 0;
	if (rv == 0)
		rv = nng_stream_listener_get_int(l->listener, NNG_OPT_TCP_BOUND_PORT, &port);
	l->port = (unsigned)port;
	return rv;
}

enum err listener_new(struct nng_links *set, const char *address, struct listener **out)
{
	struct address a;
	if (strlen(address) > RPC_ADDRESS_MAX || address_parse(bytes_str(address), &a) != OK)
		return ERR_INVALID;
	struct listener *l = OBJ_NEW(struct listener, LISTENER_MAGIC);
	l->set = set;
	l->signal = (struct nng_signal){ .run = on_accepted_signal, .owner = l };
	ev_timer_init(&l->retry, on_retry, 0., 0.);
	l->retry.data = l;
	int rv = start(l, address);
	if (rv != 0) {
		listener_free(l);
		return err_from_nng(rv);
	}
	nng_aio_set_timeout(l->aio, NNG_DURATION_INFINITE);
	arm(l);
	*out = l;
	return OK;
}

void listener_free(struct listener *l)
{
	if (l == NULL)
		return;
	ev_timer_stop(l->set->hub.loop, &l->retry);
	if (l->listener != NULL)
		nng_stream_listener_close(l->listener);
	if (l->aio != NULL) {
		nng_aio_stop(l->aio);
		if (l->armed && nng_aio_result(l->aio) == 0)
			nng_stream_free(nng_aio_get_output(l->aio, 0));
		nng_aio_free(l->aio);
	}
	nng_stream_listener_free(l->listener);
	nng_hub_forget(&l->set->hub, &l->signal);
	OBJ_FREE(l);
}

unsigned listener_port(const struct listener *l)
{
	return l->port;
}
