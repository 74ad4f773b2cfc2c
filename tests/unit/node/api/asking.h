/* Requests to the session API, and their answers as a viewer's program reads them. */
#ifndef TESTS_UNIT_NODE_API_ASKING_H
#define TESTS_UNIT_NODE_API_ASKING_H

#include "fake_http.h"
#include "fixture.h"

#include <jansson.h>

struct answer {
	struct http_exchange x;
	json_t *json; /* NULL without a body */
};

/* Hands a->x, which is ready, to the api and reads the answer. */
void answer_of(struct fixture *f, struct answer *a);
struct answer ask_typed(
    struct fixture *f, enum http_method m, const char *path, const char *body, const char *type);
struct answer ask(struct fixture *f, enum http_method m, const char *path, const char *body);
struct answer ask_session(struct fixture *f, enum http_method m, const char *handle, const char *verb);
void over(struct answer *a);

/* A string of the answer. */
const char *member(const struct answer *a, const char *key);
void assert_problem(struct answer *a, int status, const char *type);
void assert_refused(
    struct fixture *f, enum http_method m, const char *path, const char *body, int status, const char *type);

#endif
