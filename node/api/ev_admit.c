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
	case ADMITTED:
	case ADMISSION_VERDICTS: break;
	}
	return true;
}

bool admit_caller(struct admit *a, struct admission *admission, struct http_exchange *x)
{
	uint64_t wait_ms = 0;
	*a = (struct admit){ .admission = admission, .x = x };
	if (admission == NULL)
		return true;
	enum admission_verdict v = admission_caller(admission, http_request(x), &a->who, &wait_ms);
	return answer(x, v, wait_ms);
}

bool admit_session(struct admit *a, const struct session_request *r)
{
	uint64_t wait_ms = 0;
	if (a->admission == NULL)
		return true;
	enum admission_verdict v = admission_session(a->admission, &a->who, r, &wait_ms);
	return answer(a->x, v, wait_ms);
}
