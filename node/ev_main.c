/* warmcastd: reads its arguments and its configuration, starts a node, and waits for signals. */
#include "base/obj.h"
#include "base/version.h"
#include "node/ev_node.h"
#include "node/ev_watchdog.h"
#include "node/fs_config.h"
#include "node/fs_log.h"
#include "node/origin/curl_fetch.h"
#include "rpc/nng_link.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_BAD_USAGE = 64, CONFIG_MEMORY_MAX = 1024 * 1024 };

struct options {
	const char *config;
	bool check, version, defaults, help;
};

struct daemon {
	struct config config;
	struct arena memory; /* of config */
	struct node_secrets secrets;
	struct ev_loop *loop;
	struct node *node;
	ev_signal term, interrupt, hangup, replace;
	struct watchdog watchdog;
	struct listeners listeners;
	char **argv;
	bool leaving;   /* as somebody asked */
	bool replacing; /* and the program at argv[0] comes next */
};

static void print_help(FILE *to)
{
	fputs("usage: warmcastd --config FILE [--check-config]\n"
	      "       warmcastd --print-default-config | --version | --help\n"
	      "\n"
	      "Runs one node of a Warmcast cluster in the foreground; logs JSON lines to stdout.\n"
	      "\n"
	      "  --config FILE           the node's configuration (YAML)\n"
	      "  --check-config          read and check it, then exit: 0 good, 78 not\n"
	      "  --print-default-config  every setting with its default and its meaning\n"
	      "\n"
	      "SIGTERM drains and leaves, a second one leaves now; SIGHUP reads the configuration,\n"
	      "all keys and the certificate again; SIGUSR2 drains, and starts the program anew in the\n"
	      "same process, with the same listening sockets for viewers.\n",
	    to);
}

static bool parse_options(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check-config", no_argument, NULL, 't' },
		{ "version", no_argument, NULL, 'v' },
		{ "print-default-config", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;
	while ((c = getopt_long(argc, argv, "c:tvdh", known, NULL)) != -1) {
		switch (c) {
		case 'c': o->config = optarg; break;
		case 't': o->check = true; break;
		case 'v': o->version = true; break;
		case 'd': o->defaults = true; break;
		case 'h': o->help = true; break;
		default: return false;
		}
	}
	return optind == argc && (o->config != NULL || o->version || o->defaults || o->help);
}

static bool read_config(const char *path, struct arena *memory, struct config *c)
{
	char error[CONFIG_ERROR_MAX];
	arena_init(memory, CONFIG_MEMORY_MAX);
	if (fs_config_read(path, memory, c, error) == OK)
		return true;
	fprintf(stderr, "warmcastd: %s\n", error);
	return false;
}

static bool read_secrets(const struct config *c, struct node_secrets *s)
{
	char error[CONFIG_ERROR_MAX];
	if (fs_secrets_read(c, s, error) == OK)
		return true;
	fprintf(stderr, "warmcastd: %s\n", error);
	return false;
}

/* The descriptors that the system lets a process have: viewers and cached files need many. */
static void raise_descriptor_limit(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur == r.rlim_max)
		return;
	r.rlim_cur = r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r) != 0)
		LOG_EVENT(LOG_WARN, "node", "descriptors", "the limit of descriptors could not be raised");
}

/* -- signals -- */

static void on_leave(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)loop;
	(void)revents;
	struct daemon *d = w->data;
	d->leaving = true;
	d->replacing = false;
	node_leave(d->node);
}

/* Would it start? Afterwards it is too late. */
static bool can_be_replaced(const struct daemon *d)
{
	struct arena memory;
	struct config next;
	char error[CONFIG_ERROR_MAX];
	arena_init(&memory, CONFIG_MEMORY_MAX);
	bool good = fs_config_read(d->config.file, &memory, &next, error) == OK;
	arena_fini(&memory);
	if (good && strchr(d->argv[0], '/') != NULL && access(d->argv[0], X_OK) != 0) {
		good = false;
		snprintf(error, sizeof(error), "%s: %s", d->argv[0], strerror(errno));
	}
	if (!good)
		LOG_EVENT(LOG_ERROR, "node", "not-replaced", "what is to come would not start: this node goes on",
		    LOG_STR("error", error));
	return good;
}

static void on_replace(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)loop;
	(void)revents;
	struct daemon *d = w->data;
	if (d->leaving ? !d->replacing : !can_be_replaced(d))
		return;
	d->leaving = d->replacing = true;
	node_hand_over(d->node);
}

