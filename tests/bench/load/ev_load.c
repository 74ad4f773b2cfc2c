#include "tests/bench/load/ev_load.h"

#include "base/obj.h"
#include "tests/bench/load/arrivals.h"
#include "tests/bench/load/ev_resolve.h"
#include "tests/bench/load/ev_viewer.h"
#include "tests/bench/load/fs_trace.h"
#include "tests/bench/load/report.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define LOAD_MAGIC 0x6c6f6164u

enum { PROGRESS_MAX = 512, AT_ONCE_MAX = 1000 };

struct load {
	unsigned magic;
	const struct options *options;
	struct counts *counts;
	struct viewing viewing;
	struct arrivals arrivals;
	struct prng prng;
	struct trace_file trace;
	char *error;
	bool failed, closed; /* closed: nobody comes any more */
	uint64_t began_ns;
	struct trace_line next; /* who comes next; of arrivals only at_ns */
	uint64_t opened;        /* for taking the api nodes in turn */
	uint64_t created_before;
	int timer_fd; /* nanoseconds: libev's timers have whole milliseconds */
	ev_io timer;
	ev_timer progress, linger;
	ev_signal interrupted, terminated;
};

/* -- who comes when -- */

static void close_door(struct load *l);

/* Looks up who comes next; false when nobody does. */
static bool next_viewer(struct load *l)
{
	const struct options *o = l->options;
	char error[TRACE_ERROR_MAX];
	if (o->trace == NULL) {
		l->next.at_ns = arrivals_next(&l->arrivals);
	} else {
		enum trace_result t = trace_next(&l->trace, &l->next, error);
		if (t == TRACE_BAD) {
			(void)snprintf(l->error, LOAD_ERROR_MAX, "%s", error);
			l->failed = true;
		}
		if (t != TRACE_LINE)
			return false;
	}
	return o->duration_s == 0 || (double)l->next.at_ns < o->duration_s * 1e9;
}

static void set_timer(struct load *l)
{
	uint64_t at_ns = l->began_ns + l->next.at_ns;
	struct itimerspec t = { .it_value = { (time_t)(at_ns / 1000000000), (long)(at_ns % 1000000000) } };
	CHECK(timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &t, NULL) == 0);
}

static void open_one(struct load *l)
{
	const struct options *o = l->options;
	if (o->trace == NULL)
		popularity_draw(&o->popularity, &l->prng, l->next.at_ns / 1000000, l->next.content);
	viewer_open(&l->viewing, l->next.content, l->opened++ % o->apis_n, l->began_ns + l->next.at_ns);
}

static void on_timer(struct ev_loop *loop, ev_io *w, int events)
{
	struct load *l = OBJ_CAST(struct load, LOAD_MAGIC, w->data);
	uint64_t ignored;
	(void)loop, (void)events;
	if (l->closed || read(l->timer_fd, &ignored, sizeof(ignored)) < 0)
		return;
	/* When this program is behind, answers are looked at between two bunches of viewers. */
	for (unsigned n = 0; n < AT_ONCE_MAX && l->began_ns + l->next.at_ns <= client_now_ns(); n++) {
		open_one(l);
		if (!next_viewer(l)) {
			close_door(l);
			return;
		}
	}
	set_timer(l);
}

/* -- the end -- */

static void stop(struct load *l)
{
	ev_break(l->viewing.loop, EVBREAK_ALL);
}

static void on_idle(void *arg)
{
	struct load *l = OBJ_CAST(struct load, LOAD_MAGIC, arg);
	if (l->closed)
		stop(l);
}

static void on_linger(struct ev_loop *loop, ev_timer *w, int events)
{
	struct load *l = OBJ_CAST(struct load, LOAD_MAGIC, w->data);
	(void)loop, (void)events;
	stop(l);
}

/* Nobody comes any more; those who are there are waited for. */
static void close_door(struct load *l)
{
	const struct options *o = l->options;
	uint64_t now_ns = client_now_ns() - l->began_ns;
	uint64_t planned_ns = (uint64_t)(o->duration_s * 1e9);
	l->closed = true;
	/* The last viewer comes a little before the end of the time in which they were to come. */
	l->counts->opening_ns =
	    planned_ns > 0 && now_ns < planned_ns && planned_ns - now_ns < 1000000000 ? planned_ns : now_ns;
	ev_io_stop(l->viewing.loop, &l->timer);
	if (l->viewing.first == NULL) {
		stop(l);
		return;
	}
	/* An answer under way may take its time even when nobody plays. */
	double wait_s = o->pace > 0 && o->linger_s > o->timeout_s ? o->linger_s : o->timeout_s + 0.1;
	ev_timer_set(&l->linger, wait_s, 0);
	ev_timer_start(l->viewing.loop, &l->linger);
}

