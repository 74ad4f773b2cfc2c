#include "ctl/lag.h"

#include "base/check.h"
#include "ctl/cells.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NODE_TIMEOUT_MS = 2000 };

/* What a node has written. */
struct written {
	bool known;
	uint64_t incarnation, control, locations;
};

static bool take_versions(const json_t *of, const json_t *versions, struct written *w)
{
	return member_u64(of, "count", &w->incarnation) && member_u64(versions, "control", &w->control) &&
	       member_u64(versions, "locations", &w->locations);
}

static struct written ask_node(const struct client *client, const struct peer *p)
{
	struct written w = { 0 };
	struct client c = *client;
	char error[CLIENT_ERROR_MAX];
	c.timeout_ms = NODE_TIMEOUT_MS;
	json_t *said =
	    client_set_admin(&c, p->admin) != OK ? NULL : ask_json(&c, "GET", "/v1/status", BYTES_NONE, error);
	const char *id = member_str(said, "id");
	/* Another node may answer there, or one of another cluster. */
	w.known = id != NULL && strcmp(id, p->id) == 0 &&
	          take_versions(json_object_get(said, "incarnation"), json_object_get(said, "versions"), &w);
	json_decref(said);
	return w;
}

static uint64_t above(uint64_t theirs, uint64_t here)
{
	return theirs > here ? theirs - here : 0;
}

static void set_behind(json_t *node, const struct written *w)
{
	const json_t *versions = json_object_get(node, "versions");
	uint64_t incarnation, control, locations;
	if (!w->known || !member_u64(node, "incarnation", &incarnation) ||
	    !member_u64(versions, "control", &control) || !member_u64(versions, "locations", &locations))
		return;
	/* Versions go on over a restart that kept its disk; after one that did not, all is new. */
	bool same = incarnation == w->incarnation || w->control >= control;
	uint64_t behind =
	    same ? above(w->control, control) + above(w->locations, locations) : w->control + w->locations;
	CHECK(json_object_set_new(node, "behind", json_integer((json_int_t)behind)) == 0);
}

json_t *lag_ask(const struct client *client, char error[CLIENT_ERROR_MAX])
{
	struct peers peers;
	json_t *nodes = ask_json(client, "GET", "/v1/nodes", BYTES_NONE, error);
	if (nodes == NULL)
		return NULL;
	bool fine = peers_of(nodes, &client->address, &peers);
	json_decref(nodes);
	if (!fine) {
		snprintf(error, CLIENT_ERROR_MAX, "%.200s: the list of nodes is not understood", client->admin);
		return NULL;
	}
	struct written *w = calloc(peers.n + 1, sizeof(*w));
	CHECK(w != NULL);
	for (size_t i = 0; i < peers.n; i++)
		if (peers.list[i].alive)
			w[i] = ask_node(client, &peers.list[i]);
	/* Asked last: what is missing now was written before. */
	nodes = ask_json(client, "GET", "/v1/nodes", BYTES_NONE, error);
	json_t *list = json_object_get(nodes, "nodes");
	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *node = json_array_get(list, i);
		const char *id = member_str(node, "id");
		for (size_t j = 0; id != NULL && j < peers.n; j++)
			if (strcmp(peers.list[j].id, id) == 0)
				set_behind(node, &w[j]);
	}
	free(w);
	peers_free(&peers);
	return nodes;
}
