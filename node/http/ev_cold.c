/* Bytes of an answer that are on a disk only are read into memory aside, and sent when they are there: one
 * slow disk never holds up a worker's other connections. */
#include "node/http/ev_conn.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define COLD_MAGIC 0x636f6c64u

/* On the heap, with a descriptor of its own: it may outlive the connection and its answer. */
struct cold_read {
	unsigned magic;
	struct aside_work work;
	struct conn *conn; /* NULL: it no longer waits */
	const struct warmth_ops *warmth;
	int fd;
	uint64_t offset, length;
};

static void cold_free(struct cold_read *r)
{
	close(r->fd);
	OBJ_FREE(r);
}

static struct cold_read *read_of(struct aside_work *w)
{
	struct cold_read *r = CONTAINER_OF(w, struct cold_read, work);
	OBJ_CHECK(r, COLD_MAGIC);
	return r;
}

static void run(struct aside_work *w)
{
	struct cold_read *r = read_of(w);
	r->warmth->fetch(r->fd, r->offset, r->length);
}

static void done(struct aside_work *w)
{
	struct cold_read *r = read_of(w);
	struct conn *c = r->conn;
	uint64_t until = r->offset + r->length;
	cold_free(r);
	if (c == NULL)
		return;
	c->cold = NULL;
	outgoing_fetched(&c->x->out, until);
	conn_run(c);
}

static void drop(struct aside_work *w)
{
	cold_free(read_of(w));
}

bool cold_begin(struct conn *c)
{
	struct http_server *s = c->worker->server;
	struct cold_part part = outgoing_cold(&c->x->out);
	struct stat st;
	struct cold_read *r = OBJ_NEW(struct cold_read, COLD_MAGIC);
	*r = (struct cold_read){ .magic = COLD_MAGIC,
		.work = { .mailbox = &c->worker->mailbox, .run = run, .done = done, .drop = drop },
		.conn = c,
		.warmth = s->warmth,
		.fd = fcntl(part.fd, F_DUPFD_CLOEXEC, 0),
		.offset = part.offset,
		.length = part.length };
	bool given = r->fd >= 0 && fstat(r->fd, &st) == 0 && aside_do(s->aside, st.st_dev, &r->work) == OK;
	if (given) {
		c->cold = r;
		return true;
	}
	/* Late is better than never: one that cannot be read aside is sent as it is. */
	outgoing_fetched(&c->x->out, part.offset + part.length);
	if (r->fd >= 0)
		close(r->fd);
	OBJ_FREE(r);
	return false;
}

void cold_forget(struct conn *c)
{
	struct cold_read *r = c->cold;
	if (r == NULL)
		return;
	c->cold = NULL;
	r->conn = NULL;
	if (aside_forget(c->worker->server->aside, &r->work))
		cold_free(r);
}
