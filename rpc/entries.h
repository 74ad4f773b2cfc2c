/* Keys and values of KVS entries (rpc/proto/entries.proto) as plain structs.
 *
 * Pure. Decoded slices and arrays point into the arena. Limits are those of rpc/msg.h, both ways:
 * ERR_TOO_BIG; bytes that are none of the kind: ERR_INVALID. A node state that this build does not know
 * decodes as NODE_JOINING: known, and not to be sent viewers.
 */
#ifndef RPC_ENTRIES_H
#define RPC_ENTRIES_H

#include "base/arena.h"
#include "rpc/msg.h"

enum { RPC_ROLE_API = 1, RPC_ROLE_DELIVERY = 2, RPC_ROLE_INGEST = 4 };

/* What an owner says of itself; whether others can reach it is another axis (R8). */
enum node_state {
	NODE_JOINING = 1,
	NODE_READY = 2,
	NODE_DRAINING = 3,
	NODE_LEFT = 4,
	NODE_EXPELLED = 5 /* in no register: it does not write any more */
};
const char *node_state_str(enum node_state s);

struct rpc_register {
	struct bytes name, zone;
	uint32_t roles;
	enum node_state state;
	struct bytes rpc_address;
	const struct bytes *http_urls; /* at most RPC_URLS_MAX */
	size_t http_urls_n;
	struct bytes api_url, build;
	uint32_t version_min, version_max;
	uint64_t features;
	uint32_t life;
	uint32_t capacity_sessions, capacity_mbps;
};

struct rpc_load {
	uint32_t sessions, egress_mbps, hit_permille;
	uint64_t cached_bytes;
	uint32_t miss_permille; /* 0 unknown */
	uint32_t evict_age_s;   /* 0 unknown; UINT32_MAX: it would evict nothing */
	uint32_t reckoned_mbps; /* what its sessions are reckoned to take; 0 unknown */
	uint32_t copies_left;   /* while it drains: contents with viewers that no other node holds yet */
	uint32_t copies_failed; /* and those that none could take */
};

struct rpc_location {
	uint64_t bytes;
	uint32_t objects, share_permille;
	struct bytes entry;
	uint32_t kbps; /* 0 unknown */
};

struct rpc_claim {
	struct incarnation incarnation;
	uint32_t life;
	bool answer; /* it is heard, but says that it does not hear who makes this claim */
};

/* What a content is called where its name is too long (struct rpc_watched_told): of its rpc_location_key. The
 * same on all nodes and in all versions (V1). */
uint64_t rpc_watched_hash(struct bytes location_key);

enum { RPC_CLAIM_KEY_BYTES = 1 + NODE_ID_BYTES };

/* A write that is timed on its way to every replica; means nothing to viewers. */
enum { RPC_PROBE_CLASS = 't', RPC_PROBE_SLOTS = 1000, RPC_PROBE_FILLER_MAX = 256, RPC_PROBE_KEY_MAX = 8 };

struct rpc_probe {
	uint64_t wall_us; /* the owner's wall clock when it was written */
	uint64_t number;  /* rises with each probe of its owner */
	struct bytes filler;
};

/* A session whose tokens open nothing any more, until they end anyway. */
enum { RPC_REVOCATION_CLASS = 'v', RPC_REVOCATION_KEY_BYTES = 1 + RPC_SESSION_ID_BYTES };

/* What an operator ordered. */
enum { RPC_COMMAND_CLASS = 'x', RPC_COMMAND_ID_BYTES = 16, RPC_COMMAND_KEY_BYTES = 1 + RPC_COMMAND_ID_BYTES };
enum { RPC_SUBJECT_MAX = 512, RPC_APPLIED_MAX = 32, RPC_OPERATOR_MAX = 64 };

struct rpc_command_id {
	uint8_t b[RPC_COMMAND_ID_BYTES];
};

/* Hybrid logical clock (Kulkarni et al., "Logical physical clocks", 2014): above all that its node had seen.
 */
struct rpc_hlc {
	uint64_t wall_ms;
	uint32_t counter;
};

enum rpc_command_kind {
	RPC_COMMAND_PURGE = 1,
	RPC_COMMAND_EXPEL = 2,
	RPC_COMMAND_DRAIN = 3,
	RPC_COMMAND_UNDRAIN = 4, /* takes a drain back */
};

struct rpc_command {
	struct rpc_hlc at;
	uint32_t kind; /* may be one that this build does not know */
	struct bytes subject;
	struct node_id issuer;
	struct bytes by;     /* who the operator says that he is; empty: he does not */
	uint64_t drained_ms; /* of an undrain: wall clock, when what it takes back was ordered; 0: unknown */
	struct bytes drained_by;
};

