/* The messages of a link as plain structs, and the limits that hold for them.
 *
 * Slices point into the frame or the arena they were decoded with. Limits are enforced when
 * encoding and when decoding: a frame that breaks one is refused whole (ERR_TOO_BIG).
 */
#ifndef RPC_MSG_H
#define RPC_MSG_H

#include "base/bytes.h"
#include "base/key_file.h"
#include "base/node_id.h"

/* Versions of the protocol that this build speaks (V2, V3). */
enum { RPC_VERSION_MIN = 1, RPC_VERSION_MAX = 1 };

enum {
	RPC_FRAME_MAX = 64 * 1024, /* bytes of one Envelope */
	RPC_CLUSTER_MAX = 64,      /* bytes, cluster and node names, zones, builds */
	RPC_NAME_MAX = 64,
	RPC_ADDRESS_MAX = 128, /* bytes of an address or URL */
	RPC_TEXT_MAX = 256,    /* bytes of a refusal's text */
	RPC_URLS_MAX = 8,
	RPC_ANCESTORS_MAX = 8,
	RPC_DIGEST_ROWS_MAX = 512, /* rows of one digest */
	RPC_KEY_MAX = 330,         /* bytes; class + origin name + NUL + content id */
	RPC_VALUE_MAX = 8 * 1024,  /* bytes of an entry's value */
	RPC_ENTRY_NAME_MAX = 255,  /* bytes of the name of the playlist a viewer starts with */
	RPC_FRAME_ENTRIES_MAX = 1024,
	RPC_ROW_ID_BYTES = NODE_ID_BYTES + 1,
	RPC_SESSION_ID_BYTES = 16,
	RPC_SESSIONS_MAX = 1024, /* ids of one list of SessionNews */
	RPC_CHALLENGE_BYTES = 32,
	RPC_MAC_BYTES = 32,
	RPC_ANNOUNCE_ROWS_MAX = 512,
	RPC_PULL_ROWS_MAX = 64,
	RPC_RANGES_MAX = 32, /* of one question */
	RPC_RANGE_FANOUT = 16,
	RPC_RANGE_DEPTH_MAX = 2,     /* of a question: its parts are one half byte deeper */
	RPC_CLUSTER_KEYS_MAX = 2,    /* the present one and, while they rotate, another */
	RPC_NAMES_MAX = 4096,        /* numbers of names, of one direction of a link */
	RPC_LEASE_PLACES_MAX = 4096, /* of one batch */
	RPC_WARM_ID_BYTES = 16,
	RPC_CONTENT_MAX = 255,  /* bytes of a content id */
	RPC_WATCHED_MAX = 4096, /* contents of one WatchedTold */
};

/* The bound to give an arena: enough for encoding or decoding any message or entry within the limits,
 * and all that a hostile one can cost. */
enum { RPC_ARENA_MAX = 1024 * 1024 };

enum rpc_stream { RPC_CONTROL = 0, RPC_LOAD = 1, RPC_LOCATIONS = 2, RPC_STREAMS = 3 };

enum rpc_kind {
	RPC_UNKNOWN = 0, /* decoded, but of a kind this build does not know: skip it */
	RPC_HELLO,
	RPC_REFUSAL,
	RPC_BYE,
	RPC_HEARTBEAT,
	RPC_DIGEST,
	RPC_ROW_FRAME,
	RPC_SESSION_NEWS,
	RPC_PROOF,
	RPC_ANNOUNCE,
	RPC_PULL,
	RPC_TREE,
	RPC_RANGES,
	RPC_LEASE_ASK,
	RPC_LEASE_GRANT,
	RPC_LEASE_CLOSE,
	RPC_WARM,
	RPC_WARM_TOLD,
	RPC_WATCHED_ASK,
	RPC_WATCHED_TOLD,
};
enum { RPC_KINDS = RPC_WATCHED_TOLD + 1 };

/* Bits of `features` (V2): used only with a peer that said it too. */
enum {
	RPC_FEATURE_BROADCAST = 1 << 0, /* announcements, pulls and trees */
	RPC_FEATURE_RANGES = 1 << 1,    /* fingerprints of ranges */
	RPC_FEATURE_NAMES = 1 << 2,     /* rows by number (rpc/names.h) */
	RPC_FEATURE_LEASES = 1 << 3,    /* places in batches (A3) */
	RPC_FEATURE_WARM = 1 << 8,      /* fetches contents that it is told to */
	RPC_FEATURE_WATCHED = 1 << 9,   /* tells which contents have viewers */
};

enum rpc_refusal {
	RPC_REFUSED_CLUSTER = 1, /* of another cluster */
	RPC_REFUSED_VERSION,     /* no common protocol version */
	RPC_REFUSED_SELF,        /* dialled itself */
	RPC_REFUSED_DUPLICATE,   /* this pair has a link already; the lower id's dial survives */
	RPC_REFUSED_MALFORMED,   /* no valid hello */
	RPC_REFUSED_KEY,         /* does not know this cluster's key */
	RPC_REFUSED_TLS,         /* what a node notes when TLS failed or is one-sided; nobody hears it */
	RPC_REFUSED_EXPELLED,    /* an operator expelled that node */
};

