#include "node/api/steering.h"

#include "node/http/path.h"
#include "node/json_text.h"
#include "node/playlist/pathways.h"

/* -- the request -- */

/* "name", and %22name%22 as it stands in a query. */
static struct bytes unquoted(struct bytes value)
{
	static const char *const quotes[] = { "\"", "%22" };
	for (size_t i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++) {
		struct bytes q = bytes_str(quotes[i]);
		if (value.n >= 2 * q.n && bytes_starts_with(value, q) &&
		    bytes_eq(bytes_from(value, value.n - q.n), q))
			return bytes_of(value.p + q.n, value.n - 2 * q.n);
	}
	return value;
}

/* A DASH player names all that it used since it last asked, by commas: the last one is where it is. */
static struct bytes name_in(struct bytes query, const char *key)
{
	struct bytes names = unquoted(http_query(query, key)), name = names;
	for (size_t i = 0; i < names.n; i++) {
		if (names.p[i] == ',')
			name = bytes_from(names, i + 1);
		else if (bytes_starts_with(bytes_from(names, i), BYTES_LIT("%2C")))
			name = bytes_from(names, i + 3);
	}
	return pathway_name_ok(name) ? name : BYTES_NONE;
}

struct steering_request steering_read(struct bytes query)
{
	struct steering_request r = { .own = name_in(query, "own"), .other = name_in(query, "other") };
	r.present = name_in(query, "_HLS_pathway");
	if (r.present.n == 0)
		r.present = name_in(query, "_DASH_pathway");
	r.dash = http_query(query, "dash").p != NULL;
	if (r.present.n == 0)
		r.present = r.own;
	return r;
}

/* -- URLs of nodes: scheme://host[:port] -- */

struct url_parts {
	struct bytes scheme, host, port; /* the port with its colon */
};

static struct url_parts parts_of(struct bytes url)
{
	size_t colon = bytes_index(url, ':');
	struct bytes rest = bytes_from(url, colon + 3 <= url.n ? colon + 3 : url.n);
	size_t end = bytes_index(rest, '/'), bracket = bytes_index(rest, ']');
	rest = bytes_head(rest, end);
	size_t host_n = rest.n;
	for (size_t i = bracket < rest.n ? bracket : 0; i < rest.n; i++)
		if (rest.p[i] == ':') {
			host_n = i;
			break;
		}
	return (struct url_parts){ bytes_head(url, colon), bytes_head(rest, host_n), bytes_from(rest, host_n) };
}

/* A clone's URIs are those of its base but for the host. */
static bool can_be_clone(struct bytes url, struct bytes base)
{
	struct url_parts u = parts_of(url), b = parts_of(base);
	return bytes_eq(u.scheme, b.scheme) && bytes_eq(u.port, b.port);
}

/* -- the order -- */

static size_t find_name(const struct place *p, struct bytes name)
{
	for (size_t i = 0; name.n > 0 && i < p->nodes_n; i++)
		if (bytes_eq(p->nodes[i].name, name))
			return i;
	return SIZE_MAX;
}

struct order {
	size_t at[STEERING_PATHWAYS];
	size_t n;
};

static void append(struct order *o, size_t at)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->at[i] == at)
			return;
	if (at != SIZE_MAX && o->n < STEERING_PATHWAYS)
		o->at[o->n++] = at;
}

/* Whether a player that has these two in its playlist can be sent there. */
static bool reachable(const struct place *p, size_t at, size_t own, size_t other)
{
	if (!pathway_name_ok(p->nodes[at].name))
		return false;
	return at == own || at == other || (own != SIZE_MAX && can_be_clone(p->nodes[at].url, p->nodes[own].url));
}

static struct order order_of(
    const struct place *p, const struct node_id *node, struct bytes session, const struct steering_request *r)
{
	struct order o = { .n = 0 };
	size_t own = find_name(p, r->own), other = find_name(p, r->other), present = find_name(p, r->present);
	size_t keep = place_lead(p, present != SIZE_MAX ? &p->nodes[present].id : node, session);
	if (keep != SIZE_MAX && reachable(p, keep, own, other))
		append(&o, keep);
	for (size_t i = 0; i < p->decision.usable_n && o.n < ASSIGN_BEST; i++)
		if (reachable(p, p->decision.candidates[i].node, own, other))
			append(&o, p->decision.candidates[i].node);
	append(&o, own);
	append(&o, other);
	return o;
}

/* -- the list -- */

/* HLS players put the host into a clone's URIs and keep the port, and take no other form; dash.js takes what
 * it is given for host and port. */
static struct bytes clone_host(struct bytes url, bool dash)
{
	struct url_parts u = parts_of(url);
	return dash ? bytes_of(u.host.p, u.host.n + u.port.n) : u.host;
}

static void put_clones(
    struct buf *out, const struct place *p, const struct order *o, size_t own, size_t other, bool dash)
{
	size_t n = 0;
	for (size_t i = 0; i < o->n; i++) {
		size_t at = o->at[i];
		if (at == own || at == other)
			continue;
		buf_put_str(out, n++ == 0 ? ",\"PATHWAY-CLONES\":[{\"BASE-ID\":" : ",{\"BASE-ID\":");
		json_put_string(out, p->nodes[own].name);
		buf_put_str(out, ",\"ID\":");
		json_put_string(out, p->nodes[at].name);
		buf_put_str(out, ",\"URI-REPLACEMENT\":{\"HOST\":");
		json_put_string(out, clone_host(p->nodes[at].url, dash));
		buf_put_str(out, "}}");
	}
	if (n > 0)
		buf_put_u8(out, ']');
}

enum err steering_write(const struct place *p, const struct node_id *node, struct bytes session,
    const struct steering_request *r, struct buf *out)
{
	struct order o = order_of(p, node, session, r);
	buf_printf(out, "{\"VERSION\":1,\"TTL\":%d,\"PATHWAY-PRIORITY\":[", STEERING_TTL_S);
	for (size_t i = 0; i < o.n; i++) {
		json_put_next(out);
		json_put_string(out, p->nodes[o.at[i]].name);
	}
	/* Of nodes that nobody knows any more all that can be said is their names. */
	if (o.n == 0)
		json_put_string(out, r->own.n > 0 ? r->own : BYTES_LIT("."));
	buf_put_u8(out, ']');
	put_clones(out, p, &o, find_name(p, r->own), find_name(p, r->other), r->dash);
	buf_put_u8(out, '}');
	return buf_err(out);
}

bool steering_pair(
    const struct place *p, const struct node_id *self, struct bytes session, size_t *own, size_t *other)
{
	*own = *other = SIZE_MAX;
	for (size_t i = 0; i < p->nodes_n; i++)
		if (node_id_eq(&p->nodes[i].id, self))
			*own = i;
	if (*own == SIZE_MAX)
		return false;
	/* While this one drains or is over its bounds, where the session is going to be led. */
	size_t keep = place_lead(p, self, session);
	if (keep != *own)
		*other = keep;
	for (size_t i = 0; i < p->decision.usable_n && *other == SIZE_MAX; i++)
		if (p->decision.candidates[i].node != *own)
			*other = p->decision.candidates[i].node;
	return true;
}
