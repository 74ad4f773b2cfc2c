/* Which contents have viewers, as the delivery nodes told the asked node: what a plan has to keep a holder
 * of. */
#include "base/check.h"
#include "base/text.h"
#include "ctl/cells.h"
#include "ctl/rollout_known.h"

#include <stdlib.h>
#include <string.h>

enum { CONTENT_DIGITS = 16 };

static bool take_content(const char *hex, uint64_t *out)
{
	uint8_t raw[CONTENT_DIGITS / 2];
	if (hex == NULL || strlen(hex) != CONTENT_DIGITS || text_unhex(raw, bytes_str(hex)) != OK)
		return false;
	*out = 0;
	for (size_t i = 0; i < sizeof(raw); i++)
		*out = *out << 8 | raw[i];
	return true;
}

/* One node's: its contents to the list. False: it is no such. */
static bool take_node(struct rollout_known *k, const json_t *said)
{
	const json_t *contents = json_object_get(said, "contents");
	uint64_t more = 1;
	struct known_id wanted = { member_str(said, "id"), 0 };
	if (wanted.id == NULL || !json_is_array(contents) || !member_u64(said, "more", &more))
		return false;
	const struct known_id *found = bsearch(&wanted, k->ids, k->nodes_n, sizeof(wanted), known_by_id);
	if (found != NULL)
		k->untold[found->node] = !json_is_true(json_object_get(said, "told")) || more > 0;
	size_t n = json_array_size(contents);
	k->watched = reallocarray(k->watched, k->watched_n + n + 1, sizeof(*k->watched));
	CHECK(k->watched != NULL);
	for (size_t i = 0; i < n; i++)
		if (!take_content(json_string_value(json_array_get(contents, i)), &k->watched[k->watched_n++]))
			return false;
	return true;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

bool known_take_watched(struct rollout_known *k, const json_t *answer)
{
	const json_t *nodes = json_object_get(answer, "watched");
	bool fine = json_is_array(nodes);
	CHECK(!k->watched_known && k->sets_n == 0);
	k->untold = calloc(k->nodes_n + 1, sizeof(*k->untold));
	CHECK(k->untold != NULL);
	for (size_t i = 0; fine && i < json_array_size(nodes); i++)
		fine = take_node(k, json_array_get(nodes, i));
	if (k->watched_n > 0)
		qsort(k->watched, k->watched_n, sizeof(*k->watched), by_value);
	k->watched_known = fine;
	return fine;
}

bool known_is_watched(
    const struct rollout_known *k, const char *content, const uint32_t *holders, size_t holders_n)
{
	uint64_t hash;
	if (!k->watched_known || !take_content(content, &hash))
		return true;
	for (size_t i = 0; i < holders_n; i++)
		if (k->untold[holders[i]])
			return true;
	return k->watched_n > 0 && bsearch(&hash, k->watched, k->watched_n, sizeof(hash), by_value) != NULL;
}
