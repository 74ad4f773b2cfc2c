#include "node/api/place.h"

enum err place_decide(const struct api *api, struct api_worker *w, struct bytes origin, struct bytes content,
    struct bytes zone, struct arena *a, struct place *out)
{
	struct kvs_holder holders[PLACE_HOLDERS_MAX];
	size_t n = 0;
	enum err e = kvs_reader_holders(w->reader, origin, content, a, holders, PLACE_HOLDERS_MAX, &n);
	if (e != OK)
		return e;
	struct place_wish wish = { origin, content, zone };
	const struct cluster_view *view = view_acquire(api->c.views, w->view_reader);
	e = place_among(api, view, holders, n, &wish, a, out);
	view_release(api->c.views, w->view_reader);
	return e;
}