static void on_signal(struct ev_loop *loop, ev_signal *w, int events)
{
	struct load *l = OBJ_CAST(struct load, LOAD_MAGIC, w->data);
	(void)loop, (void)events;
	if (l->closed)
		stop(l);
	else
		close_door(l);
}

/* -- progress -- */

static void clear_line(void)
{
	fputs("\r\033[K", stderr);
}

static void on_progress(struct ev_loop *loop, ev_timer *w, int events)
{
	struct load *l = OBJ_CAST(struct load, LOAD_MAGIC, w->data);
	struct buf line;
	(void)loop, (void)events;
	buf_init(&line, PROGRESS_MAX);
	report_progress(l->counts, client_now_ns() - l->began_ns, l->counts->created - l->created_before, &line);
	l->created_before = l->counts->created;
	clear_line();
	fwrite(line.p, 1, line.n, stderr);
	fflush(stderr);
	buf_fini(&line);
}

/* -- a run -- */

/* As many open files as the system lets us have; a run that needs more says so by its errors. */
static void raise_limit(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

static bool names_resolve(struct load *l)
{
	struct endpoint e;
	for (size_t i = 0; i < l->options->apis_n; i++) {
		const char *api = l->options->apis[i];
		if (resolve(bytes_str(api), &e) != OK) {
			(void)snprintf(l->error, LOAD_ERROR_MAX, "%s: no such host", api);
			return false;
		}
		struct api_count *a = &l->counts->apis[l->counts->apis_n++];
		(void)snprintf(a->address, sizeof(a->address), "%s", api);
	}
	return true;
}

static void watch_signal(struct load *l, ev_signal *w, int number)
{
	ev_signal_init(w, on_signal, number);
	w->data = l;
	ev_signal_start(l->viewing.loop, w);
	ev_unref(l->viewing.loop);
}

static void start(struct load *l)
{
	struct ev_loop *loop = l->viewing.loop;
	ev_io_init(&l->timer, on_timer, l->timer_fd, EV_READ);
	ev_timer_init(&l->progress, on_progress, 1, 1);
	ev_timer_init(&l->linger, on_linger, 0, 0);
	l->timer.data = l->progress.data = l->linger.data = l;
	watch_signal(l, &l->interrupted, SIGINT);
	watch_signal(l, &l->terminated, SIGTERM);
	if (isatty(STDERR_FILENO))
		ev_timer_start(loop, &l->progress);
	ev_io_start(loop, &l->timer);
	l->began_ns = client_now_ns();
	if (next_viewer(l))
		set_timer(l);
	else
		close_door(l);
}

static bool run(struct load *l)
{
	const struct options *o = l->options;
	struct viewing *v = &l->viewing;
	*v = (struct viewing){ .options = o, .counts = l->counts, .idle = on_idle, .arg = l };
	v->loop = ev_loop_new(EVFLAG_AUTO);
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	CHECK(v->loop != NULL && l->timer_fd >= 0);
	v->client = client_new(v->loop, o->connections, o->timeout_s);
	start(l);
	/* A trace that ends before its first line closes the door at once. */
	if (!l->closed || v->first != NULL)
		ev_run(v->loop, 0);
	l->counts->elapsed_ns = client_now_ns() - l->began_ns;
	viewers_cut_off(v);
	if (ev_is_active(&l->progress))
		clear_line();
	client_free(v->client);
	(void)close(l->timer_fd);
	ev_loop_destroy(v->loop);
	return !l->failed;
}

bool load_run(const struct options *o, struct counts *c, char error[LOAD_ERROR_MAX])
{
	struct load *l = OBJ_NEW(struct load, LOAD_MAGIC);
	char why[TRACE_ERROR_MAX];
	l->options = o;
	l->counts = c;
	l->error = error;
	prng_init(&l->prng, o->seed);
	arrivals_init(&l->arrivals, o->rate_s, o->poisson, o->seed + 1);
	raise_limit();
	bool fine = names_resolve(l);
	if (fine && o->trace != NULL) {
		fine = trace_open(&l->trace, o->trace, why);
		if (!fine)
			(void)snprintf(error, LOAD_ERROR_MAX, "%s", why);
	}
	fine = fine && run(l);
	if (o->trace != NULL)
		trace_close(&l->trace);
	OBJ_FREE(l);
	return fine;
}
