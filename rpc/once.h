/* What was said lately, so that it is said once: a peer that is refused every second is one line a
 * minute. Pure; a fixed table. When it is full of what is still quiet, nothing new is said: a flood of
 * strangers is bounded too.
 */
#ifndef RPC_ONCE_H
#define RPC_ONCE_H

#include <stdbool.h>
#include <stdint.h>

enum { ONCE_SLOTS = 256 };

struct once {
	struct {
		uint64_t key;
		uint64_t until_ms;
	} slots[ONCE_SLOTS];
};

void once_init(struct once *o);
/* True when `key` was not said within the last quiet_ms, and there is room to remember it. */
bool once_say(struct once *o, uint64_t key, uint64_t now_ms, uint64_t quiet_ms);

#endif
