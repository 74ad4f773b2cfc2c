#include "kvs/rows.h"

#include "kvs/changes.h"
#include "kvs/commands.h"
#include "kvs/members.h"
#include "kvs/mirror.h"
#include "kvs/out.h"
#include "kvs/own.h"
#include "kvs/pull.h"
#include "kvs/rules.h"
#include "kvs/sync.h"
#include "kvs/tree.h"

#include <string.h>

size_t rows_lower(const struct kvs *k, const struct row_id *id)
{
	size_t low = 0, high = k->rows_n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (row_id_cmp(&k->rows[mid]->id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct replica *rows_find(const struct kvs *k, const struct node_id *owner, enum rpc_stream stream)
{
	struct row_id id = row_id_of(owner, stream);
	size_t at = rows_lower(k, &id);
	return at < k->rows_n && row_id_cmp(&k->rows[at]->id, &id) == 0 ? k->rows[at] : NULL;
}

struct replica *rows_ensure(struct kvs *k, const struct node_id *owner, enum rpc_stream stream)
{
	struct replica *r = rows_find(k, owner, stream);
	if (r != NULL)
		return r;
	if (k->rows_n >= (size_t)KVS_OWNERS_MAX * RPC_STREAMS)
		return NULL;
	r = replica_new(owner, stream);
	r->number = ++k->row_numbers;
	size_t at = rows_lower(k, &r->id);
	k->rows = kvs_grow(k->rows, &k->rows_cap, k->rows_n + 1, sizeof(*k->rows));
	memmove(k->rows + at + 1, k->rows + at, (k->rows_n - at) * sizeof(*k->rows));
	k->rows[at] = r;
	k->rows_n++;
	return r;
}

static void refuse(struct kvs *k, const struct rpc_row_frame *f, const char *why)
{
	k->counters.frames_refused++;
	out_event(k, KVS_EVENT_REFUSED_FRAME, &f->owner, why, f->to);
}

/* What follows from a row that is not what it was. */
static void on_changed(
    struct kvs *k, struct replica *r, const struct replica_news *news, const struct row_mark *before)
{
	changes_note(k, r, before);
	if (news->reset) {
		k->counters.resets++;
		if (r->stream != RPC_LOAD)
			out_event(k, KVS_EVENT_ROW_RESET, &r->owner, "another history", news->reset_entries);
	}
	mirror_touch(k, r);
	members_on_row(k, r);
	/* Of a row that was swapped in all is new. */
	if (r->stream == RPC_CONTROL)
		commands_on_row(k, r, news->rebuilt ? 0 : before->have);
}

/* The watched entries among those that took the live row from `had` to where it stands now. */
static void tell_watched(struct kvs *k, const struct replica *r, const struct rpc_row_frame *f, uint64_t had)
{
	if (k->cfg.watched_class == 0 || r->stream != RPC_LOCATIONS)
		return;
	for (size_t i = 0; i < f->entries_n; i++) {
		const struct rpc_entry *e = &f->entries[i];
		if (e->version > had && e->version <= r->live.have && !e->deleted &&
		    e->key.p[0] == k->cfg.watched_class)
			out_watched(k, &r->owner, e);
	}
}

/* An answer to a pull, or to a comparison: frames do not say which. */
static void count_asked(struct kvs *k, const struct replica *r, const struct rpc_row_frame *f)
{
	k->counters.frames_repair++;
	if (r->pull != NULL)
		k->counters.entries_pulled += f->entries_n;
	else
		k->counters.entries_repaired += f->entries_n;
}

void rows_on_frame(struct kvs *k, struct kvs_link *link, const struct rpc_row_frame *f)
{
	if (node_id_eq(&f->owner, &k->cfg.self)) {
		own_sighted(k, f->incarnation); /* R1: never applied */
		return;
	}
	if ((unsigned)f->stream >= RPC_STREAMS) {
		refuse(k, f, "frame of an unknown stream");
		return;
	}
	struct replica *r = rows_ensure(k, &f->owner, f->stream);
	if (r == NULL) {
		refuse(k, f, "too many owners");
		return;
	}
	struct replica_news news;
	struct row_mark before = changes_mark(r);
	enum replica_outcome outcome = replica_apply(r, f, k->now_ms, &news);
	trace_add(&k->trace, k->now_ms, "frame", outcome, f->owner.b[0] * 256u + f->stream, f->to);
	switch (outcome) {
	case REPLICA_APPLIED:
		k->counters.frames_applied++;
		k->counters.entries_applied += f->entries_n;
		link->ask_applied++;
		if (f->repair)
			count_asked(k, r, f);
		else
			tree_on_news(k, link, &f->owner);
		pull_on_applied(k, r, f->repair);
		break;
	case REPLICA_GAP:
		k->counters.frames_gap++;
		pull_want(k, link, r, f->incarnation, f->to);
		break;
	case REPLICA_DUPLICATE:
		k->counters.frames_duplicate++;
		if (kvs_rule_counts_as_copy(f->repair))
			tree_on_duplicate(k, link, &f->owner);
		break;
	case REPLICA_BEHIND:
		k->counters.frames_behind++;
		sync_tell(k, link, r);
		break;
	case REPLICA_MALFORMED: refuse(k, f, news.why); break;
	}
	if (news.changed)
		on_changed(k, r, &news, &before);
	if (link->near && kvs_rule_order(f->incarnation, r->live.incarnation) == 0)
		told_raise(&link->told, r, f->to);
	if (news.changed && !news.reset)
		tell_watched(k, r, f, before.have);
}
