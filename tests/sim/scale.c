/* kvs_scale --nodes 10,40,200 [--loss 10] [--stalls] [--seed 1] [--latency-us 500,2000] [--idle-s 60]
 *           [--write-s 10] [--rate 200] [--partitions 3] [--settled] [--kinds] [--json] [--verbose]
 *
 * Measures a cluster of each size and prints a row for each, with --kinds also what each kind of message
 * had of the bytes. Exit 1 when a size did not converge: not
 * all knew all, an update never came to all, or the replicas are not equal in the end. */
#include "scale.h"

#include "base/text.h"
#include "rpc/codec.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZES_MAX = 16 };

struct args {
	struct scale_options o;
	size_t sizes[SIZES_MAX];
	size_t sizes_n;
	bool kinds, json;
};

static bool number(const char *text, uint64_t max, uint32_t *out)
{
	uint64_t n;
	if (text_u64(bytes_str(text), max, &n) != OK)
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool sizes(struct args *a, const char *text)
{
	struct bytes rest = bytes_str(text);
	while (a->sizes_n < SIZES_MAX) {
		size_t comma = bytes_index(rest, ',');
		uint64_t n;
		if (text_u64(bytes_head(rest, comma), SCALE_NODES_MAX, &n) != OK || n <= SCALE_SEEDS + 2)
			return false;
		a->sizes[a->sizes_n++] = n;
		if (comma == rest.n)
			return true;
		rest = bytes_from(rest, comma + 1);
	}
	return false;
}

static bool latency(struct scale_options *o, const char *text)
{
	struct bytes all = bytes_str(text);
	size_t comma = bytes_index(all, ',');
	uint64_t low, high;
	if (comma == all.n || text_u64(bytes_head(all, comma), 1000000, &low) != OK ||
	    text_u64(bytes_from(all, comma + 1), 1000000, &high) != OK || low > high)
		return false;
	o->latency_min_us = (uint32_t)low;
	o->latency_max_us = (uint32_t)high;
	return true;
}

static bool seconds(const char *text, uint32_t *ms)
{
	uint32_t s;
	if (!number(text, 3600, &s) || s == 0)
		return false;
	*ms = s * 1000;
	return true;
}

static bool option(struct args *a, int c, const char *text)
{
	switch (c) {
	case 'n': return sizes(a, text);
	case 'l': return number(text, 1000, &a->o.loss_per_mille);
	case 't': return a->o.stalls = true;
	case 's': return text_u64(bytes_str(text), UINT64_MAX, &a->o.seed) == OK;
	case 'u': return latency(&a->o, text);
	case 'i': return seconds(text, &a->o.idle_ms);
	case 'w': return seconds(text, &a->o.write_ms);
	case 'r': return number(text, 100000, &a->o.writes_per_s) && a->o.writes_per_s > 0;
	case 'p': return number(text, 100, &a->o.partitions);
	case 'e': return a->o.settled = true;
	case 'k': return a->kinds = true;
	case 'j': return a->json = true;
	case 'v': return a->o.verbose = true;
	default: return false;
	}
}

static bool parse(int argc, char **argv, struct args *a)
{
	static const struct option options[] = { { "nodes", required_argument, NULL, 'n' },
		{ "loss", required_argument, NULL, 'l' }, { "stalls", no_argument, NULL, 't' },
		{ "seed", required_argument, NULL, 's' }, { "latency-us", required_argument, NULL, 'u' },
		{ "idle-s", required_argument, NULL, 'i' }, { "write-s", required_argument, NULL, 'w' },
		{ "rate", required_argument, NULL, 'r' }, { "partitions", required_argument, NULL, 'p' },
		{ "settled", no_argument, NULL, 'e' }, { "kinds", no_argument, NULL, 'k' },
		{ "json", no_argument, NULL, 'j' }, { "verbose", no_argument, NULL, 'v' }, { NULL, 0, NULL, 0 } };
	*a = (struct args){ .o = { .seed = 1,
		                    .latency_min_us = 500,
		                    .latency_max_us = 2000,
		                    .loss_per_mille = 10,
		                    .idle_ms = 60000,
		                    .write_ms = 10000,
		                    .writes_per_s = 200,
		                    .partitions = 3 } };
	int c;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!option(a, c, optarg))
			return false;
	return a->sizes_n > 0 && optind == argc;
}

