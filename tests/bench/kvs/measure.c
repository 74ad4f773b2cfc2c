#include "bench.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

uint64_t now_ns(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t private_bytes(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	CHECK(f != NULL);
	char line[200];
	uint64_t kb = 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "RssAnon:", 8) == 0)
			kb = strtoull(line + 8, NULL, 10);
	fclose(f);
	return kb * 1024;
}

uint64_t file_bytes(const char *folder, const char *name)
{
	char path[4096];
	struct stat st;
	CHECK(snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path));
	CHECK(stat(path, &st) == 0);
	return (uint64_t)st.st_size;
}

static const char *between;

void say_begin(void)
{
	between = "{";
}

void say(const char *name, double value)
{
	printf("%s\"%s\": %.3f", between, name, value);
	between = ", ";
}

void say_end(void)
{
	printf("}\n");
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	size_t buckets = sizeof(h->counts) / sizeof(h->counts[0]);
	h->counts[ns / 10 < buckets - 1 ? ns / 10 : buckets - 1]++;
	h->n++;
	if (ns > h->max_ns)
		h->max_ns = ns;
}

void histogram_merge(struct histogram *into, const struct histogram *h)
{
	for (size_t i = 0; i < sizeof(h->counts) / sizeof(h->counts[0]); i++)
		into->counts[i] += h->counts[i];
	into->n += h->n;
	if (h->max_ns > into->max_ns)
		into->max_ns = h->max_ns;
}

uint64_t histogram_at(const struct histogram *h, double share)
{
	uint64_t below = 0;
	for (size_t i = 0; i < sizeof(h->counts) / sizeof(h->counts[0]); i++) {
		below += h->counts[i];
		if ((double)below >= share * (double)h->n)
			return i * 10;
	}
	return h->max_ns;
}
