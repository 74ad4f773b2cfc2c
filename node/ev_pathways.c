#include "node/ev_pathways.h"

#include "node/api/steering.h"

static bool serves_api(const struct view_node *v)
{
	return v->api_url[0] != '\0' && v->state == NODE_READY && v->liveness == KVS_ALIVE;
}

/* Any api node that serves: the same one for a session as long as they stay. */
static struct bytes api_url_of(
    struct view_publisher *views, unsigned reader, const struct rpc_session_id *id, struct arena *a)
{
	const struct cluster_view *v = view_acquire(views, reader);
	size_t apis = 0, nth = 0;
	for (size_t i = 0; i < v->nodes_n; i++)
		apis += serves_api(&v->nodes[i]);
	size_t wanted = apis == 0 ? 0 : (id->b[0] | (size_t)id->b[1] << 8) % apis;
	struct bytes url = BYTES_NONE;
	for (size_t i = 0; i < v->nodes_n && url.n == 0; i++)
		if (serves_api(&v->nodes[i]) && nth++ == wanted)
			url = arena_dup(a, bytes_str(v->nodes[i].api_url));
	view_release(views, reader);
	return url;
}

bool pathways_of_session(const struct api *api, struct api_worker *w, struct arena *a,
    const struct delivery_session *s, struct delivery_pathways *out)
{
	struct place p;
	size_t own, other;
	out->api_url = api_url_of(api->c.views, w->view_reader, &s->id, a);
	if (out->api_url.n == 0 || place_decide(api, w, s->origin, s->content, BYTES_NONE, a, &p) != OK ||
	    !steering_pair(&p, api->c.self, bytes_of(s->id.b, sizeof(s->id.b)), &own, &other))
		return false;
	out->own = p.nodes[own].name;
	out->own_url = p.nodes[own].url;
	if (other != SIZE_MAX) {
		out->other = p.nodes[other].name;
		out->other_url = p.nodes[other].url;
	}
	return true;
}
