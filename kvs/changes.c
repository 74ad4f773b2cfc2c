#include "kvs/changes.h"

#include "kvs/prints.h"
#include "kvs/rules.h"
#include "kvs/spread.h"
#include "kvs/told.h"

struct row_mark changes_mark(const struct replica *r)
{
	return (struct row_mark){ r->live.incarnation, r->epoch, r->live.have };
}

static void move_to_end(struct kvs *k, struct replica *r)
{
	struct changes *c = &k->changes[r->stream];
	if (r->change > 0) {
		*(r->older != NULL ? &r->older->newer : &c->oldest) = r->newer;
		*(r->newer != NULL ? &r->newer->older : &c->newest) = r->older;
	}
	r->older = c->newest;
	r->newer = NULL;
	*(c->newest != NULL ? &c->newest->newer : &c->oldest) = r;
	c->newest = r;
	r->change = ++c->seq;
}

/* What a link knows of the row is worth nothing when its history is another one. */
static bool is_reset(const struct replica *r, const struct row_mark *before)
{
	return before->incarnation.count == 0 || !kvs_rule_inherits(r->live.ancestors, r->live.ancestors_n,
	                                             before->incarnation, before->have, before->have);
}

void changes_note(struct kvs *k, struct replica *r, const struct row_mark *before)
{
	prints_note(k, r);
	bool renamed = kvs_rule_order(r->live.incarnation, before->incarnation) != 0;
	if (!renamed && r->live.have == before->have)
		return;
	if (renamed) {
		r->epoch++;
		if (is_reset(r, before))
			r->reset_epoch = r->epoch;
	}
	for (size_t i = 0; i < k->links_n; i++)
		if (k->links[i]->near)
			told_expect(&k->links[i]->told, r, before->epoch, before->have);
	move_to_end(k, r);
	spread_soon(k);
}

struct replica *changes_after(const struct kvs *k, enum rpc_stream stream, uint64_t seq)
{
	struct replica *r = k->changes[stream].newest, *first = NULL;
	for (; r != NULL && r->change > seq; r = r->older)
		first = r;
	return first;
}
