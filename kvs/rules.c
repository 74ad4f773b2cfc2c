#include "kvs/rules.h"

int kvs_rule_order(struct incarnation a, struct incarnation b)
{
	return incarnation_cmp(a, b);
}

bool kvs_rule_inherits(const struct rpc_ancestor *ancestors, size_t n, struct incarnation incarnation,
    uint64_t have, uint64_t horizon)
{
	for (size_t i = 0; i < n; i++)
		if (incarnation_cmp(ancestors[i].incarnation, incarnation) == 0)
			return have <= ancestors[i].version && horizon <= ancestors[i].version;
	return false;
}

bool kvs_rule_continues(uint64_t from, uint64_t to, uint64_t have)
{
	return from <= have && have < to;
}

bool kvs_rule_exact(uint64_t have, uint64_t horizon)
{
	return have >= horizon;
}

enum kvs_floor_verdict kvs_rule_floor(uint64_t have, uint64_t base, uint64_t floor)
{
	if ((have >= floor && have >= base) || floor == base)
		return KVS_FLOOR_FITS;
	return floor > base ? KVS_FLOOR_RESET : KVS_FLOOR_REFUSE;
}

bool kvs_rule_built(uint64_t have, uint64_t base)
{
	return have >= base;
}

bool kvs_rule_duplicate_id(unsigned jumps)
{
	/* After a jump a few sightings may still be of lost runs that other peers remember (a disk restored from
	 * an old backup). Another process with this id jumps above us each time. */
	enum { JUMPS_MAX = 3 };
	return jumps > JUMPS_MAX;
}

bool kvs_rule_counts_as_copy(bool repair)
{
	return !repair;
}

bool kvs_rule_prunes(unsigned duplicates)
{
	return duplicates >= 2; /* one may be chance */
}

bool kvs_rule_grafts(unsigned misses)
{
	return misses >= 2;
}

bool kvs_rule_pulls_again(unsigned tries)
{
	enum { TRIES_MAX = 6 };
	return tries < TRIES_MAX;
}

bool kvs_rule_fits(size_t room_bytes, size_t bytes)
{
	return bytes <= room_bytes;
}

bool kvs_rule_may_tell(bool stored)
{
	return stored;
}
