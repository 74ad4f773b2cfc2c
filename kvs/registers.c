#include "kvs/registers.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

enum { DECODE_BYTES = 64 * 1024 };

static void move_in(struct bytes *s, uint8_t **room)
{
	if (s->n > 0)
		memcpy(*room, s->p, s->n);
	s->p = *room;
	*room += s->n;
}

struct rpc_register *register_copy(const struct rpc_register *r)
{
	CHECK(r->http_urls_n <= RPC_URLS_MAX);
	size_t urls_bytes = r->http_urls_n * sizeof(*r->http_urls);
	size_t n = urls_bytes + r->name.n + r->zone.n + r->rpc_address.n + r->api_url.n + r->build.n;
	for (size_t i = 0; i < r->http_urls_n; i++)
		n += r->http_urls[i].n;
	struct rpc_register *copy = malloc(sizeof(*copy) + n);
	CHECK(copy != NULL);
	*copy = *r;
	struct bytes *urls = (struct bytes *)(copy + 1);
	copy->http_urls = urls;
	uint8_t *room = (uint8_t *)urls + urls_bytes;
	move_in(&copy->name, &room);
	move_in(&copy->zone, &room);
	move_in(&copy->rpc_address, &room);
	move_in(&copy->api_url, &room);
	move_in(&copy->build, &room);
	for (size_t i = 0; i < r->http_urls_n; i++) {
		urls[i] = r->http_urls[i];
		move_in(&urls[i], &room);
	}
	return copy;
}

struct rpc_register *register_decode(struct bytes value)
{
	struct arena a;
	arena_init(&a, DECODE_BYTES);
	struct rpc_register reg, *copy = NULL;
	if (rpc_decode_register(value, &a, &reg) == OK)
		copy = register_copy(&reg);
	arena_fini(&a);
	return copy;
}

bool load_decode(struct bytes value, struct rpc_load *out)
{
	struct arena a;
	arena_init(&a, DECODE_BYTES);
	bool ok = rpc_decode_load(value, &a, out) == OK;
	arena_fini(&a);
	return ok;
}
