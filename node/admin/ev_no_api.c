#include "base/address.h"
#include "node/admin/admin.h"

/* Some api node that is reached, as a person may ask it: "api-1 (127.0.0.1)". NULL: none is known. */
static const char *other_api(const struct admin *a, struct arena *arena)
{
	const struct kvs *kvs = control_kvs(a->control);
	const char *found = NULL;
	enum kvs_liveness best = KVS_DOWN;
	for (size_t i = 0; i < kvs_members_n(kvs); i++) {
		struct kvs_member m;
		struct address at;
		kvs_member_at(kvs, i, &m);
		if (m.reg == NULL || (m.reg->roles & RPC_ROLE_API) == 0 || m.liveness == KVS_DOWN ||
		    m.reg->state != NODE_READY || (found != NULL && m.liveness >= best) ||
		    address_parse(m.reg->rpc_address, &at) != OK)
			continue;
		best = m.liveness;
		found = arena_printf(arena, "%.*s on %.*s", (int)m.reg->name.n, (const char *)m.reg->name.p,
		    (int)at.host.n, (const char *)at.host.p);
	}
	return found;
}

void admin_no_api_here(const struct admin *a, struct arena *arena, struct admin_refusal *why)
{
	const char *other = other_api(a, arena);
	const char *detail =
	    other == NULL ? NULL
	                  : arena_printf(arena,
	                        "This node creates no sessions, so it decides nothing: ask the admin listener "
	                        "of an api node, as %s.",
	                        other);
	*why = (struct admin_refusal){ 404, "no-api-role",
		detail != NULL ? detail
		               : "This node creates no sessions, so it decides nothing, and it knows no api node." };
}
