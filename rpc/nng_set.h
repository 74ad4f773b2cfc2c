/* What the files behind rpc/nng_link.h share; private to rpc/. All of it is the control loop's.
 *
 *     nng_link.c    the set and the calls of nng_link.h
 *     nng_listen.c  accepts streams        nng_dial.c  dials, and dials again
 *     nng_peer.c    a link's life: birth, sending, the end
 *     nng_hear.c    what the peer says: hello, duplicates, refusals, messages
 *     nng_conn.c    bytes in and out       nng_hub.c   from nng's threads to the loop
 */
#ifndef RPC_NNG_SET_H
#define RPC_NNG_SET_H

#include "base/arena.h"
#include "base/prng.h"
#include "rpc/cluster_keys.h"
#include "rpc/frame.h"
#include "rpc/nng_cert.h"
#include "rpc/nng_conn.h"
#include "rpc/nng_link.h"
#include "rpc/once.h"

struct nng_stream;

/* A hello with its strings beside it. */
struct hello_copy {
	struct rpc_hello hello;
	uint8_t text[RPC_CLUSTER_MAX + 2 * RPC_NAME_MAX + RPC_ADDRESS_MAX];
};

enum link_state {
	LINK_HELLO,   /* the peer's hello is awaited; who was dialled has said his */
	LINK_PROOF,   /* was dialled, has a key, and heard a hello: its proof is awaited */
	LINK_CONFIRM, /* dialled, and said hello: the peer's proof is a yes, and without a key whatever it says
	               * next but a refusal */
	LINK_UP,
	LINK_LINGER, /* the last word is said, and waits for the peer to hang up, so that it is heard */
	LINK_DEAD,   /* freed in the loop's next round */
};

struct link {
	unsigned magic;
	struct nng_links *set;
	link_id id;
	struct nng_conn *conn;
	struct frame_reader frames;
	enum link_state state;
	bool dialled;
	struct dial *dial; /* whose attempt this was, until the link ends or the dial does */
	char address[RPC_ADDRESS_MAX + 1];
	bool peer_known;
	struct hello_copy peer;
	struct cluster_transcript transcript;
	struct cluster_keys keys; /* those of the set when it began; wiped when it is up */
	uint32_t version;
	uint64_t features;       /* that this node said on it */
	struct rpc_names *names; /* NULL: not agreed upon, or not yet */
	ev_timer timer;
	uint64_t since_ms;       /* it came up, or began */
	uint64_t said_bytes;     /* of frames given to conn */
	uint64_t acked_bytes;    /* of those, consumed by the peer's core */
	uint64_t consumed_bytes; /* of frames of the peer, by our core */
	uint64_t told_bytes;     /* of those, acknowledged */
};

struct listener;
struct dial;

struct nng_links {
	unsigned magic;
	struct nng_hub hub;
	struct hello_copy self;
	struct cluster_keys keys; /* of links to come */
	struct nng_cert *cert;    /* of connections to come; NULL: no TLS */
	uint64_t self_retry_ms;
	void (*random)(void *out, size_t n); /* of challenges */
	const struct nng_links_events *events;
	void *ctx;
	struct prng prng;
	struct arena encode_arena, decode_arena;
	struct buf frame;
	struct once refusals;
	struct listener *listener;
	struct dial *dials;
	size_t dials_n;
	struct link *slots[RPC_LINKS_MAX];
	size_t slots_n, accepted_n; /* links in slots; those of them that were accepted and are not up */
	uint64_t ids;
	bool dead_any;
	struct nng_signal reap;
	struct nng_links_counters counters;
};

void hello_copy_set(struct hello_copy *to, const struct rpc_hello *from);

enum dial_end {
	DIAL_FAILED,    /* it never came up, or ended in good order: again after the backoff */
	DIAL_LOST,      /* it was up and broke: at once */
	DIAL_DUPLICATE, /* there is another link to that node */
	DIAL_SELF,      /* said to be this node itself: again after a long while */
};

/* nng_peer.c. Takes the stream; ERR_FULL past RPC_LINKS_MAX. */
MUST_USE enum err link_new(struct nng_links *set, struct nng_stream *stream, struct dial *dial,
    const char *address, struct link **out);
void link_free(struct link *l);
/* As nng_links_send; `urgent` goes past the window: acknowledgements and last words, which are few. */
MUST_USE enum err link_send(struct link *l, struct rpc_msg *m, bool urgent);
/* Urgent. A peer that took nothing for a whole window does not hear it: the link is about to end, or the
 * next acknowledgement says the same and more. */
void link_say(struct link *l, struct rpc_msg *m);
/* Whether it counts as a link to that node: it is up, or our hello is on its way. */
bool link_counts(const struct link *l, const struct node_id *node);
/* A link to that node that counts. NULL when there is none. */
struct link *link_to(const struct nng_links *set, const struct node_id *node);
/* NULL when it is not up. */
struct link *link_by_id(const struct nng_links *set, link_id id);
/* Not lingering and not dead. */
bool link_is_listening(const struct link *l);
void link_come_up(struct link *l);
/* Ends what a listening link was to the set and to the core; afterwards it only lingers or is dead. */
void link_leave(struct link *l, bool linger, bool bye, enum dial_end end);

/* nng_hear.c. The connection ended, or nothing came in time, before any hello did: an event where TLS is why,
 * or may be. */
void link_note_tls(struct link *l, enum err e);
/* Every frame that is whole in what came, at most one ring full. */
void link_hear(struct link *l);
void link_say_hello(struct link *l);
void link_say_heartbeat(struct link *l);
/* The link's time to come up is over. True when it was refused for that: the proof is missing. */
bool link_proof_is_late(struct link *l);

/* nng_dial.c */
enum { DIAL_KEPT_MS = 5000, DIAL_INSTANT_GAP_MS = 1000, DIAL_CONNECT_TIMEOUT_MS = 2000 };
/* Whether this is the first time that it seems to be a dial of this node itself. */
bool dial_first_self(struct dial *d);
void dial_peer_is(struct dial *d, const struct node_id *node);
void dial_link_ended(struct dial *d, enum dial_end end, uint64_t up_for_ms);
/* The link to that node, whoever dialled it, ended: dials that relied on it go on. */
void dials_node_lost(struct nng_links *set, const struct node_id *node, enum dial_end end);
void dials_free(struct nng_links *set);

/* nng_listen.c */
enum { LISTEN_PENDING_MAX = 256, LISTEN_RETRY_MS = 100 };
MUST_USE enum err listener_new(struct nng_links *set, const char *address, struct listener **out);
void listener_free(struct listener *l);
unsigned listener_port(const struct listener *l);
/* Accepts with the set's certificate from now on. */
void listener_renew(struct listener *l);
/* A place for another accepted stream came free. */
void listener_resume(struct listener *l);

#endif
