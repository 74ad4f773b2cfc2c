/* How much of what a viewer asks for is held of a content: the share of its location (A1). Pure.
 *
 * A viewer plays one rendition at a time, and most the best one their line carries. So the content's time is
 * cut into slots, and of each slot counts the best rendition that is held there, by its bandwidth against
 * that of the best one the content has: a tenth of the programme is a tenth, all of a rendition with a fifth
 * of the bits is a fifth, and who played the best with a few poor segments at the start left nearly a whole.
 * What lies beside the picture (sound in a playlist of its own, subtitles) is not looked at.
 *
 * Bounded: SHARE_SEGMENTS_MAX segments of a rendition; what is named past them is left out.
 */
#ifndef NODE_WARM_SHARE_H
#define NODE_WARM_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHARE_SLOTS = 128, SHARE_SEGMENTS_MAX = 65536, SHARE_WHOLE_PERMILLE = 1000 };

struct share {
	uint64_t best_bps;           /* of all renditions, held or not */
	uint64_t slots[SHARE_SLOTS]; /* the best that is held there, in bit/s, of a part of a slot that part */
	bool any;                    /* a rendition with segments was added */
};

struct share_segment {
	uint32_t duration_ms;
	bool held;
};

void share_init(struct share *s);
/* A rendition of that many bit/s, of which nothing else may be known. 0: unknown, taken for 1 Mbit/s. */
void share_name(struct share *s, uint32_t bps);
/* The same, and its segments in their order. Where no duration is known all are taken to be alike. */
void share_add(struct share *s, uint32_t bps, const struct share_segment *segments, size_t n);
/* 1000 only when all of the best is there; 0 only when nothing is known of any segment, else at least 1. */
uint32_t share_permille(const struct share *s);

#endif
