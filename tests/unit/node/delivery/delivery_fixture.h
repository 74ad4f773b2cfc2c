/* A delivery node in small: a real server on a port of its own, a cache and an origin folder in a temporary
 * directory, and besides a gated origin store whose answers the test lets through byte by byte.
 */
#ifndef TESTS_DELIVERY_FIXTURE_H
#define TESTS_DELIVERY_FIXTURE_H

#include "node/cache/cache.h"
#include "node/delivery/delivery.h"
#include "node/ev_revoked.h"
#include "node/http/ev_server.h"
#include "node/origin/ev_purged.h"
#include "node/origin/fill.h"
#include "node/origin/source.h"
#include "node/token.h"
#include "room.h"
#include "tests/unit/node/http/raw_client.h"

#include <pthread.h>
#include <stdatomic.h>

enum { GATED_BYTES = 1 << 20, GATED_LIST_BYTES = 1000, SEGMENT_BYTES = 300000 };

/* An origin store named "gated": every object is there with GATED_BYTES (a playlist: GATED_LIST_BYTES), but
 * comes only as far as allowed. */
struct gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool may_open, fails;
	uint64_t allowed;
	unsigned opens; /* asked for an object, ever */
	struct origin_source source;
};

struct node {
	char dir[64];
	struct node_id id;
	struct room room;
	const char *elsewhere;             /* the URL of a node with room; NULL: there is none */
	struct delivery_pathways pathways; /* of every session; without an own name: none is known */
	struct node_id former;             /* of the last session that moved here */
	unsigned moves;
	struct config config;
	struct cache *cache;
	struct fills *fills;
	struct sessions *sessions;
	struct revoked *revoked;
	struct purged *purged;
	struct delivery *delivery;
	struct token_keys keys, strange_keys;
	struct http_server *server;
	struct http_limits limits;
	int port;
	struct gate gate;
	struct arena arena; /* of the tokens made */
};

uint8_t media_byte(uint64_t i);

enum { NODE_ROOM = 100 }; /* sessions */

/* The origin folder has lv1/{master.m3u8, live.m3u8, seg.m4s, empty.ts, "a b.ts"}, named/index.m3u8,
 * dash/manifest.mpd and secret/seg.m4s. */
void node_start(struct node *n);
void node_start_paced(struct node *n, const char *pace);
/* The server anew, with n->limits. */
void node_restart_server(struct node *n);
/* Writes an object of the origin folder anew. */
void node_put(struct node *n, const char *name, const char *text);
void node_stop(struct node *n);
/* Stops the server alone, in the middle of whatever goes on. */
void node_stop_server(struct node *n);

/* What the node takes for the time of day is this much later than it is. */
extern _Atomic uint64_t node_wall_offset_ms;
uint64_t node_now_s(void);

/* Where files lie has to be read from the disk, and how often that was asked about. */
extern atomic_bool node_disk_cold;
extern atomic_uint node_disk_asked;

/* A playback token for a content of an origin store, good for an hour. */
struct token node_token(const char *origin, const char *content);
const char *node_sign(struct node *n, const struct token_keys *keys, const struct token *t);

/* "METHOD /p/TOKEN/PATH" with extra field lines ("A: b\r\n"), on that connection. */
void node_ask(struct raw *c, const char *method, const char *token, const char *path, const char *fields);
/* One request on a connection of its own; end it with raw_answer_free. */
struct raw_answer node_get(struct node *n, const char *token, const char *path, const char *fields);

void gate_open(struct gate *g);
void gate_allow(struct gate *g, uint64_t bytes);
void gate_fail(struct gate *g);
/* Closed again; a fill that runs goes on to wait. */
void gate_close(struct gate *g);
unsigned gate_opens(struct gate *g);
/* Waits until an object was asked for that often. */
void gate_await_opens(struct gate *g, unsigned opens);

struct delivery_counters node_count(struct node *n);
/* Until no fill runs: a viewer may have his last byte before the unit is in its place. */
void node_await_fills(struct node *n);

#endif
