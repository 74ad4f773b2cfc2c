/* The build after this one (N+1), as far as one can know it today: whatever it says is what this build
 * says, and more that this build has not heard of. Everybody must take what it knows, leave the rest, and
 * pass entries on byte for byte (V1, V3); the oracle compares them.
 */
#ifndef TESTS_SIM_NEWER_H
#define TESTS_SIM_NEWER_H

#include "sim.h"

enum { NEWER_KEY_BYTES = 7, NEWER_KEYS = 5 };

/* Adds unknown fields, at any depth, and rows of an unknown stream to an encoded envelope. */
void newer_dress(struct sim *s, struct buf *frame);
/* Now and then: makes of the frame another one, to be sent after it, of an unknown kind or stream. */
bool newer_extra(struct sim *s, struct buf *frame);
/* What is encoded from here on is encoded by that node: registers, loads and claims of the next build have
 * fields that this one does not know. NULL: nobody. */
void newer_speaks(const struct sim_node *n);
/* A key of a class that does not exist yet, and is no text. */
struct bytes newer_key(unsigned number, uint8_t key[NEWER_KEY_BYTES]);
/* The next build ran at that node, wrote an entry of an unknown class to its control row, and was taken back:
 * this build starts with its disk (V4). */
void newer_ran(struct sim *s, struct sim_node *n);

#endif
