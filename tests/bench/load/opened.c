#include "tests/bench/load/opened.h"

#include "base/check.h"
#include "node/json_text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { HEARTBEAT_DEFAULT_S = 20, HEARTBEAT_MAX_S = 86400 };

static char *copy(const char *text)
{
	char *p = strdup(text);
	CHECK(p != NULL);
	return p;
}

enum err opened_parse(struct bytes json, struct opened *out)
{
	json_t *root = json_loadb((const char *)json.p, json.n, 0, NULL);
	const char *uri = json_string_value(json_object_get(root, "uri"));
	const char *session = json_string_value(json_object_get(root, "session"));
	const char *node = json_string_value(json_object_get(root, "node"));
	const char *outcome = json_string_value(json_object_get(root, "outcome"));
	json_int_t beat = json_integer_value(json_object_get(root, "heartbeat_s"));
	bool fine = uri != NULL && session != NULL && node != NULL && outcome != NULL &&
	            strlen(node) < COUNTS_NAME_MAX && beat >= 0 && beat <= HEARTBEAT_MAX_S;
	if (fine) {
		struct opened o = { copy(uri), copy(session), .outcome = load_outcome_of(bytes_str(outcome)) };
		memcpy(o.node, node, strlen(node) + 1);
		o.heartbeat_s = beat > 0 ? (unsigned)beat : HEARTBEAT_DEFAULT_S;
		*out = o;
	}
	json_decref(root);
	return fine ? OK : ERR_INVALID;
}

void opened_fini(struct opened *o)
{
	free(o->uri);
	free(o->session);
	o->uri = o->session = NULL;
}

void opened_request(const char *content, struct buf *out)
{
	buf_put_u8(out, '{');
	json_put_key(out, "content");
	json_put_string(out, bytes_str(content));
	buf_put_u8(out, '}');
}
