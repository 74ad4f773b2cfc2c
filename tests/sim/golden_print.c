#include "golden.h"
#include "rpc/codec.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_CHARS = 112, INDENT_CHARS = 32, ENTRIES_SHOWN = 12, LABEL_MAX = 48 };

/* -- names -- */

static const char *host_name(size_t host)
{
	static const char *const NAMES[] = { "n1", "n2", "n3", "n4", "n5", "n6" };
	return host < sizeof(NAMES) / sizeof(NAMES[0]) ? NAMES[host] : "n?";
}

static const char *name_of(struct golden *g, const struct node_id *id)
{
	for (size_t i = 0; i < g->ids_n; i++)
		if (node_id_eq(&g->ids[i].id, id))
			return g->ids[i].name;
	return "nobody";
}

/* Names those that were booted since; `b` is the second id of a host. */
static void learn_names(struct golden *g)
{
	for (size_t i = 0; i < g->s->nodes_n; i++) {
		const struct sim_node *n = &g->s->nodes[i];
		size_t before = 0, known = 0;
		for (size_t j = 0; j < g->ids_n; j++) {
			before += strncmp(g->ids[j].name, host_name(i), 2) == 0;
			known += node_id_eq(&g->ids[j].id, &n->id);
		}
		if (n->boot == 0 || known > 0 || g->ids_n == GOLDEN_IDS_MAX)
			continue;
		g->ids[g->ids_n].id = n->id;
		snprintf(g->ids[g->ids_n].name, sizeof(g->ids[0].name), "%s%s", host_name(i),
		    before == 0   ? ""
		    : before == 1 ? "b"
		                  : "c");
		g->ids_n++;
	}
}

static const char *stream_name(enum rpc_stream s)
{
	static const char *const NAMES[RPC_STREAMS] = { "control", "load", "locations" };
	return (unsigned)s < RPC_STREAMS ? NAMES[s] : "unknown";
}

/* "n1/locations#2": the owner, the stream, the count of the incarnation. */
static const char *row_label(struct golden *g, const struct node_id *owner, enum rpc_stream stream,
    struct incarnation incarnation, char label[LABEL_MAX])
{
	snprintf(label, LABEL_MAX, "%s/%s#%llu", name_of(g, owner), stream_name(stream),
	    (unsigned long long)incarnation.count);
	return label;
}

/* -- lines -- */

static size_t column(const struct golden *g)
{
	size_t at = g->text.n;
	while (at > 0 && g->text.p[at - 1] != '\n')
		at--;
	return g->text.n - at;
}

/* A word, on the next line when it does not fit on this one. */
__attribute__((format(printf, 2, 3))) static void word(struct golden *g, const char *format, ...)
{
	char text[160];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (column(g) + 1 + strlen(text) > LINE_MAX_CHARS)
		buf_printf(&g->text, "\n%*s", INDENT_CHARS, "");
	buf_printf(&g->text, " %s", text);
}

static void begin_line(struct golden *g)
{
	learn_names(g);
	buf_printf(&g->text, "%6llu ms  ", (unsigned long long)(g->s->now_ms - g->begin_ms));
}

void golden_begin(struct golden *g, const struct sim *s)
{
	g->s = s;
	g->quiet = true;
}

void golden_say(struct golden *g, const char *format, ...)
{
	char text[160];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (g->quiet)
		return;
	if (g->text.n > 0 && !g->said)
		buf_put_str(&g->text, "\n");
	g->said = true;
	begin_line(g);
	buf_printf(&g->text, "-- %s\n", text);
}

/* -- messages -- */

static void print_entry(struct golden *g, const struct rpc_entry *e)
{
	struct node_id on;
	char key[LABEL_MAX];
	if (bytes_eq(e->key, RPC_KEY_REGISTER))
		snprintf(key, sizeof(key), "register");
	else if (bytes_eq(e->key, RPC_KEY_LOAD))
		snprintf(key, sizeof(key), "load");
	else if (rpc_claim_key_split(e->key, &on))
		snprintf(key, sizeof(key), "claim-on-%s", name_of(g, &on));
	else
		snprintf(key, sizeof(key), "%.*s", (int)(e->key.n < 40 ? e->key.n : 40), (const char *)e->key.p);
	word(g, "%s%s@%llu", e->deleted ? "-" : "", key, (unsigned long long)e->version);
}

static void print_frame(struct golden *g, const struct rpc_row_frame *f)
{
	char label[LABEL_MAX];
	word(g, "%s", row_label(g, &f->owner, f->stream, f->incarnation, label));
	word(g, "(%llu, %llu]", (unsigned long long)f->from, (unsigned long long)f->to);
	if (f->horizon > f->to)
		word(g, "of %llu", (unsigned long long)f->horizon);
	for (size_t i = 0; i < f->entries_n && i < ENTRIES_SHOWN; i++)
		print_entry(g, &f->entries[i]);
	if (f->entries_n > ENTRIES_SHOWN)
		word(g, "and %zu more", f->entries_n - ENTRIES_SHOWN);
	if (f->floor > 0)
		word(g, "floor %llu", (unsigned long long)f->floor);
	for (size_t i = 0; i < f->ancestors_n; i++)
		word(g, "%s#%llu up to %llu", i == 0 ? "inherits " : "",
		    (unsigned long long)f->ancestors[i].incarnation.count,
		    (unsigned long long)f->ancestors[i].version);
	word(g, "(%s%s)", f->repair ? "asked for" : "pushed", f->reset ? ", anew" : "");
}

