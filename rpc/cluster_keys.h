/* The cluster's key, and what proves to a peer at hello that a node knows it (V2).
 *
 * Pure and immutable once parsed. The file has one line `id:base64`, or two while keys rotate: of its own
 * keys, in the order of the file, a node speaks with the first that the peer names too, and it believes each
 * of them. So a cluster never splits while any two of its nodes have one key in common.
 *
 * A proof is a MAC (keyed BLAKE2b-256, RFC 7693) over the name of the protocol, the role of who makes it,
 * and a digest of each of the two hello frames as they went over the wire, that of the dialled side first.
 * Each hello has a challenge of its sender, so what was recorded proves nothing later; the role keeps a
 * proof from being sent back to who made it; and a hello that was altered on its way (another range of
 * versions, incarnation, address) fits no proof. What follows on the link is not protected by it: who can
 * change packets on the way between two nodes is kept out by the network, or by TLS.
 */
#ifndef RPC_CLUSTER_KEYS_H
#define RPC_CLUSTER_KEYS_H

#include "rpc/msg.h"

struct cluster_key {
	struct key_id id;
	uint8_t proof_key[KEY_SECRET_BYTES]; /* derived from the file's secret, for this one use */
};

struct cluster_keys {
	struct cluster_key keys[RPC_CLUSTER_KEYS_MAX];
	size_t n; /* 0: this node has none */
};

/* Reads the text of a key file; errors and *bad_line are those of key_file_parse. */
MUST_USE enum err cluster_keys_parse(struct bytes text, struct cluster_keys *out, size_t *bad_line);
/* Wipes the secrets. */
void cluster_keys_fini(struct cluster_keys *k);
/* Puts the ids of the keys into a hello; its challenge is the caller's. */
void cluster_keys_name(const struct cluster_keys *k, struct rpc_hello *h);
/* The key to speak with to that peer; NULL when there is none in common. */
const struct cluster_key *cluster_keys_for(const struct cluster_keys *k, const struct rpc_hello *peer);

enum cluster_role { CLUSTER_DIALLED = 1, CLUSTER_DIALLER = 2 };

enum { CLUSTER_DIGEST_BYTES = 32 };

/* Of the two hello frames of a link. */
struct cluster_transcript {
	uint8_t dialled[CLUSTER_DIGEST_BYTES], dialler[CLUSTER_DIGEST_BYTES];
};

/* `frame`: the Envelope with the hello that `role` said, as it was sent or came. */
void cluster_transcript_put(struct cluster_transcript *t, enum cluster_role role, struct bytes frame);
/* The proof of the side that has `role`. */
void cluster_prove(const struct cluster_key *key, enum cluster_role role, const struct cluster_transcript *t,
    struct rpc_proof *out);
/* Whether the side that has `role` knows one of our keys. In constant time, given the key's id. */
bool cluster_believe(const struct cluster_keys *k, enum cluster_role role, const struct cluster_transcript *t,
    const struct rpc_proof *p);

#endif
