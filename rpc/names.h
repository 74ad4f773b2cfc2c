/* Names on one link: what rows are about is said in full once and is a number from then on, so that a
 * small update costs few bytes. A name is (owner, incarnation, ancestors); its rows differ in the stream,
 * which each mention says.
 *
 * Pure. One object a connection, for both directions; it dies with the connection. Each sender gives the
 * numbers 1 to `max` in turn, and the oldest one anew when all are given; whoever hears a number with a name
 * keeps the two, and a later name of a number takes the former's place. So nobody is asked, and both sides
 * agree as long as what was sent arrives in order, as on a stream.
 *
 * Saying: names_say looks up each row of a message and notes the names that it defines. They count once
 * rpc_names_said tells that the message was handed to the stream; names_begin forgets them, so that a
 * message that was refused (R7) leaves nothing behind.
 *
 * Memory: about 65 bytes a name heard and 80 a name said, and its ancestors; taken as names come.
 */
#ifndef RPC_NAMES_H
#define RPC_NAMES_H

#include "rpc/msg.h"

struct rpc_names;

struct row_name {
	struct node_id owner;
	struct incarnation incarnation;
	const struct rpc_ancestor *ancestors; /* at most RPC_ANCESTORS_MAX */
	size_t ancestors_n;
};

/* Says numbers up to `max`, itself up to RPC_NAMES_MAX, and hears all. */
struct rpc_names *rpc_names_new(size_t max);
void rpc_names_free(struct rpc_names *n);

/* -- saying -- */

/* How to mention a row: `define` when the message must name it, as that number, or as none when it is 0. */
struct name_use {
	uint32_t number;
	bool define;
};

/* Another message begins. */
void names_begin(struct rpc_names *n);
/* In the order in which the message mentions the rows, and in which it is read. */
struct name_use names_say(struct rpc_names *n, const struct row_name *row);
/* The message that was begun last is on its way. NULL is fine. */
void rpc_names_said(struct rpc_names *n);

/* -- hearing -- */

/* Copies. ERR_INVALID for a number that is 0 or past RPC_NAMES_MAX. */
MUST_USE enum err names_hear(struct rpc_names *n, uint32_t number, const struct row_name *row);
/* False: never named. The ancestors are valid until the next names_hear. */
bool names_heard(const struct rpc_names *n, uint32_t number, struct row_name *out);

#endif
