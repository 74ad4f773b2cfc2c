#include "node/warm/copies.h"

#include "assign/assign.h"
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct copies {
	struct copy **list;
	size_t n, left_out;
	uint64_t began_ms;
	bool without_node;
	uint64_t without_node_ms; /* since when */
};

struct copies *copies_new(uint64_t now_ms)
{
	struct copies *c = calloc(1, sizeof(*c));
	CHECK(c != NULL);
	c->list = calloc(COPIES_MAX, sizeof(struct copy *));
	CHECK(c->list != NULL);
	c->began_ms = now_ms;
	return c;
}

void copies_free(struct copies *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n; i++)
		free(c->list[i]);
	free(c->list);
	free(c);
}

/* -- what is watched -- */

static int by_name(const struct copy *c, struct bytes origin, struct bytes content)
{
	int cmp = bytes_cmp(c->origin, origin);
	return cmp != 0 ? cmp : bytes_cmp(c->content, content);
}

/* Where it stands, or belongs. */
static size_t place_of(const struct copies *c, const struct watched *w, bool *found)
{
	size_t low = 0, high = c->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (by_name(c->list[mid], w->origin, w->content) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*found = low < c->n && by_name(c->list[low], w->origin, w->content) == 0;
	return low;
}

static struct copy *copy_new(const struct watched *w, uint64_t now_ms)
{
	struct copy *c = calloc(1, sizeof(*c) + w->origin.n + w->content.n);
	CHECK(c != NULL);
	uint8_t *text = (uint8_t *)(c + 1);
	if (w->origin.n > 0)
		memcpy(text, w->origin.p, w->origin.n);
	if (w->content.n > 0)
		memcpy(text + w->origin.n, w->content.p, w->content.n);
	c->origin = bytes_of(text, w->origin.n);
	c->content = bytes_of(text + w->origin.n, w->content.n);
	c->since_ms = now_ms;
	return c;
}

void copies_watch(struct copies *c, struct watched *w, size_t n, uint64_t now_ms)
{
	if (n > 0)
		qsort(w, n, sizeof(*w), watched_cmp);
	for (size_t i = 0; i < c->n; i++)
		c->list[i]->viewers = 0;
	c->left_out = 0;
	for (size_t i = 0; i < n; i++) {
		bool found;
		size_t at = place_of(c, &w[i], &found);
		if (!found && c->n == COPIES_MAX) {
			c->left_out++;
			continue;
		}
		if (!found) {
			memmove(&c->list[at + 1], &c->list[at], (c->n - at) * sizeof(struct copy *));
			c->list[at] = copy_new(&w[i], now_ms);
			c->n++;
		}
		c->list[at]->viewers = w[i].viewers;
	}
}

size_t copies_n(const struct copies *c)
{
	return c->n;
}

struct copy *copies_at(struct copies *c, size_t i)
{
	CHECK(i < c->n);
	return c->list[i];
}

/* -- one copy's way -- */

void copy_settle(struct copy *c, enum copy_state state, const char *why, uint64_t now_ms)
{
	if (c->state != state)
		c->since_ms = now_ms;
	c->state = state;
	snprintf(c->why, sizeof(c->why), "%s", why == NULL ? "" : why);
}

void copy_ordered(struct copy *c, const struct node_id *node, const struct rpc_warm_id *id, uint64_t now_ms)
{
	copy_settle(c, COPY_ORDERED, NULL, now_ms);
	c->node = *node;
	c->order = *id;
	c->progress = 0;
	c->tries++;
}

void copy_moves(struct copy *c, uint64_t progress, uint64_t now_ms)
{
	if (progress != c->progress)
		c->since_ms = now_ms;
	c->progress = progress;
}

void copy_refused(struct copy *c, const char *why, uint64_t now_ms)
{
	copy_settle(c, c->tries < COPIES_TRIES_MAX ? COPY_NEEDED : COPY_FAILED, why, now_ms);
}

void copies_with_node(struct copies *c)
{
	c->without_node = false;
}

void copies_without_node(struct copies *c, uint64_t now_ms)
{
	if (!c->without_node)
		c->without_node_ms = now_ms;
	c->without_node = true;
	if (now_ms - c->without_node_ms < COPIES_NO_NODE_MS)
		return;
	for (size_t i = 0; i < c->n; i++)
		if (c->list[i]->state == COPY_NEEDED)
			copy_settle(c->list[i], COPY_FAILED, "no other node that is ready has room", now_ms);
}

bool copy_is_stuck(const struct copy *c, uint64_t now_ms)
{
	return c->state == COPY_ORDERED && now_ms - c->since_ms >= COPIES_STILL_MS;
}

static bool is_left(const struct copy *c)
{
	return c->state != COPY_HELD && c->state != COPY_FAILED;
}

bool copies_give_up(struct copies *c, uint64_t now_ms)
{
	if (now_ms - c->began_ms < COPIES_GIVE_UP_MS)
		return false;
	for (size_t i = 0; i < c->n; i++)
		if (is_left(c->list[i]))
			copy_settle(c->list[i], COPY_FAILED, "it took too long", now_ms);
	return true;
}

struct copies_count copies_count(const struct copies *c)
{
	struct copies_count n = { .failed = (uint32_t)c->left_out };
	for (size_t i = 0; i < c->n; i++) {
		const struct copy *at = c->list[i];
		n.left += is_left(at);
		n.ordered += at->state == COPY_ORDERED;
		n.held += at->state == COPY_HELD;
		n.failed += at->state == COPY_FAILED;
	}
	return n;
}

bool copy_is_enough(const struct rpc_location *own, const struct rpc_location *other)
{
	uint32_t warm = own->share_permille;
	if (warm > ASSIGN_SHARE_WARM_PERMILLE)
		warm = ASSIGN_SHARE_WARM_PERMILLE;
	if (warm > 0)
		return other->share_permille >= warm;
	/* Nobody can say what share that is: half of the objects. */
	return other->objects > 0 && (uint64_t)other->objects * 2 >= own->objects;
}
