#include "node/origin/curl_lane.h"

#include "base/obj.h"
#include "base/version.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	BUFFER_BYTES = 64 * 1024,
	CONNECTIONS_MAX = 4, /* kept by one lane: a store, and where it redirects to */
	POLL_MS = 1000,      /* libcurl wakes earlier for its own timers */
	AGENT_MAX = 128,
	REFUSAL_BYTES_MAX = 65536, /* read of a body that nobody wants, to keep the connection */
};

#define SET(easy, option, value) CHECK(curl_easy_setopt((easy), (option), (value)) == CURLE_OK)

bool lane_brings_object(const struct lane *l)
{
	return l->head.status == 200 || (l->head.status == 206 && l->asks_part);
}

/* -- what libcurl calls -- */

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	struct lane *l = OBJ_CAST(struct lane, LANE_MAGIC, arg);
	l->waited_bytes += size * n;
	if (l->head_over)
		return size * n;
	store_head_line(&l->head, bytes_of(p, size * n));
	l->head_over = store_head_is_final(&l->head, l->follows);
	return size * n;
}

static size_t take_refusal(struct lane *l, const char *p, size_t n)
{
	size_t kept = sizeof(l->refusal) - l->refusal_n < n ? sizeof(l->refusal) - l->refusal_n : n;
	memcpy(l->refusal + l->refusal_n, p, kept);
	l->refusal_n += kept;
	l->dropped += n;
	return l->dropped <= REFUSAL_BYTES_MAX ? n : 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct lane *l = OBJ_CAST(struct lane, LANE_MAGIC, arg);
	n *= size;
	if (!lane_brings_object(l)) {
		l->waited_bytes += n;
		return take_refusal(l, p, n);
	}
	l->begun = true;
	size_t left = l->room - l->got;
	if (left == 0 || n > left + sizeof(l->rest)) {
		l->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	size_t now = n < left ? n : left;
	memcpy(l->to + l->got, p, now);
	memcpy(l->rest, p + now, n - now);
	l->got += now;
	l->rest_at = 0;
	l->rest_n = n - now;
	l->waited_bytes += n;
	return n;
}

/* -- life -- */

struct lane *lane_new(const struct fetch_limits *limits, const atomic_bool *stopping)
{
	struct lane *l = OBJ_NEW(struct lane, LANE_MAGIC);
	l->limits = limits;
	l->stopping = stopping;
	l->multi = curl_multi_init();
	l->easy = curl_easy_init();
	if (l->multi == NULL || l->easy == NULL) {
		lane_free(l);
		return NULL;
	}
	CHECK(curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX) == CURLM_OK);
	return l;
}

void lane_free(struct lane *l)
{
	curl_easy_cleanup(l->easy);
	(void)curl_multi_cleanup(l->multi);
	OBJ_FREE(l);
}

void lane_wake(struct lane *l)
{
	(void)curl_multi_wakeup(l->multi);
}

/* -- pumping -- */

