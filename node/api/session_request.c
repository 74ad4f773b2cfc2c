#include "node/api/session_request.h"

#include "base/text.h"
#include "node/rfc3339.h"
#include "rpc/msg.h"

#include <jansson.h>

bool session_name_ok(struct bytes name)
{
	if (name.n == 0 || name.n > TOKEN_NAME_MAX || !text_is_utf8(name))
		return false;
	while (true) {
		size_t slash = bytes_index(name, '/');
		struct bytes segment = bytes_head(name, slash);
		if (segment.n == 0 || bytes_eq(segment, BYTES_LIT(".")) || bytes_eq(segment, BYTES_LIT("..")))
			return false;
		if (slash == name.n)
			return true;
		name = bytes_from(name, slash + 1);
	}
}

/* The string member `key`, copied; absent is empty. False with *why when it is no string or too long. */
static bool take_string(
    const json_t *body, const char *key, size_t max, struct arena *a, struct bytes *out, const char **why)
{
	const json_t *v = json_object_get(body, key);
	if (v == NULL || json_is_null(v))
		return true;
	if (!json_is_string(v)) {
		*why = arena_printf(a, "\"%s\" must be a string.", key);
		return false;
	}
	struct bytes s = bytes_of(json_string_value(v), json_string_length(v));
	if (s.n > max) {
		*why = arena_printf(a, "\"%s\" has %zu bytes; at most %zu are allowed.", key, s.n, max);
		return false;
	}
	*out = arena_dup(a, s);
	return out->p != NULL;
}

/* A string member that names something in the origin store. */
static bool take_name(
    const json_t *body, const char *key, struct arena *a, struct bytes *out, const char **why)
{
	if (!take_string(body, key, TOKEN_NAME_MAX, a, out, why))
		return false;
	const json_t *v = json_object_get(body, key);
	if (v != NULL && !json_is_null(v) && !session_name_ok(*out)) {
		*why = arena_printf(a,
		    "\"%s\" must name something in the origin store: 1 to %d bytes, no empty, \".\" or \"..\" "
		    "segment.",
		    key, TOKEN_NAME_MAX);
		return false;
	}
	return true;
}

static bool take_prefixes(const json_t *body, struct arena *a, struct session_request *r, const char **why)
{
	const json_t *list = json_object_get(body, "prefixes");
	if (list == NULL || json_is_null(list))
		return true;
	if (!json_is_array(list) || json_array_size(list) > TOKEN_PREFIXES_MAX) {
		*why = arena_printf(a, "\"prefixes\" must be an array of at most %d strings.", TOKEN_PREFIXES_MAX);
		return false;
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *v = json_array_get(list, i);
		struct bytes s =
		    json_is_string(v) ? bytes_of(json_string_value(v), json_string_length(v)) : BYTES_NONE;
		if (!session_name_ok(s)) {
			*why = "Each of \"prefixes\" must name an object or folder of the origin store.";
			return false;
		}
		r->prefixes[r->prefixes_n] = arena_dup(a, s);
		if (r->prefixes[r->prefixes_n++].p == NULL)
			return false;
	}
	return true;
}

static bool take_not_after(
    const json_t *body, uint64_t now_s, struct arena *a, struct session_request *r, const char **why)
{
	struct bytes text = BYTES_NONE;
	if (!take_string(body, "not_after", 64, a, &text, why))
		return false;
	if (text.p == NULL)
		return true;
	if (rfc3339_parse(text, &r->not_after_s) != OK) {
		*why = "\"not_after\" must be a time as in RFC 3339, such as 2027-01-31T12:00:00Z.";
		return false;
	}
	if (r->not_after_s <= now_s) {
		*why = "\"not_after\" lies in the past.";
		return false;
	}
	return true;
}

static bool take_all(
    const json_t *body, uint64_t now_s, struct arena *a, struct session_request *r, const char **why)
{
	if (!json_is_object(body)) {
		*why = "The body must be a JSON object.";
		return false;
	}
	if (json_object_get(body, "content") == NULL || json_is_null(json_object_get(body, "content"))) {
		*why = "\"content\" is missing: the id of what the viewer wants to watch.";
		return false;
	}
	return take_name(body, "content", a, &r->content, why) && take_name(body, "entry", a, &r->entry, why) &&
	       take_string(body, "zone", RPC_NAME_MAX, a, &r->zone, why) &&
	       take_string(body, "client", TOKEN_CLIENT_MAX, a, &r->client, why) &&
	       take_string(body, "client_address", SESSION_ADDRESS_MAX, a, &r->client_address, why) &&
	       take_prefixes(body, a, r, why) && take_not_after(body, now_s, a, r, why);
}

/* -- what nearly all bodies look like -- */

