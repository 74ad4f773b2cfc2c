/* Other nodes on a fill's way (D7): caches of holders, then whoever is first in the content's order of nodes,
 * asked to fill on this node's behalf. A fill that another node asked for stops at the first of these. */
#include "node/origin/ev_fill.h"
#include "node/origin/freshness.h"

static bool is_over(void *arg)
{
	struct fill *f = OBJ_CAST(struct fill, FILL_MAGIC, arg);
	return fill_gives_up(f) || !fill_is_wanted(f);
}

static bool ask_caches(struct fill *f, struct cache_unit *held)
{
	struct peers *p = f->fills->peers;
	struct peer_round r;
	struct peer_answer a;
	void *handle;
	if (!peers_look(p, f->key.origin, f->content, f->object, f->hash, &r))
		return false;
	r.slice = fills_cuts(f->fills, f->origin, f->object) ? f->slice : 0;
	while (!fill_gives_up(f) && peers_open(p, &r, &handle, &a) == OK)
		if (fill_take_from_peer(f, &r, handle, &a, held))
			return true;
	return false;
}

/* D7: whose disks do not serve is not asked to fill. */
static bool disks_serve(struct fills *fs)
{
	struct cache_counters n;
	cache_count(fs->cache, &n);
	return n.disks_down < fs->config->disks_n || fs->config->disks_n == 0;
}

/* False: another node waits for it. From true on none may join while it is not known what comes. */
static bool goes_elsewhere(struct fill *f)
{
	fills_lock(f->fills);
	bool may = !f->for_peer;
	f->elsewhere = may;
	fills_unlock(f->fills);
	return may;
}

static void comes_back(struct fill *f)
{
	fills_lock(f->fills);
	f->elsewhere = false;
	fills_unlock(f->fills);
}

static bool is_ahead(struct fill *f)
{
	fills_lock(f->fills);
	bool ahead = f->ahead;
	fills_unlock(f->fills);
	return ahead;
}

static bool ask_fillers(struct fill *f, struct cache_unit *held)
{
	struct fills *fs = f->fills;
	struct peer_round r;
	struct peer_answer a;
	void *handle;
	if (!peers_look_fillers(fs->peers, f->key.origin, f->content, f->object, f->hash, disks_serve(fs), &r) ||
	    !goes_elsewhere(f))
		return false;
	r.ahead = is_ahead(f);
	r.slice = fills_cuts(fs, f->origin, f->object) ? f->slice : 0;
	enum err e;
	while ((e = peers_open_filler(fs->peers, &r, is_over, f, &handle, &a)) == OK)
		if (fill_take_from_peer(f, &r, handle, &a, held))
			return true;
	comes_back(f);
	if (e != ERR_NOT_FOUND || fill_gives_up(f))
		return false;
	cache_release(fs->cache, held);
	fill_missing(f, &a);
	return true;
}

bool fill_from_peers(struct fill *f, struct cache_unit *held)
{
	struct fills *fs = f->fills;
	bool again = f->missed_mono_ms != 0;
	if (fs->peers == NULL || freshness_class(fs->config, f->object) == CLASS_KEY)
		return false;
	/* What may have been purged only the origin store can confirm. */
	if (held != NULL && held->meta->unproven)
		return false;
	/* What is stale here is stale everywhere: it ages alike on all nodes. What was missing a moment ago, and
	 * came since, came through the first node. */
	if (held == NULL && !again && ask_caches(f, held))
		return true;
	return ask_fillers(f, held);
}
