#include "fixture.h"

#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"

uint64_t fixture_wall_ms, fixture_mono_ms;

static uint64_t wall_ms(void)
{
	return fixture_wall_ms;
}

static uint64_t mono_ms(void)
{
	return fixture_mono_ms;
}

enum err kvs_reader_holders(struct kvs_reader *r, struct bytes origin, struct bytes content, struct arena *a,
    struct kvs_holder *out, size_t max, size_t *n)
{
	(void)a;
	snprintf(r->origin, sizeof(r->origin), "%.*s", (int)origin.n, (const char *)origin.p);
	snprintf(r->content, sizeof(r->content), "%.*s", (int)content.n, (const char *)content.p);
	if (r->error != OK)
		return r->error;
	*n = r->n < max ? r->n : max;
	memcpy(out, r->holders, *n * sizeof(*out));
	return OK;
}

static bool tell(void *ctx, const struct node_id *node, const struct rpc_session_id *id, bool ended)
{
	struct fixture *f = ctx;
	CHECK(f->told_n < FIXTURE_TOLD_MAX);
	f->told[f->told_n++] = (struct told){ *node, *id, ended };
	return true;
}

static void note_dry(void *ctx)
{
	struct fixture *f = ctx;
	f->dry++;
}

/* Ids 1, 2, 3 ... */
static void counted(void *ctx, void *out, size_t n)
{
	uint8_t *counter = ctx;
	memset(out, 0, n);
	*(uint8_t *)out = ++*counter;
}

static struct config config(void)
{
	struct config c = {
		.cluster = "demo",
		.node = "api-1",
		.zone = "z",
		.idle_timeout_ms = 60000,
		.not_after_ms = 3600000,
		.renew_after_ms = 600000,
		.start_within_ms = 30000,
		.origins_n = 2,
	};
	c.origins[0] = (struct config_origin){ .name = "old", .match = "old/", .path = "/old" };
	c.origins[1] = (struct config_origin){ .name = "main", .match = "lv", .path = "/main" };
	return c;
}

int fixture_setup(void **state)
{
	static uint8_t session_counter;
	size_t bad_line;
	struct fixture *f = calloc(1, sizeof(*f));
	CHECK(f != NULL);
	session_counter = 0;
	fixture_wall_ms = FIXTURE_NOW_S * 1000 + 250;
	fixture_mono_ms = 1000000;
	f->config = config();
	f->self = fixture_id(200);
	CHECK(token_keys_parse(BYTES_LIT(KEY), &f->keys, &bad_line) == OK);
	view_publisher_init(&f->views, 1);
	f->tally = tally_new();
	f->slots = lease_slots_new();
	arena_init(&f->arena, 64 * 1024 * 1024);
	f->api.c = (struct api_config){
		.config = &f->config,
		.keys = &f->keys,
		.self = &f->self,
		.views = &f->views,
		.tally = f->tally,
		.slots = f->slots,
		.places_dry = note_dry,
		.dry_ctx = f,
		.tell_node = tell,
		.tell_ctx = f,
		.now_wall_ms = wall_ms,
		.now_mono_ms = mono_ms,
	};
	f->worker =
	    (struct api_worker){ .reader = &f->reader, .random = counted, .random_ctx = &session_counter };
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	api_worker_fini(&f->worker);
	view_publisher_fini(&f->views); /* checks that the worker let go of its view */
	tally_free(f->tally);
	lease_slots_free(f->slots);
	token_keys_fini(&f->keys);
	arena_fini(&f->arena);
	free(f);
	return 0;
}

struct node_id fixture_id(uint8_t n)
{
	struct node_id id = { { 0 } };
	id.b[0] = n;
	return id;
}

struct view_node *fixture_add(struct fixture *f, uint8_t id)
{
	CHECK(f->nodes_n < FIXTURE_NODES_MAX);
	struct view_node *n = &f->nodes[f->nodes_n++];
	*n = (struct view_node){
		.id = fixture_id(id),
		.zone = "z",
		.roles = RPC_ROLE_DELIVERY,
		.state = NODE_READY,
		.liveness = KVS_ALIVE,
		.incarnation = 5,
		.capacity = 1000,
		.load_seen_ms = fixture_mono_ms,
		.has_load = true,
	};
	n->slot = tally_slot(f->tally, &n->id);
	snprintf(n->name, sizeof(n->name), "n%u", id);
	snprintf(n->http_url, sizeof(n->http_url), "http://n%u:80", id);
	return n;
}

void fixture_hold(struct fixture *f, uint8_t id, const char *entry)
{
	CHECK(f->reader.n < FIXTURE_NODES_MAX);
	f->reader.holders[f->reader.n++] =
	    (struct kvs_holder){ fixture_id(id), { .bytes = 1, .objects = 1, .entry = bytes_str(entry) } };
}

void fixture_publish(struct fixture *f)
{
	struct cluster_view *v = cluster_view_new(f->nodes_n);
	memcpy(v->nodes, f->nodes, f->nodes_n * sizeof(f->nodes[0]));
	view_publish(&f->views, v);
}