static void take_reload(struct daemon *d, const struct config *next)
{
	struct buf stays;
	buf_init(&stays, CONFIG_ERROR_MAX);
	config_not_reloadable(&d->config, next, &stays);
	if (stays.n > 0)
		LOG_EVENT(LOG_WARN, "config", "needs-restart",
		    "these settings changed, and need a restart to be taken",
		    LOG_BYTES("settings", buf_bytes(&stays)));
	buf_fini(&stays);
	d->config.log_level = next->log_level;
	log_set_level(next->log_level);
	LOG_EVENT(
	    LOG_INFO, "config", "reloaded", "the configuration was read again", LOG_STR("file", d->config.file));
}

static void log_kept(const char *event, const char *error)
{
	LOG_EVENT(LOG_ERROR, "rpc", event, "a file is wrong: links to come go on with what was read before",
	    LOG_STR("error", error));
}

static void reload_cluster_keys(struct daemon *d)
{
	char error[CONFIG_ERROR_MAX];
	struct cluster_keys next;
	if (d->config.cluster_key_file[0] == '\0')
		return;
	if (fs_cluster_keys_read(&d->config, &next, error) != OK) {
		log_kept("cluster-keys-kept", error);
		return;
	}
	node_set_cluster_keys(d->node, &next);
	cluster_keys_fini(&d->secrets.cluster_keys);
	d->secrets.cluster_keys = next;
	LOG_EVENT(LOG_INFO, "rpc", "cluster-keys", "the cluster's keys were read again, for links to come",
	    LOG_U64("keys", next.n), LOG_BYTES("first", key_id_bytes(&next.keys[0].id)));
	cluster_keys_fini(&next);
}

/* In place: all who sign and verify have them at once. */
static void reload_token_keys(struct daemon *d)
{
	char error[CONFIG_ERROR_MAX];
	struct token_keys next;
	struct token_key first;
	if (d->config.token_keys_file[0] == '\0')
		return;
	if (fs_token_keys_read(&d->config, &next, error) != OK) {
		LOG_EVENT(LOG_ERROR, "node", "token-keys-kept",
		    "the file is wrong: the keys that were read before stay", LOG_STR("error", error));
		return;
	}
	token_keys_take(&d->secrets.token_keys, &next);
	CHECK(token_keys_first(&next, &first));
	LOG_EVENT(LOG_INFO, "node", "token-keys", "the keys of tokens were read again",
	    LOG_U64("keys", token_keys_n(&next)), LOG_BYTES("first", key_id_bytes(&first.id)));
	sodium_memzero(&first, sizeof(first));
	token_keys_fini(&next);
}

static void reload_api_keys(struct daemon *d)
{
	char error[CONFIG_ERROR_MAX];
	struct api_keys *next = NULL;
	if (fs_api_keys_read(&d->config, &next, error) != OK) {
		LOG_EVENT(LOG_ERROR, "api", "api-keys-kept", "the file is wrong: the keys that were read before stay",
		    LOG_STR("error", error));
		return;
	}
	if (next == NULL)
		return;
	node_set_api_keys(d->node, next);
	api_keys_free(d->secrets.api_keys);
	d->secrets.api_keys = next;
	LOG_EVENT(LOG_INFO, "api", "api-keys", "the API keys were read again", LOG_U64("keys", api_keys_n(next)));
}

static void log_cert(const struct nng_cert *cert)
{
	enum { SOON_DAYS = 14 };
	uint32_t days = nng_cert_days_left(cert);
	LOG_EVENT(days < SOON_DAYS ? LOG_WARN : LOG_INFO, "rpc", "certificate",
	    days < SOON_DAYS ? "this node's certificate ends soon: renew it, then SIGHUP"
	                     : "this node's certificate was read, for links to come",
	    LOG_STR("expires", nng_cert_expiry(cert)), LOG_U64("left_days", days));
}

static void reload_cert(struct daemon *d)
{
	char error[CONFIG_ERROR_MAX];
	struct nng_cert *next = NULL;
	if (fs_cert_read(&d->config, &next, error) != OK) {
		log_kept("certificate-kept", error);
		return;
	}
	if (next == NULL)
		return;
	node_set_cert(d->node, next);
	nng_cert_free(d->secrets.cert);
	d->secrets.cert = next;
	log_cert(next);
}

