/* What was found in memory a moment ago (node/http/fs_warmth.h): to ask for each 128 KiB again would cost a
 * call of the kernel each, for every viewer of a hot object, and each time that a socket has room for a
 * little more.
 *
 * Good for WARM_KNOWN_MS: what a viewer was just sent is the last that the kernel gives up. What is wrong in
 * that time, because memory ran short, costs a wait for the disk.
 *
 * Pure: the worker sets now_ms, each turn of its loop. Threading: one worker's.
 */
#ifndef NODE_HTTP_WARM_KNOWN_H
#define NODE_HTTP_WARM_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

enum { WARM_KNOWN_ROWS = 4096, WARM_KNOWN_MS = 500 };

/* All zero knows nothing. */
struct warm_known {
	uint64_t now_ms; /* monotonic */
	struct {
		uint64_t file, step;
		uint64_t until_ms;
	} rows[WARM_KNOWN_ROWS];
};

/* `file` is a number that no other file has, `step` numbers its parts. */
bool warm_known_has(const struct warm_known *k, uint64_t file, uint64_t step);
/* In place of whatever its row held. */
void warm_known_add(struct warm_known *k, uint64_t file, uint64_t step);

#endif