/* -- the table -- */

static void print_head(const struct scale_options *o)
{
	printf("%u writes/s of %d bytes; links of %.1f-%.1f ms; loss %.1f %% of the frames, %s; seed %" PRIu64
	       "\n",
	    o->writes_per_s, SCALE_PAYLOAD_BYTES, o->latency_min_us / 1000.0, o->latency_max_us / 1000.0,
	    o->loss_per_mille / 10.0, o->stalls ? "as stalls of 200 ms" : "dropped", o->seed);
	printf("%6s %6s %6s | %-13s | %-41s | %-41s | %-15s | %-19s |\n", "", "", "", "idle B/s node",
	    "no loss: bytes in payloads, last node ms", "loss: bytes in payloads, last node ms", "death known ms",
	    "halves mended s");
	printf("%6s %6s %6s | %6s %6s |", "nodes", "links", "boot s", "frames", "+TCP");
	for (int i = 0; i < 2; i++)
		printf(" %6s %5s %7s %7s %7s %4s |", "copies", "bytes", "p50", "p99", "max", "lost");
	printf(
	    " %7s %7s | %5s %5s %7s | %5s %6s\n", "killed", "stopped", "p50", "max", "B/node", "false", "errors");
}

static void print_spread(const struct scale_spread *w)
{
	printf(" %6.3f %5.2f %7.1f %7.1f %7.1f %4" PRIu64 " |", w->copies, w->bytes / SCALE_PAYLOAD_BYTES,
	    w->p50_ms, w->p99_ms, w->max_ms, w->missing);
}

static void print_row(const struct scale_report *r)
{
	printf("%6zu %6.1f %6.1f | %6.0f %6.0f |", r->nodes, r->links, r->boot_ms / 1000, r->idle_bytes,
	    r->idle_tcp_bytes);
	print_spread(&r->clean);
	print_spread(&r->lossy);
	printf(" %7.0f %7.0f | %5.1f %5.1f %7.0f | %5" PRIu64 " %6" PRIu64 " %s\n", r->kill_ms, r->stop_ms,
	    r->halves.p50_ms / 1000, r->halves.max_ms / 1000, r->halves.bytes, r->false_alarms, r->errors,
	    !r->booted ? "not all knew all" : (r->converged ? "" : "replicas differ"));
}

static void print_kinds(const char *what, const struct scale_traffic *t, double shares)
{
	printf("%6s %s:", "", what);
	for (unsigned i = 0; i < SCALE_KINDS; i++)
		if (t->frames[i] > 0)
			printf(" %s %.1f (%.2f frames)", rpc_kind_str((enum rpc_kind)i), (double)t->bytes[i] / shares,
			    (double)t->frames[i] / shares);
	printf("\n");
}

static void print_all_kinds(const struct scale_options *o, const struct scale_report *r)
{
	double others = (double)(r->nodes - 1);
	print_kinds("idle, bytes a second and node", &r->idle, (double)r->nodes * o->idle_ms / 1000);
	print_kinds("bytes an update and node", &r->clean.sent, others * (double)r->clean.updates);
	print_kinds("with loss", &r->lossy.sent, others * (double)r->lossy.updates);
}

static void print_goals(void)
{
	printf("%6s %6s %6s | %6s %6s | %6s %5s %7s %7s %7s %4d | %6s %5s %7s %7s %7s %4d | %7s %7s | %5s %5s "
	       "%7s | %5d %6d\n",
	    "goal", "", "", "<=1000", "", "<=1.05", "<=3", "", "", "", 0, "<=1.2", "<=3", "", "<=250", "", 0,
	    "<=400", "<=2000", "", "", "", 0, 0);
	printf("%6s %6s %6s | %6s %6s | 2000 bytes from 1000 nodes on; with stalls 1.5 copies\n", "", "", "", "",
	    "");
}

/* -- JSON -- */

static void json_traffic(const char *name, const struct scale_traffic *t)
{
	const char *comma = "";
	printf("\"%s\": {", name);
	for (unsigned i = 0; i < SCALE_KINDS; i++) {
		if (t->frames[i] == 0)
			continue;
		printf("%s\"%s\": {\"frames\": %" PRIu64 ", \"bytes\": %" PRIu64 "}", comma,
		    rpc_kind_str((enum rpc_kind)i), t->frames[i], t->bytes[i]);
		comma = ", ";
	}
	printf("}");
}

