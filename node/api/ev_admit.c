#include "node/api/ev_admit.h"

/* RFC 6750, section 3: what to authenticate with, and that it was tried in vain. */
static void ask_for_key(struct http_exchange *x, bool tried)
{
	struct http_field challenge = { "WWW-Authenticate",
		tried ? BYTES_LIT("Bearer realm=\"warmcast\", error=\"invalid_token\"")
		      : BYTES_LIT("Bearer realm=\"warmcast\"") };
	if (tried)
		http_problem_with(x, 401, "key-unknown", "That is no key of this api.", &challenge);
	else
		http_problem_with(
		    x, 401, "key-missing", "Sessions are created with Authorization: Bearer KEY.", &challenge);
}

static void too_many(struct http_exchange *x, const char *type, const char *detail, uint64_t wait_ms)
{
	http_problem(x, 429, type, detail, (unsigned)((wait_ms + 999) / 1000));
}

/* False when it was answered. */
static bool answer(struct http_exchange *x, enum admission_verdict v, uint64_t wait_ms)
{
	switch (v) {
	case ADMISSION_NO_KEY: ask_for_key(x, false); return false;
	case ADMISSION_UNKNOWN_KEY: ask_for_key(x, true); return false;
	case ADMISSION_PREFIX:
		http_problem(x, 403, "key-scope", "This key does not open that content or one of the prefixes.", 0);
		return false;
	case ADMISSION_ADDRESS:
		http_problem(x, 400, "malformed", "\"client_address\" must be an IP address.", 0);
		return false;
	case ADMISSION_KEY_RATE:
		too_many(x, "key-rate", "This key has created as many sessions as it may; try again later.", wait_ms);
		return false;
	case ADMISSION_CLIENT_RATE:
		too_many(x, "client-rate", "This address has created as many sessions as it may; try again later.",
		    wait_ms);
		return false;
	case ADMISSION_REPEAT_OTHER:
		http_problem(x, 422, "idempotency-key-reused",
		    "Another request came with this Idempotency-Key; use a new one for each session.", 0);
		return false;
	case ADMISSION_REPEAT_UNDER_WAY:
		http_problem(x, 409, "request-under-way", "The same request is being answered.", 1);
		return false;
	case ADMISSION_REPEAT_KEY:
		http_problem(x, 400, "malformed", "Idempotency-Key must have 1 to 255 bytes.", 0);
		return false;
	case ADMITTED:
	case ADMISSION_REPEATED:
	case ADMISSION_VERDICTS: break;
	}
	return true;
}

bool admit_caller(struct admit *a, struct admission *admission, struct http_exchange *x)
{
	uint64_t wait_ms = 0;
	a->admission = admission;
	a->x = x;
	a->repeatable = false;
	if (admission == NULL)
		return true;
	enum admission_verdict v = admission_caller(admission, http_request(x), &a->who, &wait_ms);
	return answer(x, v, wait_ms);
}

/* What is kept of an answer: its Location, a line feed, which is in no field, and its body. */
static void answer_again(struct http_exchange *x, struct bytes kept)
{
	size_t end = bytes_index(kept, '\n');
	struct http_response r = { .status = 201, .constant_fields = API_JSON_FIELDS };
	http_add(&r, "Location", bytes_head(kept, end));
	r.parts[0] = (struct http_part){ .kind = HTTP_PART_BYTES, .bytes = bytes_from(kept, end + 1) };
	r.parts_n = 1;
	http_respond(x, &r);
}

static bool is_first(struct admit *a)
{
	const struct http_request *r = http_request(a->x);
	struct bytes key = http_header(r, "Idempotency-Key"), kept;
	if (key.p == NULL)
		return true;
	enum admission_verdict v =
	    admission_repeat(a->admission, &a->who, r, key, http_arena(a->x), &a->repeat, &kept);
	a->repeatable = v == ADMITTED;
	if (v != ADMISSION_REPEATED)
		return answer(a->x, v, 0);
	answer_again(a->x, kept);
	return false;
}

bool admit_session(struct admit *a, const struct session_request *r)
{
	uint64_t wait_ms = 0;
	if (a->admission == NULL)
		return true;
	enum admission_verdict v = admission_session(a->admission, &a->who, r, &wait_ms);
	return answer(a->x, v, wait_ms) && is_first(a);
}

void admit_created(struct admit *a, struct bytes location, struct bytes body)
{
	struct buf kept;
	if (!a->repeatable)
		return;
	buf_init(&kept, location.n + 1 + body.n);
	buf_put_bytes(&kept, location);
	buf_put_u8(&kept, '\n');
	buf_put_bytes(&kept, body);
	if (buf_err(&kept) == OK && location.n > 0) {
		admission_answered(a->admission, &a->repeat, buf_bytes(&kept));
		a->repeatable = false;
	}
	buf_fini(&kept);
}

void admit_end(struct admit *a)
{
	if (a->repeatable)
		admission_failed(a->admission, &a->repeat);
	a->repeatable = false;
}