static uint64_t now_ms(void)
{
	struct timespec t;
	CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static enum err perform(struct lane *l)
{
	int running, left;
	CURLMcode code = curl_multi_perform(l->multi, &running);
	if (code != CURLM_OK)
		return code == CURLM_OUT_OF_MEMORY ? ERR_NO_MEMORY : ERR_IO;
	for (CURLMsg *m; (m = curl_multi_info_read(l->multi, &left)) != NULL;)
		if (m->msg == CURLMSG_DONE && m->easy_handle == l->easy) {
			l->over = true;
			l->result = m->data.result;
		}
	return OK;
}

/* Too little in too much waiting: only the time in here counts. */
static enum err wait(struct lane *l)
{
	bool begun = l->begun || (l->limits->head_is_first && l->head_over);
	uint64_t before = now_ms(), limit_ms = l->head_over ? l->limits->first_byte_ms : l->head_ms;
	if (begun)
		limit_ms = l->limits->stall_ms;
	uint64_t left_ms = l->waited_ms < limit_ms ? limit_ms - l->waited_ms : 1;
	if (curl_multi_poll(l->multi, NULL, 0, left_ms < POLL_MS ? (int)left_ms : POLL_MS, NULL) != CURLM_OK)
		return ERR_NO_MEMORY;
	l->waited_ms += now_ms() - before;
	if (l->waited_ms < limit_ms)
		return OK;
	bool slow = l->waited_bytes < (uint64_t)l->limits->slow_bytes * l->waited_ms / 1000;
	l->waited_ms = 0;
	l->waited_bytes = 0;
	return slow ? ERR_TIMEOUT : OK;
}

static bool is_out_of_descriptors(struct lane *l)
{
	long errnum = 0;
	(void)curl_easy_getinfo(l->easy, CURLINFO_OS_ERRNO, &errnum);
	return errnum == EMFILE || errnum == ENFILE;
}

static enum err translate(struct lane *l)
{
	switch (l->result) {
	case CURLE_OK: return OK;
	case CURLE_OPERATION_TIMEDOUT: return ERR_TIMEOUT;
	case CURLE_COULDNT_CONNECT: return is_out_of_descriptors(l) ? ERR_FULL : ERR_IO;
	case CURLE_OUT_OF_MEMORY: return ERR_NO_MEMORY;
	case CURLE_URL_MALFORMAT: return ERR_INVALID;
	case CURLE_PARTIAL_FILE:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_UNSUPPORTED_PROTOCOL: /* a redirect to one */
	case CURLE_TOO_MANY_REDIRECTS:
	case CURLE_WEIRD_SERVER_REPLY: return ERR_CORRUPT;
	case CURLE_WRITE_ERROR: /* a refusal that was too long: its head counts */ return OK;
	default: return ERR_IO;
	}
}

/* Performs until `enough`, or the transfer is over. */
static enum err pump(struct lane *l, bool (*enough)(const struct lane *l))
{
	for (;;) {
		if (atomic_load(l->stopping))
			return ERR_CLOSED;
		size_t got;
		enum err e;
		do { /* what is there already, as far as there is room */
			got = l->got;
			e = l->over ? OK : perform(l);
		} while (e == OK && l->got > got && l->got < l->room);
		if (e != OK || enough(l))
			return e;
		if (l->over)
			return translate(l);
		e = wait(l);
		if (e != OK)
			return e;
	}
}

/* -- a transfer -- */

static void set_common(struct lane *l, const struct fetch_request *r)
{
	SET(l->easy, CURLOPT_URL, r->url);
	SET(l->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(l->easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	SET(l->easy, CURLOPT_PATH_AS_IS, 1L);
	SET(l->easy, CURLOPT_NOSIGNAL, 1L);
	SET(l->easy, CURLOPT_QUICK_EXIT, 1L); /* no wait for a name that does not resolve */
	SET(l->easy, CURLOPT_PROXY, "");
	SET(l->easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(l->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)l->limits->connect_ms);
	SET(l->easy, CURLOPT_TCP_KEEPALIVE, 1L);
	SET(l->easy, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES);
	SET(l->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	char agent[AGENT_MAX];
	snprintf(agent, sizeof(agent), "warmcast/%s", warmcast_version);
	SET(l->easy, CURLOPT_USERAGENT, agent);
	SET(l->easy, CURLOPT_ERRORBUFFER, l->error);
	SET(l->easy, CURLOPT_HEADERFUNCTION, on_header);
	SET(l->easy, CURLOPT_HEADERDATA, l);
	SET(l->easy, CURLOPT_WRITEFUNCTION, on_body);
	SET(l->easy, CURLOPT_WRITEDATA, l);
	SET(l->easy, CURLOPT_NOBODY, r->head_only ? 1L : 0L);
	SET(l->easy, CURLOPT_FOLLOWLOCATION, r->redirects_max > 0 ? 1L : 0L);
	SET(l->easy, CURLOPT_MAXREDIRS, (long)r->redirects_max);
}

static enum err set_up(struct lane *l, const struct fetch_request *r)
{
	curl_easy_reset(l->easy);
	set_common(l, r);
	if (r->ca_file != NULL && *r->ca_file != '\0') {
		SET(l->easy, CURLOPT_CAINFO, r->ca_file);
		SET(l->easy, CURLOPT_CAPATH, NULL);
	}
	char range[2 * 20 + 2];
	if (r->part_length > 0) {
		(void)snprintf(
		    range, sizeof(range), "%" PRIu64 "-%" PRIu64, r->part_start, r->part_start + r->part_length - 1);
		SET(l->easy, CURLOPT_RANGE, range);
	}
	for (const char *const *field = r->fields; field != NULL && *field != NULL; field++) {
		struct curl_slist *longer = curl_slist_append(l->fields, *field);
		if (longer == NULL)
			return ERR_NO_MEMORY;
		l->fields = longer;
	}
	SET(l->easy, CURLOPT_HTTPHEADER, l->fields);
	if (r->sigv4 != NULL) {
		SET(l->easy, CURLOPT_AWS_SIGV4, r->sigv4);
		SET(l->easy, CURLOPT_USERNAME, r->user);
		SET(l->easy, CURLOPT_PASSWORD, r->password);
	}
	return curl_multi_add_handle(l->multi, l->easy) == CURLM_OK ? OK : ERR_NO_MEMORY;
}

static void clear(struct lane *l, const struct fetch_request *r)
{
	l->head = (struct store_head){ .status = 0 };
	l->head_ms = l->limits->first_byte_ms;
	if (r->head_ms > 0 && r->head_ms < l->head_ms)
		l->head_ms = r->head_ms;
	l->follows = r->redirects_max > 0;
	l->head_over = l->begun = l->paused = l->over = false;
	l->head_only = r->head_only;
	l->asks_part = r->part_length > 0;
	l->result = CURLE_OK;
	l->error[0] = '\0';
	l->to = NULL;
	l->room = l->got = l->rest_at = l->rest_n = l->refusal_n = l->dropped = 0;
	l->waited_ms = l->waited_bytes = 0;
}

/* A refusal says why in its body, and its connection is worth keeping. */
static bool is_answered(const struct lane *l)
{
	return l->head_over && !l->head_only && lane_brings_object(l);
}

enum err lane_start(struct lane *l, const struct fetch_request *r)
{
	clear(l, r);
	enum err e = set_up(l, r);
	if (e == OK)
		e = pump(l, is_answered);
	return e == OK && !l->head_over ? ERR_CORRUPT : e;
}

static bool has_some(const struct lane *l)
{
	return l->got > 0;
}

static size_t take_rest(struct lane *l, uint8_t *to, size_t room)
{
	size_t n = l->rest_n < room ? l->rest_n : room;
	memcpy(to, l->rest + l->rest_at, n);
	l->rest_at += n;
	l->rest_n -= n;
	return n;
}

static enum err unpause(struct lane *l)
{
	if (!l->paused || l->over)
		return OK;
	l->paused = false;
	return curl_easy_pause(l->easy, CURLPAUSE_CONT) == CURLE_OK ? OK : ERR_IO;
}

enum err lane_read(struct lane *l, uint8_t *to, size_t room, size_t *n)
{
	size_t got = take_rest(l, to, room);
	if (got > 0 || room == 0) {
		*n = got;
		return OK;
	}
	l->to = to;
	l->room = room;
	l->got = 0;
	enum err e = unpause(l);
	if (e == OK)
		e = pump(l, has_some);
	got = l->got;
	l->to = NULL;
	l->room = l->got = 0;
	if (e == OK)
		*n = got;
	return e;
}

/* Something more came, which nobody wants. */
static bool has_more(const struct lane *l)
{
	return l->paused;
}

enum err lane_finish(struct lane *l)
{
	enum err e = unpause(l);
	if (e == OK)
		e = pump(l, has_more);
	return e == OK && (l->paused || l->rest_n > 0) ? ERR_CORRUPT : e;
}

void lane_end(struct lane *l)
{
	(void)curl_multi_remove_handle(l->multi, l->easy);
	curl_easy_reset(l->easy);
	curl_slist_free_all(l->fields);
	l->fields = NULL;
}

bool lane_tells_end(const struct lane *l)
{
	long version = CURL_HTTP_VERSION_NONE;
	(void)curl_easy_getinfo(l->easy, CURLINFO_HTTP_VERSION, &version);
	return l->head.chunked || l->head.has_length || version > CURL_HTTP_VERSION_1_1;
}

void lane_fault(const struct lane *l, enum err e, char *out, size_t room)
{
	const char *words = l->error;
	if (*words == '\0')
		words = l->over && l->result != CURLE_OK ? curl_easy_strerror(l->result)
		        : e == ERR_TIMEOUT               ? "it is too slow, or has stalled"
		                                         : err_str(e);
	(void)snprintf(out, room, "%s", words);
}
