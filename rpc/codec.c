#include "rpc/codec.h"

const char *rpc_kind_str(enum rpc_kind k)
{
	static const char *const names[RPC_KINDS] = {
		[RPC_UNKNOWN] = "unknown",
		[RPC_HELLO] = "hello",
		[RPC_REFUSAL] = "refusal",
		[RPC_BYE] = "bye",
		[RPC_HEARTBEAT] = "heartbeat",
		[RPC_DIGEST] = "digest",
		[RPC_ROW_FRAME] = "row_frame",
		[RPC_SESSION_NEWS] = "session_news",
		[RPC_PROOF] = "proof",
		[RPC_ANNOUNCE] = "announce",
		[RPC_PULL] = "pull",
		[RPC_TREE] = "tree",
		[RPC_RANGES] = "ranges",
		[RPC_LEASE_ASK] = "lease_ask",
		[RPC_LEASE_GRANT] = "lease_grant",
		[RPC_LEASE_CLOSE] = "lease_close",
		[RPC_WARM] = "warm",
		[RPC_WARM_TOLD] = "warm_told",
		[RPC_WATCHED_ASK] = "watched_ask",
		[RPC_WATCHED_TOLD] = "watched_told",
	};
	return (unsigned)k < RPC_KINDS ? names[k] : names[RPC_UNKNOWN];
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