struct rpc_hello {
	struct bytes cluster;
	struct node_id node;
	struct bytes name;
	struct incarnation incarnation;
	uint32_t version_min, version_max;
	uint64_t features;
	struct bytes build;
	struct bytes rpc_address;
	/* Of the cluster's keys that this node has; none: it proves nothing and demands no proof, and has no
	 * challenge either. */
	struct key_id keys[RPC_CLUSTER_KEYS_MAX];
	size_t keys_n;
	uint8_t challenge[RPC_CHALLENGE_BYTES]; /* new for each link */
};

struct rpc_proof {
	struct key_id key;
	uint8_t mac[RPC_MAC_BYTES];
};

struct rpc_row_position {
	struct node_id owner;
	enum rpc_stream stream;
	struct incarnation incarnation;
	uint64_t have, horizon, floor, base, fingerprint;
};

struct rpc_digest {
	bool answer;
	struct bytes first, last; /* empty or RPC_ROW_ID_BYTES */
	const struct rpc_row_position *rows;
	size_t rows_n;
};

struct rpc_ancestor {
	struct incarnation incarnation;
	uint64_t version;
};

struct rpc_entry {
	uint64_t version;
	struct bytes key;
	struct bytes value;
	bool deleted;
};

struct rpc_row_frame {
	struct node_id owner;
	enum rpc_stream stream;
	struct incarnation incarnation;
	struct rpc_ancestor ancestors[RPC_ANCESTORS_MAX];
	size_t ancestors_n;
	uint64_t from, to, horizon, floor;
	bool reset, repair;
	const struct rpc_entry *entries;
	size_t entries_n;
};

struct rpc_row_version {
	struct node_id owner;
	enum rpc_stream stream;
	struct incarnation incarnation;
	uint64_t have;
};

struct rpc_announce {
	const struct rpc_row_version *rows;
	size_t rows_n;
};

struct rpc_pull {
	const struct rpc_row_position *rows;
	size_t rows_n;
};

struct rpc_ranges {
	bool answer;
	uint32_t depth;
	const uint32_t *prefixes;
	size_t prefixes_n;
	const uint64_t *sums;   /* question: RPC_RANGE_FANOUT a prefix */
	const uint32_t *differ; /* answer: bits, one word a prefix */
	uint64_t rows;
};

struct rpc_session_id {
	uint8_t b[RPC_SESSION_ID_BYTES];
};

struct rpc_session_news {
	const struct rpc_session_id *alive, *ended;
	size_t alive_n, ended_n;
};

struct rpc_lease_ask {
	uint64_t request;
	uint32_t want;
};

struct rpc_lease_grant {
	uint64_t request, incarnation;
	uint32_t batch, places, life_ms, weight_kbps;
	uint32_t active, outstanding, capacity;
};

struct rpc_lease_close {
	uint32_t batch, used;
	uint64_t incarnation;
};

struct rpc_warm_id {
	uint8_t b[RPC_WARM_ID_BYTES];
};

struct rpc_warm {
	struct rpc_warm_id id;
	struct bytes origin, content;
	struct bytes by; /* as rpc_operator takes it */
};

enum rpc_warm_state {
	RPC_WARM_WAITING = 1,
	RPC_WARM_RUNNING,
	RPC_WARM_DONE,    /* all that could be fetched is there */
	RPC_WARM_STOPPED, /* purged meanwhile, or the node ends */
	RPC_WARM_REFUSED, /* no room for the order, or no such origin store */
};

struct rpc_warm_told {
	struct rpc_warm_id id;
	uint32_t state; /* enum rpc_warm_state, or one of a later version */
	uint32_t objects, remaining, failed;
	uint64_t bytes;
	struct bytes detail;
};

struct rpc_watched_ask {
	uint64_t request;
};

struct rpc_watched_told {
	uint64_t request;
	const uint64_t *contents; /* rpc_watched_hash of each */
	const uint32_t *viewers;
	size_t n;
	uint64_t more; /* left out */
};

struct rpc_msg {
	enum rpc_kind kind;
	uint64_t acked_bytes;
	union {
		struct rpc_hello hello;
		struct {
			enum rpc_refusal reason;
			struct bytes text;
		} refusal;
		struct {
			uint32_t reason;
		} bye;
		struct rpc_digest digest;
		struct rpc_row_frame row_frame;
		struct rpc_session_news session_news;
		struct rpc_proof proof;
		struct rpc_announce announce;
		struct rpc_pull pull;
		struct {
			uint64_t prune, graft;
		} tree;
		struct rpc_ranges ranges;
		struct rpc_lease_ask lease_ask;
		struct rpc_lease_grant lease_grant;
		struct rpc_lease_close lease_close;
		struct rpc_warm warm;
		struct rpc_warm_told warm_told;
		struct rpc_watched_ask watched_ask;
		struct rpc_watched_told watched_told;
	};
};

#endif
