/* Sets of links on one loop, what happened to them, and peers made by hand on raw sockets. */
#ifndef LINK_TEST_H
#define LINK_TEST_H

#include "rpc/nng_link.h"
#include "rpc_test.h"

#include <ev.h>
#include <stdio.h>

enum { TEST_DEADLINE_MS = 10 * 1000 };

/* One node: its set and what its set said. */
struct side {
	struct nng_links *links;
	unsigned ups, downs, byes, messages, unknown, refusals, dials_failed;
	link_id link; /* the last that came up, 0 when it went down */
	bool dialled;
	uint32_t version;
	struct node_id peer;
	enum rpc_refusal refusal;
	bool refused_by_peer, refusal_has_peer;
	char refusal_text[RPC_TEXT_MAX + 1];
	uint64_t last_from; /* of the last row frame */
	uint64_t bytes;     /* of values in row frames */
	enum err dial_error;
	void (*on_message)(struct side *s, link_id link, const struct rpc_msg *m);
};

struct ev_loop *test_loop(void);
/* Runs the loop until the condition holds; fails the test at the deadline. */
#define run_until(cond)                                                    \
	do {                                                                   \
		uint64_t deadline_ = test_now_ms() + TEST_DEADLINE_MS;             \
		while (!(cond)) {                                                  \
			if (test_now_ms() > deadline_)                                 \
				fail_msg("not within %d ms: %s", TEST_DEADLINE_MS, #cond); \
			test_run_some();                                               \
		}                                                                  \
	} while (0)
uint64_t test_now_ms(void);
void test_run_some(void);
/* For what must not happen. */
void test_run_for(uint64_t ms);

/* What side_start makes its set of; forgets what happened to the side. */
struct nng_links_config side_config(struct side *s, struct rpc_hello self, const char *listen);
void side_start(struct side *s, struct rpc_hello self, const char *listen);
/* The same with a cluster key; its challenges are numbers that do not repeat. */
void side_start_with_keys(
    struct side *s, struct rpc_hello self, const char *listen, const struct cluster_keys *keys);
void side_stop(struct side *s);
const char *side_address(const struct side *s, char out[32]);
void side_dial(struct side *from, const struct side *to);
uint64_t side_links(const struct side *s);
/* A row frame with one value of so many bytes. */
enum err side_send(struct side *s, uint64_t from, size_t value_bytes);

/* Raw peers: blocking calls would stop the loop, so reading runs it. */
int raw_connect(const struct side *to);
int raw_listen(unsigned *port);
int raw_accept(int listener);
void raw_send(int fd, struct bytes b);
/* Raw messages are in those names from now on; NULL: in plain forms. */
void raw_speak(struct rpc_names *names);
void raw_send_msg(int fd, struct rpc_msg *m);
/* The next message, in *m until the next call. False when the peer has hung up. */
bool raw_receive(int fd, struct rpc_msg *m);
/* The Envelope it was in. */
struct bytes raw_received_frame(void);
/* Sends an Envelope as it is. */
void raw_send_frame(int fd, struct bytes frame);
void raw_forget(void);

#endif