static void print_position(struct golden *g, const struct rpc_row_position *p)
{
	char label[LABEL_MAX];
	if (p->incarnation.count == 0) {
		word(g, "%s/%s from nothing", name_of(g, &p->owner), stream_name(p->stream));
		return;
	}
	row_label(g, &p->owner, p->stream, p->incarnation, label);
	word(g, "%s@%llu", label, (unsigned long long)p->have);
	if (p->horizon > p->have)
		word(g, "of %llu", (unsigned long long)p->horizon);
	if (p->floor > 0)
		word(g, "floor %llu", (unsigned long long)p->floor);
	if (p->base > 0)
		word(g, "base %llu", (unsigned long long)p->base);
}

static void print_digest(struct golden *g, const struct rpc_digest *d)
{
	if (d->answer && d->rows_n == 0)
		word(g, d->first.n == 0 ? "answer: that was all" : "answer: ask on from there");
	else if (d->answer)
		word(g, d->first.n == 0 ? "answer: wants what is beyond"
		                        : "answer: ask on from there; wants what is beyond");
	else
		word(g, d->first.n == 0 && d->last.n == 0 ? "of all rows:" : "of a range:");
	for (size_t i = 0; i < d->rows_n; i++)
		print_position(g, &d->rows[i]);
	if (!d->answer && d->rows_n == 0)
		word(g, "has none");
}

static void print_ranges(struct golden *g, const struct rpc_ranges *r)
{
	if (!r->answer) {
		word(g, "which of the parts of %zu range%s of depth %u differ?", r->prefixes_n,
		    r->prefixes_n == 1 ? "" : "s", r->depth);
		return;
	}
	unsigned n = 0;
	for (size_t i = 0; i < r->prefixes_n; i++)
		n += (unsigned)__builtin_popcount(r->differ[i]);
	word(g, "%u of %zu differ", n, r->prefixes_n * RPC_RANGE_FANOUT);
}

static void print_tree(struct golden *g, const char *what, uint64_t buckets)
{
	for (size_t i = 0; i < g->ids_n; i++)
		if ((buckets >> (g->ids[i].id.b[0] % 64) & 1) != 0)
			word(g, "%s what %s writes", what, g->ids[i].name);
}

static void print_body(struct golden *g, const struct rpc_msg *m)
{
	char label[LABEL_MAX];
	switch (m->kind) {
	case RPC_ROW_FRAME: print_frame(g, &m->row_frame); break;
	case RPC_DIGEST: print_digest(g, &m->digest); break;
	case RPC_RANGES: print_ranges(g, &m->ranges); break;
	case RPC_ANNOUNCE:
		for (size_t i = 0; i < m->announce.rows_n; i++) {
			const struct rpc_row_version *v = &m->announce.rows[i];
			word(g, "%s@%llu", row_label(g, &v->owner, v->stream, v->incarnation, label),
			    (unsigned long long)v->have);
		}
		break;
	case RPC_PULL:
		word(g, "what is beyond");

		for (size_t i = 0; i < m->pull.rows_n; i++)
			print_position(g, &m->pull.rows[i]);
		break;
	case RPC_TREE:
		print_tree(g, "do not push", m->tree.prune);
		print_tree(g, "push", m->tree.graft);
		break;
	default: break;
	}
}

void golden_message(struct golden *g, size_t from, size_t to, const struct rpc_msg *m, bool lost)
{
	if (g->quiet || m->kind == RPC_HEARTBEAT)
		return;
	g->said = false;
	begin_line(g);
	buf_printf(&g->text, "%3s %s %-3s  %-9s", name_of(g, &g->s->nodes[from].id), lost ? "-x" : "->",
	    name_of(g, &g->s->nodes[to].id), rpc_kind_str(m->kind));
	print_body(g, m);
	buf_put_str(&g->text, lost ? " LOST\n" : "\n");
}

void golden_event(struct golden *g, size_t node, const struct kvs_event *e)
{
	static const char *const NAMES[] = {
		[KVS_EVENT_NODE_ALIVE] = "alive",
		[KVS_EVENT_NODE_DOWN] = "down",
		[KVS_EVENT_NODE_STATE] = "state",
		[KVS_EVENT_ROW_RESET] = "row reset",
		[KVS_EVENT_OWN_JUMPED] = "jumped",
		[KVS_EVENT_DUPLICATE_ID] = "duplicate id",
		[KVS_EVENT_DUPLICATE_NAME] = "duplicate name",
		[KVS_EVENT_MUTE] = "mute",
	};
	if (g->quiet)
		return;
	g->said = false;
	begin_line(g);
	bool named = (size_t)e->kind < sizeof(NAMES) / sizeof(NAMES[0]) && NAMES[e->kind] != NULL;
	buf_printf(&g->text, "%3s: %s %s, %s\n", name_of(g, &g->s->nodes[node].id), name_of(g, &e->node),
	    named ? NAMES[e->kind] : "event", e->detail != NULL ? e->detail : "");
}
