/* GET /v1/holders?most=N[&contents=1][&from=POSITION]: which nodes hold contents together, for plans that
 * must not take all holders of one away (V5). Every content is told as its holders, and with contents=1 by
 * its rpc_watched_hash too, never by its name; those with more than N are left out. A piece of the replica an
 * answer, so that control's loop never waits for all of it. */
#include "assign/assign.h"
#include "base/text.h"
#include "node/admin/admin.h"
#include "node/admin/fields.h"
#include "node/http/path.h"
#include "node/json_text.h"

#include <inttypes.h>
#include <stdlib.h>

enum { PIECE_BUNDLES = 10000, MOST_MAX = 1024, POSITION_DIGITS = 18 };

struct piece {
	struct node_id *ids; /* all members', in order */
	size_t ids_n;
	size_t most;
	struct kvs_warmth *room;
	struct buf *out;
	bool told;           /* which contents they are */
	struct buf contents; /* then that */
};

static int by_id(const void *a, const void *b)
{
	return node_id_cmp(a, b);
}

/* As `next` wrote it: hash and which, in hex. */
static bool take_position(struct bytes from, struct kvs_walk *w)
{
	uint8_t raw[POSITION_DIGITS / 2];
	if (from.n == 0)
		return true;
	if (from.n != POSITION_DIGITS || text_unhex(raw, from) != OK)
		return false;
	for (size_t i = 0; i < 8; i++)
		w->hash = w->hash << 8 | raw[i];
	w->which = raw[8];
	return true;
}

static bool take_query(struct bytes query, struct piece *p, struct kvs_walk *w)
{
	uint64_t n;
	p->told = bytes_eq(http_query(query, "contents"), BYTES_LIT("1"));
	if (text_u64(http_query(query, "most"), MOST_MAX, &n) != OK || n == 0)
		return false;
	p->most = (size_t)n;
	return take_position(http_query(query, "from"), w);
}

/* Rule A1's measure: who holds less of it is not warm. */
static bool is_warm(const struct kvs_warmth *h)
{
	return h->share_permille == 0 || h->share_permille >= ASSIGN_SHARE_WARM_PERMILLE;
}

/* The warm holders to the front; where there are none, all count. */
static size_t keep_warm(struct kvs_warmth *h, size_t n)
{
	size_t warm = 0;
	for (size_t i = 0; i < n; i++)
		if (is_warm(&h[i]))
			h[warm++] = h[i];
	return warm > 0 ? warm : n;
}

static void put_set(void *ctx, struct bytes key, size_t n)
{
	struct piece *p = ctx;
	if (n > MOST_MAX)
		return;
	n = keep_warm(p->room, n);
	if (n > p->most)
		return;
	json_put_next(p->out);
	buf_put_u8(p->out, '[');
	for (size_t i = 0; i < n; i++) {
		const struct node_id *id = bsearch(&p->room[i].node, p->ids, p->ids_n, sizeof(*p->ids), by_id);
		if (id == NULL)
			continue;
		json_put_next(p->out);
		buf_printf(p->out, "%zu", (size_t)(id - p->ids));
	}
	buf_put_u8(p->out, ']');
	if (p->told) {
		json_put_next(&p->contents);
		buf_printf(&p->contents, "\"%016" PRIx64 "\"", rpc_watched_hash(key));
	}
}

static void gather_ids(const struct kvs *kvs, struct piece *p)
{
	p->ids_n = kvs_members_n(kvs);
	for (size_t i = 0; i < p->ids_n; i++) {
		struct kvs_member m;
		kvs_member_at(kvs, i, &m);
		p->ids[i] = m.id;
	}
	qsort(p->ids, p->ids_n, sizeof(*p->ids), by_id);
	json_put_key(p->out, "ids");
	buf_put_u8(p->out, '[');
	for (size_t i = 0; i < p->ids_n; i++) {
		char id[2 * NODE_ID_BYTES + 1];
		text_hex(id, bytes_of(p->ids[i].b, NODE_ID_BYTES));
		json_put_next(p->out);
		json_put_string(p->out, bytes_str(id));
	}
	buf_put_u8(p->out, ']');
}

static enum err put_piece(const struct admin *a, struct piece *p, struct kvs_walk *w)
{
	buf_put_u8(p->out, '{');
	gather_ids(control_kvs(a->control), p);
	json_put_key(p->out, "sets");
	buf_put_u8(p->out, '[');
	enum err e = kvs_reader_walk(a->reader, w, PIECE_BUNDLES, p->room, MOST_MAX, put_set, p);
	buf_put_u8(p->out, ']');
	if (p->told) {
		json_put_key(p->out, "contents");
		buf_put_u8(p->out, '[');
		buf_put_bytes(p->out, buf_bytes(&p->contents));
		buf_put_u8(p->out, ']');
	}
	json_put_key(p->out, "next");
	if (w->end)
		buf_put_str(p->out, "null}\n");
	else
		buf_printf(p->out, "\"%016" PRIx64 "%02x\"}\n", w->hash, w->which);
	return e;
}

void admin_holders(const struct admin *a, struct http_exchange *x)
{
	struct kvs_walk w = { 0 };
	struct buf out;
	struct piece p = { .out = &out };
	if (!take_query(http_request(x)->query, &p, &w)) {
		http_problem(x, 400, "malformed", "most must be a number from 1 to 1024, from what next was.", 0);
		return;
	}
	buf_init(&out, ADMIN_ANSWER_MAX);
	buf_init(&p.contents, ADMIN_ANSWER_MAX);
	p.ids = calloc(kvs_members_n(control_kvs(a->control)) + 1, sizeof(*p.ids));
	p.room = calloc(MOST_MAX, sizeof(*p.room));
	enum err e = p.ids != NULL && p.room != NULL ? put_piece(a, &p, &w) : ERR_NO_MEMORY;
	if (e == OK)
		admin_answer_json(x, &out);
	else
		http_problem(x, 503, "unavailable", err_str(e), 1);
	free(p.ids);
	free(p.room);
	buf_fini(&out);
	buf_fini(&p.contents);
}