static void on_reload(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)loop;
	(void)revents;
	struct daemon *d = w->data;
	struct arena memory;
	struct config next;
	char error[CONFIG_ERROR_MAX];
	arena_init(&memory, CONFIG_MEMORY_MAX);
	if (fs_config_read(d->config.file, &memory, &next, error) == OK) {
		take_reload(d, &next);
		reload_token_keys(d);
		reload_cluster_keys(d);
		reload_cert(d);
		reload_api_keys(d);
	} else {
		LOG_EVENT(LOG_ERROR, "config", "reload-failed", "the configuration is wrong; nothing was changed",
		    LOG_STR("error", error));
	}
	arena_fini(&memory);
}

static void watch(struct daemon *d, ev_signal *w, void (*on)(struct ev_loop *, ev_signal *, int), int signum)
{
	ev_signal_init(w, on, signum);
	w->data = d;
	ev_signal_start(d->loop, w);
}

/* Whoever is not ready for it yet, or no more, must not end by it; who is executed inherits that. */
static void ignore_replacing(void)
{
	CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
}

static void unwatch(struct daemon *d)
{
	ev_signal_stop(d->loop, &d->term);
	ev_signal_stop(d->loop, &d->interrupt);
	ev_signal_stop(d->loop, &d->hangup);
	ev_signal_stop(d->loop, &d->replace);
	ignore_replacing();
}

static int run(struct daemon *d)
{
	int status = 0;
	d->loop = ev_default_loop(EVFLAG_AUTO);
	CHECK(d->loop != NULL);
	log_init(d->config.node, d->config.log_level, STDOUT_FILENO);
	raise_descriptor_limit();
	watchdog_start(&d->watchdog, d->loop);
	bool again = listeners_inherit(&d->listeners) == OK;
	status = again ? 0 : NODE_EXIT_CONFIG;
	while (again && !d->leaving) {
		d->node = node_start(&d->config, &d->secrets, &d->listeners, d->loop, &status);
		if (d->node == NULL)
			break;
		if (d->secrets.cert != NULL)
			log_cert(d->secrets.cert);
		watch(d, &d->term, on_leave, SIGTERM);
		watch(d, &d->interrupt, on_leave, SIGINT);
		watch(d, &d->hangup, on_reload, SIGHUP);
		watch(d, &d->replace, on_replace, SIGUSR2);
		ev_run(d->loop, 0);
		unwatch(d);
		status = node_was_expelled(d->node) ? NODE_EXIT_EXPELLED : 0;
		again = node_stop(d->node);
		LOG_EVENT(LOG_INFO, "node", "stopped", "this node has left");
	}
	watchdog_stop(&d->watchdog, d->loop);
	ev_loop_destroy(d->loop);
	return status;
}

/* As it was called, so that a link to a newer program is followed. */
static int replace(struct listeners *l, char **argv)
{
	enum err e = listeners_pass_on(l);
	if (e == OK) {
		execvp(argv[0], argv);
		e = err_from_errno(errno);
	}
	LOG_EVENT(LOG_ERROR, "node", "replace-failed", "the program could not be executed anew",
	    LOG_STR("program", argv[0]), LOG_STR("error", err_str(e)));
	return NODE_EXIT_SYSTEM;
}

static int start(const struct options *o, char **argv)
{
	struct daemon *d = calloc(1, sizeof(*d));
	CHECK(d != NULL);
	d->argv = argv;
	int status = NODE_EXIT_CONFIG;
	CHECK(fetch_init() == OK);
	if (read_config(o->config, &d->memory, &d->config) && read_secrets(&d->config, &d->secrets))
		status = o->check ? 0 : run(d);
	fs_secrets_fini(&d->secrets);
	fetch_exit();
	nng_links_exit();
	if (d->replacing && status == 0)
		status = replace(&d->listeners, argv);
	arena_fini(&d->memory);
	free(d);
	return status;
}

static int print_defaults(void)
{
	struct buf out;
	buf_init(&out, CONFIG_MEMORY_MAX);
	config_print_default(&out);
	CHECK(buf_err(&out) == OK);
	size_t n = fwrite(out.p, 1, out.n, stdout);
	int status = n == out.n && fflush(stdout) == 0 ? 0 : NODE_EXIT_SYSTEM;
	buf_fini(&out);
	return status;
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	if (!parse_options(argc, argv, &o)) {
		print_help(stderr);
		return EXIT_BAD_USAGE;
	}
	/* A viewer who leaves while bytes are sent is an error of send, not a signal. */
	CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	ignore_replacing();
	CHECK(sodium_init() >= 0);
	if (o.help) {
		print_help(stdout);
		return 0;
	}
	if (o.version) {
		printf("warmcastd %s\n", warmcast_version);
		return 0;
	}
	return o.defaults ? print_defaults() : start(&o, argv);
}
