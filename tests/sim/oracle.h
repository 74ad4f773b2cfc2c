/* What every row must look like: the oracle hears each own write when it is given to the store and
 * when the store confirms it, and checks rows against that.
 *
 * I1 a row never goes back, and never stands above what its owner has stored (R1, R5).
 * I2 no gaps: at (incarnation, have) a row holds what the owner had there, unless a later write up to
 *    the row's horizon is known to stand in.
 * I3 exact rows are byte-equal: each equals the oracle's.
 * I4 nothing comes back from the dead: it would break I2. What was stored survives a restart.
 */
#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

#include "sim.h"

void oracle_submitted(struct sim *s, size_t node, const struct batch *b);
void oracle_stored(struct sim *s, size_t node, const struct batch *b);
/* Checks the rows of a node that changed since it was last checked. */
void oracle_check(struct sim *s, size_t node);
/* Before a boot from a disk that was neither wiped nor restored: all that was stored is there. */
void oracle_booted(struct sim *s, size_t node, bool honest_disk);
void oracle_fini(struct sim *s);

#endif