enum { PLAIN_CONTENT, PLAIN_ENTRY, PLAIN_ZONE, PLAIN_CLIENT, PLAIN_ADDRESS, PLAIN_MEMBERS };

static const struct {
	struct bytes key;
	size_t max;
	bool is_name;
} plain_members[PLAIN_MEMBERS] = {
	[PLAIN_CONTENT] = { BYTES_LIT("content"), TOKEN_NAME_MAX, true },
	[PLAIN_ENTRY] = { BYTES_LIT("entry"), TOKEN_NAME_MAX, true },
	[PLAIN_ZONE] = { BYTES_LIT("zone"), RPC_NAME_MAX, false },
	[PLAIN_CLIENT] = { BYTES_LIT("client"), TOKEN_CLIENT_MAX, false },
	[PLAIN_ADDRESS] = { BYTES_LIT("client_address"), SESSION_ADDRESS_MAX, false },
};

static void skip_blanks(struct bytes *s)
{
	while (s->n > 0 && (s->p[0] == ' ' || s->p[0] == '\n' || s->p[0] == '\r' || s->p[0] == '\t'))
		*s = bytes_from(*s, 1);
}

/* Takes the character, and blanks before it. */
static bool take_mark(struct bytes *s, uint8_t c)
{
	skip_blanks(s);
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = bytes_from(*s, 1);
	return true;
}

/* A string of printable ASCII without escapes. */
static bool take_plain(struct bytes *s, struct bytes *out)
{
	size_t n = 0;
	if (!take_mark(s, '"'))
		return false;
	while (n < s->n && s->p[n] >= 0x20 && s->p[n] < 0x7f && s->p[n] != '"' && s->p[n] != '\\')
		n++;
	if (n == s->n || s->p[n] != '"')
		return false;
	*out = bytes_head(*s, n);
	*s = bytes_from(*s, n + 1);
	return true;
}

static bool take_plain_member(struct bytes *s, struct bytes values[PLAIN_MEMBERS])
{
	struct bytes key, value;
	if (!take_plain(s, &key) || !take_mark(s, ':') || !take_plain(s, &value))
		return false;
	for (size_t i = 0; i < PLAIN_MEMBERS; i++) {
		if (!bytes_eq(key, plain_members[i].key))
			continue;
		bool fine = values[i].p == NULL && value.n <= plain_members[i].max &&
		            (!plain_members[i].is_name || session_name_ok(value));
		values[i] = value;
		return fine;
	}
	return false;
}

/* A flat object of plain strings that are as they should be. Anything else is none, a wrong one too: the JSON
 * library reads it, and says what is wrong with it. Slices of the body. */
static bool parse_plain(struct bytes body, struct bytes values[PLAIN_MEMBERS])
{
	if (!take_mark(&body, '{'))
		return false;
	do {
		if (!take_plain_member(&body, values))
			return false;
	} while (take_mark(&body, ','));
	if (!take_mark(&body, '}') || values[PLAIN_CONTENT].p == NULL)
		return false;
	skip_blanks(&body);
	return body.n == 0;
}

/* Absent stays absent. */
static bool keep(struct arena *a, struct bytes value, struct bytes *out)
{
	if (value.p == NULL)
		return true;
	*out = arena_dup(a, value);
	return out->p != NULL;
}

static bool keep_plain(const struct bytes values[PLAIN_MEMBERS], struct arena *a, struct session_request *r)
{
	return keep(a, values[PLAIN_CONTENT], &r->content) && keep(a, values[PLAIN_ENTRY], &r->entry) &&
	       keep(a, values[PLAIN_ZONE], &r->zone) && keep(a, values[PLAIN_CLIENT], &r->client) &&
	       keep(a, values[PLAIN_ADDRESS], &r->client_address);
}

/* -- any -- */

enum err session_request_parse(
    struct bytes body, uint64_t now_s, struct arena *a, struct session_request *out, const char **why)
{
	*why = NULL;
	if (body.n == 0) {
		*why = "The body is empty; it must be a JSON object.";
		return ERR_INVALID;
	}
	struct bytes values[PLAIN_MEMBERS] = { 0 };
	struct session_request r = { 0 };
	if (parse_plain(body, values)) {
		if (!keep_plain(values, a, &r))
			return ERR_INVALID;
		*out = r;
		return OK;
	}
	json_error_t error;
	json_t *json = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL) {
		*why = arena_printf(
		    a, "The body is no JSON: %s (line %d, column %d).", error.text, error.line, error.column);
		return ERR_INVALID;
	}
	bool ok = take_all(json, now_s, a, &r, why);
	json_decref(json);
	if (!ok)
		return ERR_INVALID;
	*out = r;
	return OK;
}
