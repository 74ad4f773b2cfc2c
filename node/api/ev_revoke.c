#include "node/api/ev_revoke.h"

#include <string.h>

static struct rpc_session_id id_of(const struct token *t)
{
	struct rpc_session_id id;
	_Static_assert(sizeof(id.b) == sizeof(t->session), "the same ids");
	memcpy(id.b, t->session, sizeof(id.b));
	return id;
}

bool session_is_revoked(const struct api *api, const struct token *t)
{
	struct rpc_session_id id = id_of(t);
	return api->c.revoked != NULL && revoked_has(api->c.revoked, &id);
}

/* "revoke=true" in the query, or "revoke=false", which is the same as nothing. False: something else is said
 * of it. */
static bool read_query(struct bytes query, bool *revoke)
{
	static const struct bytes name = { (const uint8_t *)"revoke=", 7 };
	*revoke = false;
	while (query.n > 0) {
		size_t end = bytes_index(query, '&');
		struct bytes one = bytes_head(query, end);
		query = bytes_from(query, end < query.n ? end + 1 : end);
		if (bytes_eq(one, BYTES_LIT("revoke")))
			return false;
		if (!bytes_starts_with(one, name))
			continue;
		*revoke = bytes_eq(bytes_from(one, name.n), BYTES_LIT("true"));
		if (!*revoke && !bytes_eq(bytes_from(one, name.n), BYTES_LIT("false")))
			return false;
	}
	return true;
}

static void count(_Atomic uint64_t *c)
{
	atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}

static void refuse(struct api *api, struct http_exchange *x, enum err e)
{
	count(&api->count.revoke_refused);
	if (e == ERR_FULL)
		http_problem(x, 507, "revocations-full",
		    "This node has revoked as many sessions as it may; without ?revoke=true the place is given back.",
		    0);
	else
		http_problem(x, 503, "unavailable", "Too many sessions are being revoked.", 1);
}

bool session_revoke_if_asked(struct api *api, struct http_exchange *x, const struct token *t, uint64_t now_s)
{
	bool revoke;
	struct rpc_session_id id = id_of(t);
	if (!read_query(http_request(x)->query, &revoke)) {
		count(&api->count.malformed);
		http_problem(x, 400, "malformed", "\"revoke\" must be true or false.", 0);
		return false;
	}
	/* What has ended by itself needs no entry. */
	if (!revoke || token_check(t, now_s) != OK || session_is_revoked(api, t))
		return true;
	enum err e = api->c.revoke == NULL ? ERR_FULL : api->c.revoke(api->c.revoke_ctx, &id, t->not_after_s);
	if (e != OK) {
		refuse(api, x, e);
		return false;
	}
	count(&api->count.revoked);
	return true;
}
