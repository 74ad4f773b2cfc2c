/* A viewer without manners: sends what it is told and takes answers apart, over a plain socket.
 * Every wait ends after 20 s and fails the test.
 */
#ifndef TESTS_RAW_CLIENT_H
#define TESTS_RAW_CLIENT_H

#include "base/bytes.h"

#include <stdint.h>

struct raw {
	int fd;
	struct buf in;
	size_t at; /* consumed */
};

struct raw_answer {
	int status;
	char head[8192];
	uint8_t *body; /* malloc'd, NUL-terminated */
	size_t body_n;
};

enum raw_end { RAW_EOF, RAW_RESET, RAW_DATA };

void raw_connect(struct raw *c, int port);
void raw_close(struct raw *c);
/* Closes with a reset. */
void raw_abort(struct raw *c);
void raw_send(struct raw *c, struct bytes b);
void raw_say(struct raw *c, const char *text);
/* Reads one answer; `head_only` for the answer to a HEAD. False when the connection ended first. */
bool raw_answer(struct raw *c, struct raw_answer *a, bool head_only);
/* Reads until n more bytes are there. False when the connection ended first. */
bool raw_need(struct raw *c, size_t n);
struct bytes raw_take(struct raw *c, size_t n);
/* How the connection ends; RAW_DATA when something came instead. */
enum raw_end raw_end(struct raw *c);
void raw_answer_free(struct raw_answer *a);
/* The value of a field of the head, or "" */
const char *raw_field(const struct raw_answer *a, const char *name, char out[256]);

#endif
