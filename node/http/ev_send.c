#include "node/http/ev_send.h"

#include "base/check.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { COPY_KEPT_BYTES = 16 << 10, COLD_PART_BYTES = 512 << 10 };

void outgoing_init(struct outgoing *o, const struct warmth_ops *warmth, struct warm_known *known)
{
	*o = (struct outgoing){ .warmth = warmth, .known = known };
	buf_init(&o->copy, OUTGOING_COPY_MAX_BYTES);
}

void outgoing_fini(struct outgoing *o)
{
	outgoing_end(o);
	buf_fini(&o->copy);
}

/* -- gathering -- */

static void add_piece(struct outgoing *o, struct piece p)
{
	CHECK(o->pieces_n < sizeof(o->pieces) / sizeof(o->pieces[0]));
	if (p.left > 0)
		o->pieces[o->pieces_n++] = p;
}

static void add_copy(struct outgoing *o, struct bytes b)
{
	struct piece *last = o->pieces_n > 0 ? &o->pieces[o->pieces_n - 1] : NULL;
	uint64_t offset = o->copy.n;
	buf_put_bytes(&o->copy, b);
	if (last != NULL && last->kind == PIECE_COPY)
		last->left += b.n;
	else
		add_piece(o, (struct piece){ .kind = PIECE_COPY, .offset = offset, .left = b.n });
}

static void add_part(struct outgoing *o, const struct http_part *part)
{
	struct piece p = { .offset = part->offset, .left = part->length };
	switch (part->kind) {
	case HTTP_PART_BYTES:
		if (!part->stable) {
			add_copy(o, part->bytes);
			return;
		}
		p = (struct piece){ .kind = PIECE_BYTES, .p = part->bytes.p, .left = part->bytes.n };
		break;
	case HTTP_PART_FILE:
		p.kind = PIECE_FILE;
		p.fd = part->fd;
		p.file = part->file;
		break;
	case HTTP_PART_GROWING:
		p.kind = PIECE_GROWING;
		if (p.left > 0)
			p.growing = growing_ref(part->growing);
		break;
	case HTTP_PART_MORE:
		p.kind = PIECE_MORE;
		o->more = part->more;
		o->more_arg = part->more_arg;
		break;
	}
	add_piece(o, p);
}

enum err outgoing_start(
    struct outgoing *o, const struct http_response *r, const struct http_head_options *options)
{
	CHECK(o->pieces_n == 0 && r->parts_n <= HTTP_PARTS_MAX);
	o->done = r->done;
	o->done_arg = r->done_arg;
	if (r->head.n > 0)
		buf_put_bytes(&o->copy, r->head);
	else
		http_response_head(&o->copy, r, options);
	o->head_bytes = o->copy.n;
	add_piece(o, (struct piece){ .kind = PIECE_COPY, .left = o->copy.n });
	if (http_response_has_body(options->method, r->status))
		for (size_t i = 0; i < r->parts_n; i++)
			add_part(o, &r->parts[i]);
	return buf_err(&o->copy);
}

/* -- sending -- */

static const uint8_t *bytes_of_piece(const struct outgoing *o, const struct piece *p)
{
	return (p->kind == PIECE_COPY ? o->copy.p : p->p) + p->offset;
}

static bool in_memory(const struct piece *p)
{
	return p->kind == PIECE_COPY || p->kind == PIECE_BYTES;
}

/* Takes n sent bytes off the pieces from o->at on. */
static void advance(struct outgoing *o, uint64_t n)
{
	o->sent_bytes += n;
	while (n > 0) {
		struct piece *p = &o->pieces[o->at];
		uint64_t part = n < p->left ? n : p->left;
		p->offset += part;
		p->left -= part;
		n -= part;
		if (p->left == 0) {
			o->at++;
			o->fetched_until = 0;
		}
	}
}

/* Does the piece have bytes to send at once? Then what stands before it waits for them, so that a
 * head and the start of a file share a segment; before a fill that has nothing yet it must not. */
static bool has_bytes_now(const struct piece *p)
{
	if (p->kind == PIECE_MORE)
		return false;
	return p->kind != PIECE_GROWING || growing_look(p->growing).published > p->offset;
}

static enum send_result after_error(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK ? SEND_AGAIN : SEND_FAILED;
}

static enum send_result send_memory(struct outgoing *o, int socket, uint64_t *budget)
{
	struct iovec iov[1 + HTTP_PARTS_MAX];
	struct msghdr m = { .msg_iov = iov };
	uint64_t room = *budget;
	unsigned i = o->at;
	for (; i < o->pieces_n && in_memory(&o->pieces[i]) && room > 0; i++) {
		const struct piece *p = &o->pieces[i];
		uint64_t n = p->left < room ? p->left : room;
		iov[m.msg_iovlen++] = (struct iovec){ (void *)(uintptr_t)bytes_of_piece(o, p), n };
		room -= n;
	}
	int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
	if (room > 0 && i < o->pieces_n && has_bytes_now(&o->pieces[i]))
		flags |= MSG_MORE;
	ssize_t sent;
	do /* nearly every answer is one piece, which the kernel takes in for less without a vector */
		sent = m.msg_iovlen == 1 ? send(socket, iov[0].iov_base, iov[0].iov_len, flags)
		                         : sendmsg(socket, &m, flags);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return after_error();
	advance(o, (uint64_t)sent);
	*budget -= (uint64_t)sent;
	return SEND_ALL;
}

/* How much of the next n bytes does not wait for a disk. Steps are looked at as a whole, for what is known of
 * one is known of all of it. */
