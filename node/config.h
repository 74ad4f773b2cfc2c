/* The configuration of a node: read from YAML by one table of settings (config_table.c), which also
 * prints the defaults and the errors.
 *
 * Every error is one line, "FILE:LINE: KEY: what is wrong; what is allowed", and changes nothing.
 * Secrets are files, never values. Immutable after reading: any thread may read it.
 */
#ifndef NODE_CONFIG_H
#define NODE_CONFIG_H

#include "base/arena.h"

enum {
	CONFIG_LIST_MAX = 16,    /* addresses, seeds, disks, origins, rules of one list */
	CONFIG_ERROR_MAX = 1024, /* characters of an error line */
};

struct config_strings {
	const char *v[CONFIG_LIST_MAX];
	size_t n;
};

enum origin_type { ORIGIN_DIR, ORIGIN_HTTP, ORIGIN_S3 };

struct config_origin {
	const char *name;  /* [A-Za-z0-9_-], 1-32 */
	const char *match; /* prefix of content ids; "" = all */
	enum origin_type type;
	/* Those of other types are "" and 0. */
	const char *path;                                          /* of dir: absolute */
	const char *url_template;                                  /* of http: node/origin/object_url.h */
	const char *endpoint, *bucket, *region, *credentials_file; /* of s3 */
	uint32_t path_style, etag_md5;                             /* of s3: 0 or 1 */
	const char *ca_file;                                       /* of http and s3; "" = the system's */
};

struct config_disk {
	const char *path;
	uint64_t size_bytes;
};

enum object_class { CLASS_PLAYLIST, CLASS_SEGMENT, CLASS_KEY, CLASS_OTHER };

struct config_rule {
	const char *suffix;
	enum object_class class;
};

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct config {
	const char *file;
	const char *cluster, *node, *zone, *data_dir;
	uint32_t roles; /* RPC_ROLE_* bits */
	struct config_strings listen_http;
	const char *listen_rpc, *listen_admin;
	struct config_strings advertise_http; /* URLs; default: made of listen_http */
	const char *advertise_rpc, *advertise_api;
	struct config_strings seeds;
	uint32_t workers; /* 0 = one a core */
	struct config_origin origins[CONFIG_LIST_MAX];
	size_t origins_n;
	struct config_disk disks[CONFIG_LIST_MAX];
	size_t disks_n;
	uint64_t ram_bytes;
	const char *pace;          /* config_value_pace; "" = none */
	uint32_t prefetch_objects; /* ahead of a viewer; 0 = none */
	uint32_t capacity_sessions, capacity_mbps;
	uint32_t reserve_permille;
	uint64_t renew_after_ms, not_after_ms, idle_timeout_ms, start_within_ms;
	uint32_t client_rate_per_min; /* sessions created by one address; 0 = no limit */
	uint32_t client_burst;
	uint32_t revocations_max;
	const char *token_keys_file, *cluster_key_file, *api_keys_file; /* "" = none */
	const char *tls_ca_file, *tls_cert_file, *tls_key_file;         /* all, or all "": no TLS */
	struct config_strings trusted_proxies;
	struct config_rule rules[CONFIG_LIST_MAX];
	size_t rules_n;
	enum log_level log_level;
	const char *access_file;
};

/* Reads YAML text. `name` stands in errors. Strings live in the arena. On failure *out is untouched
 * and `error` holds the one line. Pure: no file is opened, no address resolved. */
MUST_USE enum err config_parse(
    struct bytes yaml, const char *name, struct arena *a, struct config *out, char error[CONFIG_ERROR_MAX]);
/* The default configuration as commented YAML that config_parse accepts. */
void config_print_default(struct buf *out);
/* The origin that serves a content: first match wins; NULL when none does. */
const struct config_origin *config_origin_of(const struct config *c, struct bytes content);
/* What a reload from `now` to `next` would change that a running node cannot: names of keys, comma
 * separated, in `out`; empty when all can be taken. */
void config_not_reloadable(const struct config *now, const struct config *next, struct buf *out);

#endif