struct rpc_applied {
	struct rpc_command_id ids[RPC_APPLIED_MAX];
	size_t n;
};

#define RPC_KEY_REGISTER BYTES_LIT("r")
#define RPC_KEY_LOAD BYTES_LIT("l")
#define RPC_KEY_FORGOTTEN BYTES_LIT("f")
#define RPC_KEY_APPLIED BYTES_LIT("a")
/* "o" origin NUL content; both at least a byte, the origin without NUL. ERR_TOO_BIG past RPC_KEY_MAX; key has
 * room for RPC_KEY_MAX bytes. */
MUST_USE enum err rpc_location_key(struct bytes origin, struct bytes content, uint8_t *key, size_t *key_n);
/* The way back; slices point into key. ERR_INVALID when it is no location key. */
MUST_USE enum err rpc_location_key_split(struct bytes key, struct bytes *origin, struct bytes *content);

/* "c" and the id. */
void rpc_claim_key(const struct node_id *on, uint8_t key[RPC_CLAIM_KEY_BYTES]);
/* False when it is no claim's key. */
bool rpc_claim_key_split(struct bytes key, struct node_id *on);

MUST_USE enum err rpc_encode_claim(const struct rpc_claim *c, struct buf *out);
MUST_USE enum err rpc_decode_claim(struct bytes value, struct arena *a, struct rpc_claim *c);
/* "t" and the slot in decimal; CHECKs that it is below RPC_PROBE_SLOTS. */
size_t rpc_probe_key(uint32_t slot, uint8_t key[RPC_PROBE_KEY_MAX]);
/* ERR_INVALID when it is none as rpc_probe_key writes them. */
MUST_USE enum err rpc_probe_key_slot(struct bytes key, uint32_t *slot);

MUST_USE enum err rpc_encode_register(const struct rpc_register *r, struct buf *out);
MUST_USE enum err rpc_decode_register(struct bytes value, struct arena *a, struct rpc_register *r);
MUST_USE enum err rpc_encode_load(const struct rpc_load *l, struct buf *out);
MUST_USE enum err rpc_decode_load(struct bytes value, struct arena *a, struct rpc_load *l);
MUST_USE enum err rpc_encode_location(const struct rpc_location *l, struct buf *out);
MUST_USE enum err rpc_decode_location(struct bytes value, struct arena *a, struct rpc_location *l);
MUST_USE enum err rpc_encode_probe(const struct rpc_probe *p, struct buf *out);
MUST_USE enum err rpc_decode_probe(struct bytes value, struct arena *a, struct rpc_probe *p);

/* "v" and the id. */
void rpc_revocation_key(const struct rpc_session_id *id, uint8_t key[RPC_REVOCATION_KEY_BYTES]);
/* False when it is no revocation's key. */
bool rpc_revocation_key_split(struct bytes key, struct rpc_session_id *id);
MUST_USE enum err rpc_encode_revocation(uint64_t not_after_s, struct buf *out);
/* ERR_INVALID too when it has no end. */
MUST_USE enum err rpc_decode_revocation(struct bytes value, struct arena *a, uint64_t *not_after_s);

/* -- commands (entry_commands.c) -- */

void rpc_command_key(const struct rpc_command_id *id, uint8_t key[RPC_COMMAND_KEY_BYTES]);
/* False when it is no command's key. */
bool rpc_command_key_split(struct bytes key, struct rpc_command_id *id);
int rpc_command_id_cmp(const struct rpc_command_id *a, const struct rpc_command_id *b);
/* The order of commands: by clock, then by id. */
int rpc_command_cmp(
    struct rpc_hlc a, const struct rpc_command_id *a_id, struct rpc_hlc b, const struct rpc_command_id *b_id);

/* What may stand for who gave an order: at most RPC_OPERATOR_MAX of printable ASCII without blanks, quotes
 * and backslashes. Anything else is taken as not said: an order counts whoever gave it. */
struct bytes rpc_operator(struct bytes said);

MUST_USE enum err rpc_encode_command(const struct rpc_command *c, struct buf *out);
/* ERR_INVALID too for a subject that does not fit its kind: an expel names a node id. */
MUST_USE enum err rpc_decode_command(struct bytes value, struct arena *a, struct rpc_command *c);
MUST_USE enum err rpc_encode_forgotten(uint64_t version, struct buf *out);
MUST_USE enum err rpc_decode_forgotten(struct bytes value, struct arena *a, uint64_t *version);
MUST_USE enum err rpc_encode_applied(const struct rpc_applied *p, struct buf *out);
/* Of more than RPC_APPLIED_MAX the newest are taken. */
MUST_USE enum err rpc_decode_applied(struct bytes value, struct arena *a, struct rpc_applied *p);

#endif
