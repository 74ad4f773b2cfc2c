/* What the replica noticed, as log lines: each a decision that an operator will ask about. */
#ifndef NODE_EV_CONTROL_EVENTS_H
#define NODE_EV_CONTROL_EVENTS_H

#include "kvs/kvs.h"

struct sessions;

/* `name`: what the event's node is called, empty when that is not known. */
void control_log_event(const struct kvs_event *e, struct bytes name);

/* Ends sessions, telling each in the log (`session.ended`). */
void control_session_ended(struct sessions *s, const struct rpc_session_id *id, uint64_t now_mono_ms);
void control_sessions_expire(struct sessions *s, uint64_t now_mono_ms);

#endif
