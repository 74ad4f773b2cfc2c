/* kvs_golden [--update] FOLDER: plays the stories below and compares each with its file in the folder, or
 * writes it there. */
#include "golden.h"

#include "base/check.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct story {
	const char *name;
	size_t nodes;
	const char *about;
	void (*tell)(struct sim *s, struct golden *g);
	uint32_t tombstones_min; /* 0: as shipped */
};

/* -- the world of a story: nothing goes wrong that is not told -- */

enum { LATENCY_MS = 5, STORE_MS = 2, SETTLE_MS = 12000 };

static void calm_profile(struct sim *s, const struct story *story)
{
	s->profile = (struct sim_profile){
		.latency_min_ms = LATENCY_MS,
		.latency_max_ms = LATENCY_MS,
		.store_min_ms = STORE_MS,
		.store_max_ms = STORE_MS,
		.window = KVS_LINK_WINDOW,
		.one_build = true,
		.write_every_ms = 1,
		.keys = 1,
		.value_max = 8,
		.core = { .tombstones_min = story->tombstones_min },
	};
}

static void begin(struct sim *s, size_t running)
{
	for (size_t i = 0; i < s->nodes_n; i++) {
		if (i < running)
			sim_push(s, i * 50, SIM_BOOT, i);
		for (size_t j = 0; j < i; j++)
			sim_push(s, i * 50 + j, SIM_CONNECT, i)->other = j;
	}
}

static void wait_ms(struct sim *s, uint64_t ms)
{
	sim_until(s, s->now_ms + ms);
}

/* From here on it is printed, and the time counts. */
static void listen(struct sim *s, struct golden *g)
{
	g->quiet = false;
	g->begin_ms = s->now_ms;
}

static void put(struct sim *s, struct golden *g, size_t node, unsigned key)
{
	golden_say(g, "n%zu writes k%u", node + 1, key);
	sim_put(s, node, key, 8);
}

static void del(struct sim *s, struct golden *g, size_t node, unsigned key)
{
	golden_say(g, "n%zu deletes k%u", node + 1, key);
	sim_delete(s, node, key);
}

static void cut(struct sim *s, struct golden *g, const char *what, const size_t *side, size_t n)
{
	bool in[SIM_NODES_MAX] = { false }, linked;
	for (size_t i = 0; i < n; i++)
		in[side[i]] = true;
	golden_say(g, "%s", what);
	for (size_t a = 0; a < s->nodes_n; a++)
		for (size_t b = 0; b < s->nodes_n; b++)
			s->cut[a][b] = in[a] != in[b];
	do {
		net_recut(s);
		linked = false;
		for (size_t a = 0; a < s->nodes_n; a++)
			for (size_t b = 0; b < s->nodes_n; b++)
				linked = linked || (s->cut[a][b] && s->linked[a][b]);
	} while (linked);
}

static void heal(struct sim *s, struct golden *g)
{
	memset(s->cut, 0, sizeof(s->cut));
	golden_say(g, "the cut is gone");
}

/* -- the stories -- */

static void join(struct sim *s, struct golden *g)
{
	begin(s, 3);
	wait_ms(s, 2000);
	put(s, g, 0, 1);
	put(s, g, 0, 2);
	put(s, g, 1, 3);
	del(s, g, 0, 1);
	wait_ms(s, SETTLE_MS);
	listen(s, g);
	golden_say(g, "n4 starts with an empty disk; its seeds are n1 and n3");
	sim_push(s, 0, SIM_BOOT, 3);
	wait_ms(s, 1500);
}

static void a_write(struct sim *s, struct golden *g)
{
	begin(s, 4);
	wait_ms(s, 2000);
	put(s, g, 0, 7);
	wait_ms(s, SETTLE_MS);
	listen(s, g);
	s->lose = (struct sim_lose){ .armed = true, .from = 0, .to = 2, .kind = RPC_ROW_FRAME };
	put(s, g, 0, 1);
	wait_ms(s, 400);
	put(s, g, 0, 2);
	wait_ms(s, 400);
}

static void crash(struct sim *s, struct golden *g, size_t node)
{
	golden_say(g, "n%zu crashes", node + 1);
	host_stop(s, node);
	net_forget(s, node, false);
	wait_ms(s, 300);
}

static void restart_kept(struct sim *s, struct golden *g)
{
	begin(s, 3);
	wait_ms(s, 2000);
	put(s, g, 1, 1);
	put(s, g, 0, 2);
	wait_ms(s, SETTLE_MS);
	listen(s, g);
	crash(s, g, 1);
	golden_say(g, "n2 starts again");
	sim_push(s, 0, SIM_BOOT, 1);
	wait_ms(s, 1500);
}

static void restart_lost(struct sim *s, struct golden *g)
{
	begin(s, 3);
	wait_ms(s, 2000);
	put(s, g, 1, 1);
	put(s, g, 0, 2);
	wait_ms(s, SETTLE_MS);
	listen(s, g);
	crash(s, g, 1);
	golden_say(g, "the disk of n2 is replaced, and it starts again as a new id, n2b");
	host_wipe(s, 1);
	sim_push(s, 0, SIM_BOOT, 1);
	wait_ms(s, 1500);
}

static void restart(struct sim *s, size_t node)
{
	host_stop(s, node);
	net_forget(s, node, false);
	sim_push(s, 100, SIM_BOOT, node);
	wait_ms(s, 3000);
}

