/* From nng's threads to the control loop; private to rpc/.
 *
 * One lock guards all that nng's threads and the control loop share. A completion changes its object
 * under the lock and raises the object's signal; the control loop runs each raised signal once, however
 * often it was raised. Nothing is allocated, so nothing can pile up.
 */
#ifndef RPC_NNG_HUB_H
#define RPC_NNG_HUB_H

#include <ev.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nng_signal {
	struct nng_signal *next;
	bool raised;
	void (*run)(void *owner); /* on the control loop, without the lock */
	void *owner;
};

struct nng_hub {
	unsigned magic;
	struct ev_loop *loop;
	ev_async wake;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* something was raised */
	struct nng_signal *first, *last;
	size_t raised_n;
	struct nng_conn *orphans; /* freed, and not let go by nng */
};

void nng_hub_init(struct nng_hub *h, struct ev_loop *loop);
/* No completion may come any more. */
void nng_hub_fini(struct nng_hub *h);
/* The control loop goes, completions may come: they find the hub, and wake no one. */
void nng_hub_leave(struct nng_hub *h);
void nng_hub_lock(struct nng_hub *h);
void nng_hub_unlock(struct nng_hub *h);
/* Under the lock, from any thread. */
void nng_hub_raise(struct nng_hub *h, struct nng_signal *s);
/* Without the lock; the owner is about to go, and its completions have ended. */
void nng_hub_forget(struct nng_hub *h, struct nng_signal *s);
/* Under the lock; false when the deadline (CLOCK_MONOTONIC) is over. */
bool nng_hub_wait(struct nng_hub *h, uint64_t until_ms);

/* CLOCK_MONOTONIC. */
uint64_t nng_now_ms(void);

#endif
