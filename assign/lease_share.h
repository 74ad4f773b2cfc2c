/* Max-min fair shares (Bertsekas and Gallager, Data Networks, 1987): small wishes are met whole, what is
 * left is split evenly among the greater ones.
 *
 * Pure: no state.
 */
#ifndef ASSIGN_LEASE_SHARE_H
#define ASSIGN_LEASE_SHARE_H

#include <stddef.h>
#include <stdint.h>

/* What a wish of wishes[mine] gets of `pool`; rounded up, so that of a pool above 0 no wish above 0 gets
 * nothing (all shares together may exceed the pool by less than n). O(n log of the greatest wish). */
uint32_t lease_share(uint32_t pool, const uint32_t *wishes, size_t n, size_t mine);

#endif
