#include "rpc/once.h"

#include <stddef.h>

void once_init(struct once *o)
{
	*o = (struct once){ 0 };
}

bool once_say(struct once *o, uint64_t key, uint64_t now_ms, uint64_t quiet_ms)
{
	size_t room = ONCE_SLOTS;
	for (size_t i = 0; i < ONCE_SLOTS; i++) {
		bool over = o->slots[i].until_ms <= now_ms;
		if (!over && o->slots[i].key == key)
			return false;
		if (over)
			room = i;
	}
	if (room == ONCE_SLOTS)
		return false;
	o->slots[room].key = key;
	o->slots[room].until_ms = now_ms + quiet_ms;
	return true;
}
