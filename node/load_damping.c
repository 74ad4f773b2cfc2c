#include "node/load_damping.h"

static uint64_t apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static bool is_much(uint64_t a, uint64_t b, uint64_t capacity)
{
	return a != b && apart(a, b) * 1000 >= capacity * LOAD_CHANGE_PER_MILLE;
}

static bool is_same(const struct rpc_load *a, const struct rpc_load *b)
{
	return a->sessions == b->sessions && a->egress_mbps == b->egress_mbps &&
	       a->hit_permille == b->hit_permille && a->cached_bytes == b->cached_bytes &&
	       a->reckoned_mbps == b->reckoned_mbps && a->copies_left == b->copies_left &&
	       a->copies_failed == b->copies_failed;
}

static uint64_t interval_ms(size_t nodes)
{
	uint64_t ms = (uint64_t)nodes * LOAD_UPDATE_BYTES * 1000 / LOAD_SHARE_BYTES;
	return ms < LOAD_AGE_MAX_MS ? ms : LOAD_AGE_MAX_MS;
}

bool load_damping_tells(struct load_damping *d, const struct rpc_load *load, size_t nodes, uint64_t now_ms)
{
	bool much = is_much(load->sessions, d->last.sessions, d->capacity_sessions) ||
	            is_much(load->egress_mbps, d->last.egress_mbps, d->capacity_mbps) ||
	            is_much(load->reckoned_mbps, d->last.reckoned_mbps, d->capacity_mbps);
	/* Where viewers are led depends on it. */
	much = much || load->copies_left != d->last.copies_left || load->copies_failed != d->last.copies_failed;
	bool due = now_ms - d->last_ms >= interval_ms(nodes);
	if (d->told && (is_same(load, &d->last) || (!much && !due)))
		return false;
	d->told = true;
	d->last = *load;
	d->last_ms = now_ms;
	return true;
}
