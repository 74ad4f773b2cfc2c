/* Links between nodes: one nng stream (TCP) a pair of nodes, length-prefixed frames. The only room
 * with nng in it.
 *
 * A set listens, dials, says hello and refuses (V2), and hands decoded messages to the control
 * loop. It holds no cluster state: whom to dial, and what to say, is the core's.
 *
 * Hello: the side that was dialled speaks first; the dialler answers with its own only when it wants the
 * link. With a cluster key it says its proof right behind; the other side checks that, and its own proof
 * says that the link is up, once the dialler has checked it. Without a key on both sides, the other side's
 * next frame says so, if it is no refusal. So a second link to a peer is given up before either core hears
 * of it (rpc/hello.h has the rules), and a peer that proves nothing takes no other's place.
 *
 * Threading: every call, and every callback, on the control loop's thread. nng's own threads only
 * put what they received into a bounded queue and signal an ev_async; a full queue stops the
 * receive from being armed again, so that the peer feels it.
 *
 * Bounds: a link carries at most RPC_LINK_WINDOW bytes that the peer's core has not acknowledged
 * (acked_bytes of any envelope); past it nng_links_send says ERR_FULL and nothing is kept: the
 * core's cursors make up for it later (R7). An acknowledgement rides on the next frame once FRAME_ACK_BYTES
 * (rpc/frame.h) are due.
 *
 * Names: with RPC_FEATURE_NAMES in both hellos, what is sent and heard is in names (rpc/names.h), of which
 * the core sees nothing. A number that was never named is a malformed frame, and ends the link.
 */
#ifndef RPC_NNG_LINK_H
#define RPC_NNG_LINK_H

#include "rpc/cluster_keys.h"
#include "rpc/codec.h"
#include "rpc/nng_cert.h"

enum {
	RPC_LINK_WINDOW = 256 * 1024,
	RPC_HELLO_TIMEOUT_MS = 2000,
	RPC_DIAL_BACKOFF_MIN_MS = 100,
	RPC_DIAL_BACKOFF_MAX_MS = 5000, /* jitter of a half to all of it */
	RPC_DIAL_SELF_RETRY_MS = 60 * 1000,
	RPC_LINKS_MAX = 4096,
};

struct ev_loop;
struct nng_links;
typedef uint64_t link_id; /* never reused within a process; 0 = none */

struct nng_links_events {
	/* A peer was let in; `peer` is valid during the call. `version` is the common one. */
	void (*up)(void *ctx, link_id link, const struct rpc_hello *peer, uint32_t version, bool dialled);
	/* The link is gone. `bye`: in good order, said by either side, or another link to the same run of that
	 * node takes its place: nobody need suspect anything. */
	void (*down)(void *ctx, link_id link, bool bye);
	/* One message; its slices are valid during the call. Its bytes count as consumed on return. Never a
	 * hello, a proof, a refusal or a bye; heartbeats, and RPC_UNKNOWN for counting, are passed on. */
	void (*message)(void *ctx, link_id link, const struct rpc_msg *m);
	/* Either side refused: said once a peer and reason within a minute, and of at most 256 of those. `peer`
	 * is NULL when no hello was understood; `by_peer` tells who refused. Never for RPC_REFUSED_DUPLICATE.
	 * RPC_REFUSED_SELF with our own incarnation is a dial of this node itself, said on the dialling side
	 * only, and once a dial; with another one it is a second node with our id. RPC_REFUSED_KEY: no key in
	 * common, a proof that is wrong, or none within RPC_HELLO_TIMEOUT_MS; what `peer` says of itself is not
	 * proven then. RPC_REFUSED_TLS: `text` says as much as is known. */
	void (*refused)(void *ctx, const char *address, enum rpc_refusal reason, const struct rpc_hello *peer,
	    bool by_peer, const char *text);
	/* A dial failed; for the core's knowledge and a debug line. */
	void (*dial_failed)(void *ctx, const char *address, enum err e);
};

struct nng_links_config {
	struct ev_loop *loop;
	struct rpc_hello self; /* copied; the hello of every link; its keys and challenge come from below */
	const struct cluster_keys *keys; /* copied, and wiped with the set; NULL or empty: links are not proven */
	/* Fills `out` with bytes that nobody can guess; wanted with keys, on the control loop's thread. */
	void (*random)(void *out, size_t n);
	struct nng_cert *cert;  /* held; NULL: links are plain TCP. Else TLS, with certificates on both sides */
	const char *listen;     /* "host:port" */
	uint64_t seed;          /* of the jitter */
	uint64_t self_retry_ms; /* 0: RPC_DIAL_SELF_RETRY_MS */
	const struct nng_links_events *events;
	void *ctx;
};

/* ERR_BUSY when the port is in use; ERR_INVALID or ERR_TOO_BIG when listen is no address or self no valid
 * hello. */
MUST_USE enum err nng_links_new(const struct nng_links_config *c, struct nng_links **out);
/* Says BYE on every link, waits at most 200 ms for it to leave, closes. NULL is fine. Not from within a
 * callback, and it makes none. */
void nng_links_free(struct nng_links *l);
/* The port that was bound, for listen on port 0. */
unsigned nng_links_port(const struct nng_links *l);

/* Keeps a link to that address: dials, and dials again with backoff, until nng_links_undial; rests while
 * there is a link to the node that answered there. One that says to be this node itself is asked again once
 * in RPC_DIAL_SELF_RETRY_MS: nothing proves that it is. ERR_INVALID for an address that is none; ERR_FULL
 * past RPC_LINKS_MAX; an address known already is OK. */
MUST_USE enum err nng_links_dial(struct nng_links *l, const char *address);
/* A link that is up stays so. */
void nng_links_undial(struct nng_links *l, const char *address);
/* Sets the hello for links to come (a new incarnation); it must be a valid one. */
void nng_links_set_self(struct nng_links *l, const struct rpc_hello *self);

/* The keys of links to come; those that are up stay so. There must be some if and only if there were. */
void nng_links_set_keys(struct nng_links *l, const struct cluster_keys *keys);
/* The same for the certificate, which is held. */
void nng_links_set_cert(struct nng_links *l, struct nng_cert *cert);

/* ERR_FULL: past the window; ERR_NOT_FOUND: no such link any more; ERR_TOO_BIG: a bug of the caller's budget.
 */
MUST_USE enum err nng_links_send(struct nng_links *l, link_id link, struct rpc_msg *m);
/* Bytes that the window still takes; 0 when there is no such link. */
size_t nng_links_room(const struct nng_links *l, link_id link);
/* Says why it is not wanted any more, and closes a link that is up; otherwise as nng_links_close. The other
 * side hears `refused` before `down`. */
void nng_links_refuse(struct nng_links *l, link_id link, enum rpc_refusal reason);
/* Says BYE and closes. `down` is still called, with bye true. */
void nng_links_close(struct nng_links *l, link_id link);

/* Ends nng's own threads: once, when no set is left and the process is about to end. */
void nng_links_exit(void);

/* Frames that were given to the connection, or came whole, with the length before each. What could not be
 * decoded counts as RPC_UNKNOWN; the bytes of TLS and TCP are not in it. */
struct nng_traffic {
	uint64_t frames_in, frames_out, bytes_in, bytes_out;
};

struct nng_links_counters {
	uint64_t links, frames_in, frames_out, bytes_in, bytes_out, refused, malformed, window_full;
	struct nng_traffic by_kind[RPC_KINDS]; /* the same frames */
};
void nng_links_count(const struct nng_links *l, struct nng_links_counters *out);

#endif