static uint64_t warm_part(const struct outgoing *o, int fd, uint64_t n)
{
	const struct piece *p = &o->pieces[o->at];
	uint64_t warm;
	if (!o->just_fetched || p->offset >= o->fetched_until) {
		uint64_t whole =
		    (p->offset + n + WARMTH_STEP_BYTES - 1) / WARMTH_STEP_BYTES * WARMTH_STEP_BYTES - p->offset;
		warm = warmth_length(
		    o->warmth, o->known, fd, p->file, p->offset, whole < p->left ? whole : p->left, o->fetched_until);
	} else {
		warm = o->fetched_until - p->offset;
	}
	return warm < n ? warm : n;
}

static enum send_result send_file(struct outgoing *o, int socket, int fd, uint64_t n, uint64_t *budget)
{
	off_t offset = (off_t)o->pieces[o->at].offset;
	ssize_t sent;
	n = warm_part(o, fd, n < *budget ? n : *budget);
	if (n == 0)
		return SEND_COLD;
	do
		sent = sendfile(socket, fd, &offset, n);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return after_error();
	if (sent == 0)
		return SEND_FAILED; /* shorter than promised */
	advance(o, (uint64_t)sent);
	*budget -= (uint64_t)sent;
	return SEND_ALL;
}

static enum send_result send_growing(struct outgoing *o, int socket, uint64_t *budget)
{
	const struct piece *p = &o->pieces[o->at];
	struct growing_view now = growing_look(p->growing);
	/* D5: a fill that failed resets its readers, also those that had not caught up. */
	if (now.state == GROWING_FAILED)
		return SEND_FAILED;
	if (now.published <= p->offset)
		return now.state == GROWING_OPEN ? SEND_WAIT : SEND_FAILED;
	uint64_t there = now.published - p->offset;
	return send_file(o, socket, now.fd, there < p->left ? there : p->left, budget);
}

/* What stands before it is sent: nothing of it is held any longer. */
static enum send_result ask_for_more(struct outgoing *o)
{
	for (; !o->asked && o->at > 0; o->at--) {
		growing_unref(o->pieces[0].growing);
		for (unsigned i = 1; i < o->pieces_n; i++)
			o->pieces[i - 1] = o->pieces[i];
		o->pieces_n--;
	}
	if (!o->asked) {
		o->asked = true;
		o->more(o->more_arg);
	}
	if (o->refused)
		return SEND_FAILED;
	return o->asked ? SEND_ASKED : SEND_ALL;
}

void outgoing_give(struct outgoing *o, const struct http_part *part)
{
	CHECK(o->asked && o->at == 0 && o->pieces_n == 1 && o->pieces[0].kind == PIECE_MORE);
	if (part == NULL) {
		o->refused = true;
		return;
	}
	struct piece rest = o->pieces[0];
	CHECK(part->kind == HTTP_PART_FILE || part->kind == HTTP_PART_GROWING);
	CHECK(part->length > 0 && part->length <= rest.left);
	rest.left -= part->length;
	o->asked = false;
	o->pieces_n = 0;
	add_part(o, part);
	add_piece(o, rest);
}

static enum send_result send_pieces(struct outgoing *o, int socket, uint64_t *budget)
{
	while (o->at < o->pieces_n) {
		const struct piece *p = &o->pieces[o->at];
		enum send_result r;
		if (*budget == 0)
			return SEND_BUDGET;
		if (p->kind == PIECE_FILE)
			r = send_file(o, socket, p->fd, p->left, budget);
		else if (p->kind == PIECE_GROWING)
			r = send_growing(o, socket, budget);
		else if (p->kind == PIECE_MORE)
			r = ask_for_more(o);
		else
			r = send_memory(o, socket, budget);
		if (r != SEND_ALL)
			return r;
	}
	return SEND_ALL;
}

enum send_result outgoing_send(struct outgoing *o, int socket, uint64_t *budget)
{
	enum send_result r = send_pieces(o, socket, budget);
	o->just_fetched = false;
	return r;
}

struct cold_part outgoing_cold(const struct outgoing *o)
{
	CHECK(o->at < o->pieces_n && !in_memory(&o->pieces[o->at]));
	const struct piece *p = &o->pieces[o->at];
	struct cold_part c = { p->fd, p->offset, p->left };
	if (p->kind == PIECE_GROWING) {
		struct growing_view now = growing_look(p->growing);
		c.fd = now.fd;
		c.length = now.published - p->offset < p->left ? now.published - p->offset : p->left;
	}
	c.length = c.length < COLD_PART_BYTES ? c.length : COLD_PART_BYTES;
	return c;
}

void outgoing_fetched(struct outgoing *o, uint64_t until)
{
	o->fetched_until = until;
	o->just_fetched = true;
}

struct growing *outgoing_growing(const struct outgoing *o, uint64_t *seen)
{
	CHECK(o->at < o->pieces_n && o->pieces[o->at].kind == PIECE_GROWING);
	*seen = o->pieces[o->at].offset;
	return o->pieces[o->at].growing;
}

void outgoing_end(struct outgoing *o)
{
	bool whole = o->at == o->pieces_n && buf_err(&o->copy) == OK;
	struct http_end end = {
		.body_bytes_sent = o->sent_bytes > o->head_bytes ? o->sent_bytes - o->head_bytes : 0,
		.whole = whole && o->head_bytes > 0,
	};
	for (unsigned i = 0; i < o->pieces_n; i++)
		growing_unref(o->pieces[i].growing);
	void (*done)(void *arg, const struct http_end *end) = o->done;
	void *done_arg = o->done_arg;
	struct buf copy = o->copy;
	if (copy.cap > COPY_KEPT_BYTES)
		buf_fini(&copy);
	buf_clear(&copy);
	*o = (struct outgoing){ .copy = copy, .warmth = o->warmth, .known = o->known };
	if (done != NULL)
		done(done_arg, &end);
}
