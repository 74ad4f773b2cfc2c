/* Magic-checked objects: the first member of a heap object tells its type, and every cast from
 * `void *` (callbacks, user data) goes through OBJ_CAST, so that a stale or wrong pointer dies
 * at the cast and not three calls later.
 *
 *     struct conn { unsigned magic; ... };
 *     #define CONN_MAGIC 0x636f6e6eu
 *     struct conn *c = OBJ_NEW(struct conn, CONN_MAGIC);      // zeroed; aborts when out of memory
 *     struct conn *c = OBJ_CAST(struct conn, CONN_MAGIC, arg);
 *     OBJ_FREE(c);                                            // clears the magic, sets c to NULL
 */
#ifndef BASE_OBJ_H
#define BASE_OBJ_H

#include "base/check.h"

#include <stdlib.h>

static inline void *obj_alloc(size_t size, unsigned magic)
{
	void *p = calloc(1, size);
	CHECK(p != NULL);
	*(unsigned *)p = magic;
	return p;
}

static inline void *obj_checked(void *p, unsigned magic)
{
	CHECK(p != NULL && *(unsigned *)p == magic);
	return p;
}

#define OBJ_NEW(type, type_magic) ((type *)obj_alloc(sizeof(type), (type_magic)))
#define OBJ_CAST(type, type_magic, p) ((type *)obj_checked((p), (type_magic)))
#define OBJ_CHECK(p, type_magic) CHECK((p) != NULL && (p)->magic == (type_magic))
#define OBJ_FREE(p)         \
	do {                    \
		if ((p) != NULL) {  \
			(p)->magic = 0; \
			free(p);        \
			(p) = NULL;     \
		}                   \
	} while (0)

/* The object around an intrusive member. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
