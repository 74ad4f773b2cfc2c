#include "rpc/codec.h"

const char *rpc_kind_str(enum rpc_kind k)
{
	switch (k) {
	case RPC_UNKNOWN: return "unknown";
	case RPC_HELLO: return "hello";
	case RPC_REFUSAL: return "refusal";
	case RPC_BYE: return "bye";
	case RPC_HEARTBEAT: return "heartbeat";
	case RPC_DIGEST: return "digest";
	case RPC_ROW_FRAME: return "row_frame";
	case RPC_SESSION_NEWS: return "session_news";
	case RPC_PROOF: return "proof";
	case RPC_ANNOUNCE: return "announce";
	case RPC_PULL: return "pull";
	case RPC_TREE: return "tree";
	case RPC_RANGES: return "ranges";
	}
	return "unknown";
}

const char *rpc_refusal_str(enum rpc_refusal r)
{
	switch (r) {
	case RPC_REFUSED_CLUSTER: return "cluster";
	case RPC_REFUSED_VERSION: return "version";
	case RPC_REFUSED_SELF: return "self";
	case RPC_REFUSED_DUPLICATE: return "duplicate";
	case RPC_REFUSED_MALFORMED: return "malformed";
	case RPC_REFUSED_KEY: return "key";
	case RPC_REFUSED_TLS: return "tls";
	case RPC_REFUSED_EXPELLED: return "expelled";
	}
	return "other"; /* a newer peer's reason */
}

size_t rpc_entry_size_bound(const struct rpc_entry *e)
{
	enum {
		TAG = 1,
		LENGTH = 3, /* varint of anything below 2 MiB */
		NUMBER = 10,
		BOOL = 1,
	};
	return TAG + LENGTH + TAG + NUMBER + TAG + LENGTH + e->key.n + TAG + LENGTH + e->value.n + TAG + BOOL;
}
