/* The answers of admission: what a request that may not create a session is told. (ev_admission.h decides.)
 *
 * Threading: the worker's.
 */
#ifndef NODE_API_EV_ADMIT_H
#define NODE_API_EV_ADMIT_H

#include "node/api/ev_admission.h"

/* What the answers that carry a session have in common; of the fields that pages of other origins may read,
 * only the one that such an answer has. Kept short: the kernel copies an answer into memory that another core
 * used last, which is the dearest thing that it does for one. */
#define API_JSON_FIELDS                                             \
	"Content-Type: application/json\r\nCache-Control: no-store\r\n" \
	"Access-Control-Allow-Origin: *\r\n"                            \
	"Access-Control-Expose-Headers: Location\r\n"

/* One creation on its way. */
struct admit {
	struct admission *admission; /* NULL: everybody may, without limit */
	struct http_exchange *x;
	struct caller who;
	struct repeat_id repeat;
	bool repeatable; /* what is answered is to be kept under `repeat` */
};

/* Before the body is read. False: it was answered. */
bool admit_caller(struct admit *a, struct admission *admission, struct http_exchange *x);
/* When it is known what is wanted. False: it was answered, refused or with what the same request was answered
 * before. */
bool admit_session(struct admit *a, const struct session_request *r);
/* It is about to be answered with 201. */
void admit_created(struct admit *a, struct bytes location, struct bytes body);
/* It was answered. */
void admit_end(struct admit *a);

#endif
