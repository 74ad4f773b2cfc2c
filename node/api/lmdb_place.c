#include "node/api/place.h"

static enum err decide(const struct api *api, struct api_worker *w, const struct place_wish *wish,
    struct arena *a, struct place *out)
{
	struct kvs_holder holders[PLACE_HOLDERS_MAX];
	size_t n = 0;
	enum err e =
	    kvs_reader_holders(w->reader, wish->origin, wish->content, a, holders, PLACE_HOLDERS_MAX, &n);
	return e == OK ? place_among_now(api, w->view_reader, holders, n, wish, a, out) : e;
}

enum err place_decide(const struct api *api, struct api_worker *w, struct bytes origin, struct bytes content,
    struct bytes zone, struct arena *a, struct place *out)
{
	struct place_wish wish = { .origin = origin, .content = content, .zone = zone };
	return decide(api, w, &wish, a, out);
}

enum err place_decide_elsewhere(const struct api *api, struct api_worker *w, const struct token *t,
    const struct node_id *full, struct arena *a, struct place *out)
{
	struct place_wish wish = { .origin = t->origin, .content = t->content, .full = full };
	return decide(api, w, &wish, a, out);
}
