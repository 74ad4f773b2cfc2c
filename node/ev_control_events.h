/* What the replica noticed, as log lines: each a decision that an operator will ask about.
 *
 * Lines name the peer by its register, or by the hello of its link while that is up: `peer` is empty when
 * neither has come. `claimed_by` is a list with commas; times end in _ms.
 */
#ifndef NODE_EV_CONTROL_EVENTS_H
#define NODE_EV_CONTROL_EVENTS_H

#include "kvs/kvs.h"

struct control;
struct sessions;

/* The events of the step that control is in. Before the view is published: `was` and `was_ms` of a line come
 * from the one of the step before. */
void control_log_events(const struct control *c);
/* The replica wanted to be woken at due_ms: a line when that is long ago, since it explains what peers say of
 * this node. */
void control_log_stall(uint64_t due_ms, uint64_t now_ms);

/* Ends sessions, telling each in the log (`session.ended`). */
void control_session_ended(struct sessions *s, const struct rpc_session_id *id, uint64_t now_mono_ms);
void control_sessions_expire(struct sessions *s, uint64_t now_mono_ms);

#endif