static void restart_old(struct sim *s, struct golden *g)
{
	begin(s, 3);
	wait_ms(s, 2000);
	put(s, g, 1, 1);
	wait_ms(s, 1000);
	disk_copy(&s->nodes[1].backup, &s->nodes[1].disk);
	restart(s, 1);
	restart(s, 1);
	put(s, g, 1, 2);
	wait_ms(s, SETTLE_MS);
	listen(s, g);
	crash(s, g, 1);
	golden_say(g, "n2 starts again with a disk of two restarts ago, when it had not written k2");
	disk_copy(&s->nodes[1].disk, &s->nodes[1].backup);
	s->nodes[1].dishonest = true;
	sim_push(s, 0, SIM_BOOT, 1);
	wait_ms(s, 1500);
}

static void partition(struct sim *s, struct golden *g)
{
	begin(s, 4);
	wait_ms(s, SETTLE_MS);
	cut(s, g, "", (const size_t[]){ 2, 3 }, 2);
	wait_ms(s, 20000);
	listen(s, g);
	golden_say(g, "n1 and n2 are cut off from n3 and n4, for 20 s by now");
	put(s, g, 0, 1);
	put(s, g, 3, 2);
	wait_ms(s, 200);
	heal(s, g);
	wait_ms(s, 2000);
}

static void below_floor(struct sim *s, struct golden *g)
{
	begin(s, 3);
	wait_ms(s, 2000);
	for (unsigned key = 1; key <= 6; key++)
		put(s, g, 0, key);
	wait_ms(s, SETTLE_MS);
	cut(s, g, "", (const size_t[]){ 2 }, 1);
	wait_ms(s, 6000);
	listen(s, g);
	golden_say(g, "n3 is cut off");
	for (unsigned key = 1; key <= 4; key++)
		del(s, g, 0, key);
	wait_ms(s, 500);
	heal(s, g);
	wait_ms(s, 2500);
}

static const struct story STORIES[] = {
	{ "join", 4, "A node with an empty disk joins three that hold something.", join, 0 },
	{ "write", 4,
	    "One write to all, of which one push is lost: it is announced by another node, and pulled from "
	    "there.\n"
	    "And one more write, of which nothing is lost.",
	    a_write, 0 },
	{ "restart-kept", 3, "A node restarts with its disk: a new incarnation that inherits all (R2).",
	    restart_kept, 0 },
	{ "restart-lost", 3, "A node restarts with an empty disk: a new id; the old one is down.", restart_lost,
	    0 },
	{ "restart-old", 3,
	    "A node restarts with an old disk: others know a later incarnation of it, so it jumps above that "
	    "one,\n"
	    "and what it does not vouch for is dropped (R2).",
	    restart_old, 0 },
	{ "partition", 4, "Two halves that both wrote find each other, and what differs.", partition, 0 },
	{ "below-floor", 3,
	    "A node was away while an owner deleted and raised its floor past where that node stands: it gets "
	    "the\n"
	    "row built anew (R4).",
	    below_floor, 2 },
};

/* -- comparing -- */

/* False when the nodes are not alike at the end. */
static bool play(const struct story *story, struct buf *text)
{
	static struct sim s;
	struct golden g = { 0 };
	buf_init(&g.text, 1 << 20);
	sim_init(&s, SIM_SAFETY, 1, story->nodes, false);
	calm_profile(&s, story);
	s.golden = &g;
	golden_begin(&g, &s);
	buf_printf(&g.text, "%s\n\nA message takes %d ms, the disk %d ms. Written by kvs_golden --update.\n",
	    story->about, LATENCY_MS, STORE_MS);
	story->tell(&s, &g);
	size_t first;
	bool well = !s.failed && sim_unlike(&s, &first) == s.nodes_n;
	if (!well)
		printf("%s: does not end well: %s\n", story->name, s.failed ? s.why : "not all replicas are equal");
	buf_put_str(&g.text, "\nNow all replicas are equal.\n");
	CHECK(buf_err(&g.text) == OK);
	buf_put(text, g.text.p, g.text.n);
	buf_fini(&g.text);
	sim_fini(&s);
	return well;
}

static bool is_in_file(const char *path, struct bytes text)
{
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		return false;
	char *there = malloc(text.n + 2);
	CHECK(there != NULL);
	size_t n = fread(there, 1, text.n + 1, f);
	fclose(f);
	bool same = bytes_eq(bytes_of(there, n), text);
	free(there);
	return same;
}

static bool write_file(const char *path, struct bytes text)
{
	FILE *f = fopen(path, "wb");
	if (f == NULL)
		return false;
	bool ok = fwrite(text.p, 1, text.n, f) == text.n;
	return fclose(f) == 0 && ok;
}

static bool check_story(const struct story *story, const char *folder, bool update)
{
	char path[1024];
	struct buf text;
	buf_init(&text, 1 << 20);
	snprintf(path, sizeof(path), "%s/%s.txt", folder, story->name);
	bool well = play(story, &text);
	CHECK(buf_err(&text) == OK);
	bool ok = update ? write_file(path, buf_bytes(&text)) : is_in_file(path, buf_bytes(&text));
	if (!ok && !update)
		printf("%.*s\nThis is not what %s says. If it is meant: kvs_golden --update %s\n\n", (int)text.n,
		    (const char *)text.p, path, folder);
	else if (!ok)
		perror(path);
	buf_fini(&text);
	return ok && well;
}

int main(int argc, char **argv)
{
	bool update = argc == 3 && strcmp(argv[1], "--update") == 0;
	if (argc != 2 && !update) {
		fprintf(stderr, "usage: %s [--update] FOLDER\n", argv[0]);
		return 2;
	}
	size_t wrong = 0, n = sizeof(STORIES) / sizeof(STORIES[0]);
	for (size_t i = 0; i < n; i++)
		wrong += !check_story(&STORIES[i], argv[argc - 1], update);
	printf("%zu of %zu stories are as told\n", n - wrong, n);
	return wrong == 0 ? 0 : 1;
}
