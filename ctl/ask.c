#include "ctl/ask.h"

#include "base/check.h"
#include "ctl/cells.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DETAIL_MAX = 200 };

/* What a problem document says (RFC 9457). */
static void say_refused(const struct client *c, const struct client_answer *a, char error[CLIENT_ERROR_MAX])
{
	json_t *problem = json_loadb((const char *)a->body.p, a->body.n, JSON_REJECT_DUPLICATES, NULL);
	const char *text = member_str(problem, "detail");
	snprintf(error, CLIENT_ERROR_MAX, "%.200s: %.*s (HTTP %d)", c->admin, DETAIL_MAX,
	    text == NULL ? "it refused, and did not say why" : text, a->status);
	for (char *p = error; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	json_decref(problem);
}

json_t *ask_json(const struct client *c, const char *method, const char *target, struct bytes body,
    char error[CLIENT_ERROR_MAX])
{
	struct client_answer a;
	json_t *json = NULL;
	if (client_call(c, method, target, body, &a, error) != OK)
		return NULL;
	bool done = a.status / 100 == 2;
	if (!done)
		say_refused(c, &a, error);
	else
		json = json_loadb((const char *)a.body.p, a.body.n, JSON_REJECT_DUPLICATES, NULL);
	if (done && json == NULL)
		snprintf(error, CLIENT_ERROR_MAX,
		    "%.200s: the answer is not what a Warmcast node of this version says", c->admin);
	buf_fini(&a.body);
	return json;
}

static char *copy(const char *s)
{
	char *c = strdup(s == NULL ? "" : s);
	CHECK(c != NULL);
	return c;
}

static struct peer *add(struct peers *p)
{
	p->list = reallocarray(p->list, p->n + 1, sizeof(*p->list));
	CHECK(p->list != NULL);
	p->list[p->n] = (struct peer){ .alive = true };
	return &p->list[p->n++];
}

static bool take_node(const json_t *node, const struct address *admin, struct peers *out)
{
	struct address rpc;
	const char *id = member_str(node, "id"), *liveness = member_str(node, "liveness");
	if (id == NULL || liveness == NULL)
		return false;
	if (address_parse(bytes_str(member_str(node, "rpc")), &rpc) != OK || rpc.host.n > PEER_ADMIN_MAX - 16)
		return true;
	struct peer *p = add(out);
	const char *form = rpc.kind == ADDRESS_IPV6 ? "[%.*s]:%u" : "%.*s:%u";
	snprintf(p->admin, sizeof(p->admin), form, (int)rpc.host.n, (const char *)rpc.host.p, admin->port);
	p->name = copy(member_str(node, "name"));
	p->id = copy(id);
	p->self = json_is_true(json_object_get(node, "self"));
	p->alive = strcmp(liveness, "down") != 0;
	return true;
}

bool peers_of(const json_t *nodes, const struct address *admin, struct peers *out)
{
	static const char *const keys[] = { "name", NULL };
	struct peers p = { 0 };
	size_t n;
	json_t **rows = members_sorted(json_object_get(nodes, "nodes"), keys, &n);
	bool fine = rows != NULL;
	for (size_t i = 0; fine && i < n; i++)
		fine = take_node(rows[i], admin, &p);
	free(rows);
	if (fine)
		*out = p;
	else
		peers_free(&p);
	return fine;
}

bool peers_named(char *const *names, size_t n, struct peers *out, const char **bad)
{
	struct peers p = { 0 };
	struct client c;
	for (size_t i = 0; i < n; i++) {
		if (strlen(names[i]) >= PEER_ADMIN_MAX || client_set_admin(&c, names[i]) != OK) {
			*bad = names[i];
			peers_free(&p);
			return false;
		}
		struct peer *one = add(&p);
		memcpy(one->admin, names[i], strlen(names[i]) + 1);
		one->name = copy(names[i]);
		one->id = copy("");
	}
	*out = p;
	return true;
}

void peers_free(struct peers *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->list[i].name);
		free(p->list[i].id);
	}
	free(p->list);
	*p = (struct peers){ 0 };
}
