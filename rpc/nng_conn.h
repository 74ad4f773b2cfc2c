/* One TCP connection as two bounded buffers of bytes; private to rpc/.
 *
 * In: a ring; nng receives straight into it, and a receive is outstanding while it has room, so a
 * control loop that does not keep up is felt by the peer. Out: what is said while a send is under way
 * goes out as one with the next.
 *
 * Calls on the control loop only.
 */
#ifndef RPC_NNG_CONN_H
#define RPC_NNG_CONN_H

#include "base/bytes.h"
#include "rpc/nng_hub.h"

enum { NNG_CONN_IN_BYTES = 32 * 1024 };

struct nng_stream;
struct nng_conn;

/* Takes the stream, also when it fails. `run(owner)` is called on the control loop when there is
 * something to read, or the end. Out-buffers hold at most out_max bytes each. */
MUST_USE enum err nng_conn_new(struct nng_hub *hub, struct nng_stream *stream, size_t out_max,
    void (*run)(void *owner), void *owner, struct nng_conn **out);
/* Ends everything, and waits for nothing: what nng still holds of it goes when nng lets go. `run` is not
 * called any more. */
void nng_conn_free(struct nng_conn *c);
/* Waits for nng to let go of all that was freed. False when it did not in time (CLOCK_MONOTONIC): then
 * the hub must stay where it is (nng_hub_leave). */
MUST_USE bool nng_conns_settle(struct nng_hub *hub, uint64_t until_ms);

/* What came and was not consumed, as far as it lies in one piece. */
struct bytes nng_conn_peek(struct nng_conn *c);
void nng_conn_consume(struct nng_conn *c, size_t n);
/* Whether more than nothing is to be peeked at. */
bool nng_conn_has_input(struct nng_conn *c);
/* Calls `run` again in the loop's next round. */
void nng_conn_again(struct nng_conn *c);
/* The peer has closed, or the connection broke, and all that came before was consumed. */
bool nng_conn_ended(struct nng_conn *c);

/* Why it ended: ERR_CLOSED, or what TLS made of it (ERR_FORGED: a certificate that is not believed;
 * ERR_INVALID: no TLS, or the peer does not believe ours). */
enum err nng_conn_end(struct nng_conn *c);

/* ERR_FULL past out_max. */
MUST_USE enum err nng_conn_send(struct nng_conn *c, struct bytes head, struct bytes body);
/* From now on input is thrown away as it comes; `run` is called at the end only. */
void nng_conn_discard_input(struct nng_conn *c);
/* Closes the connection without waiting for anything. */
void nng_conn_shut(struct nng_conn *c);

/* Under the hub's lock. */
bool nng_conn_drained_locked(const struct nng_conn *c);
bool nng_conn_ended_locked(const struct nng_conn *c);

#endif
