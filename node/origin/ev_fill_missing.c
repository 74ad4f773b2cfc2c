/* What the origin store does not have (D6): remembered for a while, and of a growing content asked for again
 * while viewers wait. */
#include "node/origin/ev_fill.h"
#include "node/origin/freshness.h"

enum {
	POLL_MS = 250,
	POLL_FOR_MS = 2000,
	MISSING_GROWING_MS = 500,
	/* A player reloads a playlist that has not changed after half a target duration, which is what its unit
	 * is fresh for: a content of which none was read for three of them is not being played at its end. */
	GROWS_TTLS = 6,
	GROWS_MIN_MS = 10000,
};

/* -- growing contents -- */

static uint64_t content_hash(const struct fills *fs, unsigned origin, struct bytes content)
{
	return hash64(&fs->hash_key, content) ^ hash_mix(origin + 1);
}

/* Under the lock. */
static bool grows(const struct fills *fs, unsigned origin, struct bytes content, uint64_t now)
{
	return negative_has(&fs->growing_contents, content_hash(fs, origin, content), now);
}

bool fill_content_grows(struct fill *f)
{
	fills_lock(f->fills);
	bool is = grows(f->fills, f->origin, f->content, fills_now_mono_ms());
	fills_unlock(f->fills);
	return is;
}

void fill_learns_playlist(struct fill *f, struct bytes head)
{
	struct fills *fs = f->fills;
	struct playlist_facts facts = freshness_playlist(head);
	uint64_t ttl_ms = facts.ttl_ms * GROWS_TTLS;
	if (!facts.grows)
		return;
	fills_lock(fs);
	negative_put(&fs->growing_contents, content_hash(fs, f->origin, f->content), fills_now_mono_ms(),
	    ttl_ms > GROWS_MIN_MS ? ttl_ms : GROWS_MIN_MS);
	fills_unlock(fs);
}

/* Under the lock. Of a playlist that is not there yet nobody waits for a first one: a viewer may be looking
 * for the name to enter by. */
static bool may_come_soon(struct fill *f, const struct peer_answer *told)
{
	struct fills *fs = f->fills;
	enum object_class class = freshness_class(fs->config, f->object);
	bool may = (told != NULL && told->grows) || grows(fs, f->origin, f->content, fills_now_mono_ms());
	return may && (class == CLASS_SEGMENT || class == CLASS_OTHER);
}

/* -- what is remembered -- */

bool fills_know_missing(struct fills *fs, uint64_t hash, unsigned origin, struct bytes content,
    struct fill_waiter *w, uint64_t *wait_ms)
{
	uint64_t now = fills_now_mono_ms(), left_ms = negative_left_ms(&fs->negative, hash, now);
	uint64_t poll_ms = negative_left_ms(&fs->polls, hash, now);
	*wait_ms = poll_ms;
	if (left_ms == 0 && (poll_ms == 0 || !w->for_peer))
		return false;
	w->answer.outcome = FILL_NOT_FOUND;
	w->answer.missing_ms = (uint32_t)(left_ms > 0 ? left_ms : poll_ms);
	w->answer.grows = left_ms == 0 || grows(fs, origin, content, now);
	return true;
}

/* Under the lock. Other nodes are told at once, and ask again themselves. False: nobody else waits, or has
 * waited for long enough. */
static bool polls_on(struct fill *f, uint64_t now)
{
	struct fills *fs = f->fills;
	if (f->missed_mono_ms == 0)
		f->missed_mono_ms = now;
	negative_put(&fs->polls, f->hash, now, POLL_MS);
	const struct fill_answer soon = { .outcome = FILL_NOT_FOUND, .grows = true, .missing_ms = POLL_MS };
	struct fill_waiter *peers = fill_detach_peers(f, now, 0);
	fills_answer(fs, peers, &soon);
	if (f->waiters == NULL || now - f->missed_mono_ms >= POLL_FOR_MS)
		return false;
	fs->counters.missing_again++;
	f->for_peer = false;
	fill_parks(f, now + POLL_MS);
	return true;
}

void fill_missing(struct fill *f, const struct peer_answer *told)
{
	struct fills *fs = f->fills;
	uint64_t now = fills_now_mono_ms(), for_ms = told != NULL ? told->missing_ms : fs->negative_ttl_ms;
	bool doomed = fill_is_doomed(f); /* then it may be there by now */
	if (!doomed)
		fill_is_missing(f);
	fills_lock(fs);
	fs->counters.not_found++;
	doomed = doomed || f->doomed;
	/* Nobody waits for what is fetched ahead, and by the time somebody asks it may be there. */
	bool soon = !doomed && !fs->stopping && !f->ahead && may_come_soon(f, told);
	bool parked = soon && polls_on(f, now);
	/* Where none of its viewers waited here the polls of others go on. */
	bool gave_up = soon && !parked && now - f->missed_mono_ms >= POLL_FOR_MS;
	if (gave_up)
		for_ms = MISSING_GROWING_MS;
	if (f->ahead)
		for_ms = 0;
	if (!doomed && !f->ahead && (!soon || gave_up))
		negative_put(&fs->negative, f->hash, now, for_ms);
	fills_unlock(fs);
	if (!parked)
		fill_ends(f, &(struct fill_answer){
		                 .outcome = FILL_NOT_FOUND, .missing_ms = (uint32_t)for_ms, .grows = soon });
}
