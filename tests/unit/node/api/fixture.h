/* An api node over a cluster of the test's making: the view is published for real, holders come from a fake
 * reader, time stands still until the test moves it. */
#ifndef TESTS_UNIT_NODE_API_FIXTURE_H
#define TESTS_UNIT_NODE_API_FIXTURE_H

#include "node/api/place.h"

enum { FIXTURE_NODES_MAX = 32, FIXTURE_TOLD_MAX = 16 };

#define FIXTURE_NOW_S UINT64_C(1795252733) /* 2026-11-21T09:18:53Z */

struct kvs_reader {
	struct kvs_holder holders[FIXTURE_NODES_MAX];
	size_t n;
	enum err error;
	char origin[64], content[300]; /* last asked */
};

struct told {
	struct node_id node;
	struct rpc_session_id session;
	bool ended;
};

struct fixture {
	struct config config;
	struct token_keys keys;
	struct node_id self;
	struct view_publisher views;
	struct tally *tally;
	struct lease_slots *slots; /* without places until the test lends some */
	unsigned dry;              /* times that control was woken for more */
	struct kvs_reader reader;
	struct api api;
	struct api_worker worker;
	struct view_node nodes[FIXTURE_NODES_MAX];
	size_t nodes_n;
	struct told told[FIXTURE_TOLD_MAX];
	size_t told_n;
	struct arena arena;
};

extern uint64_t fixture_wall_ms, fixture_mono_ms;

/* cmocka's setup and teardown; the state is a struct fixture without nodes. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

struct node_id fixture_id(uint8_t n);
/* A ready delivery node named "n<id>" at "http://n<id>:80", in zone "z", with 1000 places and a load of 0;
 * ids in rising order. Change it, then publish. */
struct view_node *fixture_add(struct fixture *f, uint8_t id);
void fixture_hold(struct fixture *f, uint8_t id, const char *entry);
void fixture_publish(struct fixture *f);

#endif
