#include "node/control_view.h"

#include "base/check.h"

#include <string.h>

/* Copies what fits, NUL-terminated; registers are limited to these sizes by the codec. */
static void copy_text(char *out, size_t room, struct bytes s)
{
	size_t n = s.n < room ? s.n : room - 1;
	if (n > 0)
		memcpy(out, s.p, n);
	out[n] = '\0';
}

/* Whether a URL that another node said may be handed to viewers as it is: no quote, space or control. */
static bool is_plain_url(struct bytes url)
{
	for (size_t i = 0; i < url.n; i++)
		if (url.p[i] <= ' ' || url.p[i] >= 0x7f || url.p[i] == '"' || url.p[i] == '\\')
			return false;
	return bytes_starts_with(url, BYTES_LIT("http://")) || bytes_starts_with(url, BYTES_LIT("https://"));
}

/* In sessions: those it has, or what their Mbit/s amount to of all it can take. Whichever bound is nearer. */
static uint32_t load_of(const struct rpc_register *reg, const struct rpc_load *l)
{
	uint64_t by_mbps =
	    reg->capacity_mbps > 0 ? (uint64_t)l->reckoned_mbps * reg->capacity_sessions / reg->capacity_mbps : 0;
	uint64_t load = by_mbps > l->sessions ? by_mbps : l->sessions;
	return load < UINT32_MAX ? (uint32_t)load : UINT32_MAX;
}

static uint32_t permille(uint64_t part, uint64_t whole)
{
	uint64_t p = whole > 0 ? part * 1000 / whole : 0;
	return p < UINT32_MAX ? (uint32_t)p : UINT32_MAX;
}

/* By what it sends too: that is what its viewers feel. */
static uint32_t busy_of(const struct rpc_register *reg, const struct rpc_load *l)
{
	uint32_t by_load = permille(load_of(reg, l), reg->capacity_sessions);
	uint32_t by_egress = permille(l->egress_mbps, reg->capacity_mbps);
	return by_load > by_egress ? by_load : by_egress;
}

static void fill(
    struct view_node *v, const struct kvs_member *m, struct tally *tally, const struct node_id *self)
{
	v->id = m->id;
	copy_text(v->name, sizeof(v->name), m->reg->name);
	copy_text(v->zone, sizeof(v->zone), m->reg->zone);
	v->roles = m->reg->roles;
	v->state = m->reg->state;
	v->liveness = (uint8_t)m->liveness;
	v->since_ms = m->since_ms;
	v->incarnation = m->incarnation.count;
	v->capacity = m->reg->capacity_sessions;
	v->has_load = m->has_load;
	v->load = m->has_load ? load_of(m->reg, &m->load) : 0;
	v->load_seen_ms = m->load_seen_ms;
	v->miss_permille = m->has_load ? m->load.miss_permille : 0;
	v->evict_age_s = m->has_load ? m->load.evict_age_s : 0;
	v->busy_permille = m->has_load ? busy_of(m->reg, &m->load) : 0;
	v->copies_left = m->has_load ? m->load.copies_left : 0;
	if (m->reg->http_urls_n > 0 && is_plain_url(m->reg->http_urls[0]))
		copy_text(v->http_url, sizeof(v->http_url), m->reg->http_urls[0]);
	if (is_plain_url(m->reg->api_url))
		copy_text(v->api_url, sizeof(v->api_url), m->reg->api_url);
	v->slot = tally_slot(tally, &m->id);
	v->self = node_id_eq(&m->id, self);
}

struct cluster_view *control_view_new(
    const struct kvs *kvs, struct tally *tally, const struct node_id *self, uint64_t now_mono_ms)
{
	struct cluster_view *v = cluster_view_new(kvs_members_n(kvs));
	size_t n = 0;
	for (size_t i = 0; i < kvs_members_n(kvs); i++) {
		struct kvs_member m;
		kvs_member_at(kvs, i, &m);
		if (m.reg != NULL)
			fill(&v->nodes[n++], &m, tally, self);
	}
	v->nodes_n = n;
	v->made_mono_ms = now_mono_ms;
	return v;
}
