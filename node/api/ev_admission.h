/* Who may create a session now: API keys, rates of keys and of client addresses, shared by all workers.
 *
 * What each rule is lies in pure files (api_keys.h, limits.h, client_address.h); here are the locks around
 * them and the order in which they are asked. Heartbeats, GET and DELETE are not admitted: a session's id is
 * a signed capability of its own.
 *
 * Threading: admission_caller and admission_session from any worker; admission_set_keys from control.
 * Bounds: ADMISSION_CLIENTS addresses, ADMISSION_KEYS keys; past them the bucket nearest to full is
 * forgotten.
 */
#ifndef NODE_API_EV_ADMISSION_H
#define NODE_API_EV_ADMISSION_H

#include "base/hash.h"
#include "node/api/api_keys.h"
#include "node/api/client_address.h"
#include "node/api/ev_repeats.h"
#include "node/api/session_request.h"

#include <stdatomic.h>

enum { ADMISSION_CLIENTS = 65536, ADMISSION_KEYS = 4096 };

enum admission_verdict {
	ADMITTED,
	ADMISSION_NO_KEY,
	ADMISSION_UNKNOWN_KEY,
	ADMISSION_PREFIX,  /* the key does not open that content, or one of the prefixes asked for */
	ADMISSION_ADDRESS, /* client_address is none, and would be believed */
	ADMISSION_KEY_RATE,
	ADMISSION_CLIENT_RATE,
	ADMISSION_REPEATED,         /* not refused: it has its answer already */
	ADMISSION_REPEAT_OTHER,     /* its Idempotency-Key came with another body before */
	ADMISSION_REPEAT_UNDER_WAY, /* another worker is at the same request */
	ADMISSION_REPEAT_KEY,       /* its Idempotency-Key is empty or too long */
	ADMISSION_VERDICTS
};
/* As the label of a metric; never NULL. */
const char *admission_verdict_str(enum admission_verdict v);

/* Who asks, as far as it is known. */
struct caller {
	bool has_key;
	struct api_key key;
	/* The peer's, or what trusted proxies say. */
	struct client_address address;
	bool believed; /* what it says of client_address counts */
};

struct admission;

struct admission_config {
	const struct config *config;
	const struct api_keys *keys; /* NULL: everybody may. Borrowed until admission_set_keys or _free returns */
	struct hash_key secret;      /* random */
	uint64_t (*now_mono_ms)(void);
};

struct admission *admission_new(const struct admission_config *c);
void admission_free(struct admission *a); /* NULL is fine */
/* The former ones are not used any more when it returns. Not NULL. */
void admission_set_keys(struct admission *a, const struct api_keys *keys);

/* Before the body is read: a key where one is needed, and the rate of an address that no body can change.
 * *wait_ms is set with a verdict of a rate. */
enum admission_verdict admission_caller(
    struct admission *a, const struct http_request *r, struct caller *who, uint64_t *wait_ms);
/* The rest. */
enum admission_verdict admission_session(
    struct admission *a, const struct caller *who, const struct session_request *r, uint64_t *wait_ms);
/* One that is admitted and has an Idempotency-Key, which is the caller's own: of his API key or, without one,
 * of the address that he comes from. ADMITTED: admission_answered or admission_failed follows, with that id.
 * ADMISSION_REPEATED: *answer is what was given to admission_answered, in the arena. */
enum admission_verdict admission_repeat(struct admission *a, const struct caller *who, struct bytes key,
    struct bytes body, struct arena *arena, struct repeat_id *id, struct bytes *answer);
void admission_answered(struct admission *a, const struct repeat_id *id, struct bytes answer);
void admission_failed(struct admission *a, const struct repeat_id *id);
/* How often each verdict was given; of ADMITTED by admission_session. */
void admission_count(const struct admission *a, uint64_t out[ADMISSION_VERDICTS]);

#endif