static void json_spread(const char *name, const struct scale_spread *w)
{
	printf(",\n   \"%s\": {\"updates\": %" PRIu64 ", \"missing\": %" PRIu64
	       ", \"copies\": %.4f, \"bytes\": %.2f, \"bytes_above_idle\": %.2f, \"p50_ms\": %.3f, \"p99_ms\": "
	       "%.3f, "
	       "\"max_ms\": %.3f, ",
	    name, w->updates, w->missing, w->copies, w->bytes, w->idle_free_bytes, w->p50_ms, w->p99_ms,
	    w->max_ms);
	json_traffic("sent", &w->sent);
	printf("}");
}

static void json_row(const struct scale_report *r, bool first)
{
	printf("%s  {\"nodes\": %zu, \"booted\": %s, \"converged\": %s, \"links\": %.2f, \"boot_ms\": %.0f, "
	       "\"kill_ms\": %.1f, \"stop_ms\": %.1f, \"false_alarms\": %" PRIu64 ", \"errors\": %" PRIu64
	       ", \"steps\": %" PRIu64 ", \"virtual_s\": %.1f,\n   \"idle_bytes_per_s\": %.1f, "
	       "\"idle_tcp_bytes_per_s\": %.1f, ",
	    first ? "" : ",\n", r->nodes, r->booted ? "true" : "false", r->converged ? "true" : "false", r->links,
	    r->boot_ms, r->kill_ms, r->stop_ms, r->false_alarms, r->errors, r->steps, r->virtual_s, r->idle_bytes,
	    r->idle_tcp_bytes);
	json_traffic("idle", &r->idle);
	json_spread("no_loss", &r->clean);
	json_spread("loss", &r->lossy);
	printf(",\n   \"halves\": {\"rounds\": %u, \"failed\": %u, \"updates\": %" PRIu64
	       ", \"p50_ms\": %.0f, \"max_ms\": %.0f, \"bytes\": %.0f}}",
	    r->halves.rounds, r->halves.failed, r->halves.updates, r->halves.p50_ms, r->halves.max_ms,
	    r->halves.bytes);
}

static void json_head(const struct scale_options *o)
{
	printf("{\"seed\": %" PRIu64 ", \"latency_us\": [%u, %u], \"loss_per_mille\": %u, \"stalls\": %s, "
	       "\"idle_s\": %u, \"write_s\": %u, \"writes_per_s\": %u, \"payload_bytes\": %d, \"sizes\": [\n",
	    o->seed, o->latency_min_us, o->latency_max_us, o->loss_per_mille, o->stalls ? "true" : "false",
	    o->idle_ms / 1000, o->write_ms / 1000, o->writes_per_s, SCALE_PAYLOAD_BYTES);
}

int main(int argc, char **argv)
{
	struct args a;
	if (!parse(argc, argv, &a)) {
		fprintf(stderr,
		    "usage: %s --nodes N[,N...] [--loss PER_MILLE] [--stalls] [--seed S] [--latency-us MIN,MAX]\n"
		    "       [--idle-s S] [--write-s S] [--rate WRITES_PER_S] [--partitions N] [--settled] [--kinds] "
		    "[--json] "
		    "[--verbose]\n",
		    argv[0]);
		return 2;
	}
	(a.json ? json_head : print_head)(&a.o);
	bool ok = true;
	for (size_t i = 0; i < a.sizes_n; i++) {
		struct scale_report r;
		a.o.nodes = a.sizes[i];
		scale_measure(&a.o, &r);
		if (a.json)
			json_row(&r, i == 0);
		else
			print_row(&r);
		if (a.kinds && !a.json && r.booted)
			print_all_kinds(&a.o, &r);
		fflush(stdout);
		ok = ok && r.booted && r.converged && r.halves.failed == 0 && r.clean.missing == 0 &&
		     r.lossy.missing == 0;
	}
	if (a.json)
		printf("\n]}\n");
	else
		print_goals();
	return ok ? 0 : 1;
}
