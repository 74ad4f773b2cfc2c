#include "node/config_table.h"

#include "rpc/entries.h"

#include <string.h>

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define PIB (UINT64_C(1) << 50)
#define SECOND UINT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

static const char *const role_words[] = { "api", "delivery", "ingest", NULL };
_Static_assert(RPC_ROLE_API == 1 && RPC_ROLE_DELIVERY == 2 && RPC_ROLE_INGEST == 4, "bits follow the words");
static const char *const level_words[] = { "debug", "info", "warn", "error", NULL };
_Static_assert(LOG_DEBUG == 0 && LOG_ERROR == 3, "levels follow the words");
static const char *const class_words[] = { "playlist", "segment", "key", "other", NULL };
_Static_assert(CLASS_PLAYLIST == 0 && CLASS_OTHER == 3, "classes follow the words");
static const char *const origin_words[] = { "dir", "http", "s3", NULL };
_Static_assert(ORIGIN_DIR == 0 && ORIGIN_S3 == 2, "types follow the words");
static const char *const bool_words[] = { "false", "true", NULL };

#define FIELD(struct_name, member) .offset = offsetof(struct struct_name, member)
#define ITEMS(table, array, count)                                                               \
	.type = SETTING_ITEMS, FIELD(config, array), .count_offset = offsetof(struct config, count), \
	.fields = (table), .fields_n = sizeof(table) / sizeof((table)[0]),                           \
	.item_size = sizeof(((struct config *)0)->array[0]), .list_max = CONFIG_LIST_MAX

#define OF_DIR (1u << ORIGIN_DIR)
#define OF_HTTP (1u << ORIGIN_HTTP)
#define OF_S3 (1u << ORIGIN_S3)

/* The type comes first: what else an origin may say depends on it. */
static const struct setting origin_fields[] = {
	{ "type", SETTING_ENUM, .required = true, FIELD(config_origin, type), .words = origin_words,
	    .doc = "dir, http or s3" },
	{ "name", SETTING_LABEL, .required = true, .unique = true, FIELD(config_origin, name), .min = 1,
	    .max = 32, .doc = "part of cache keys, locations and tokens: never rename it" },
	{ "match", SETTING_STRING, FIELD(config_origin, match), .max = 255, .def = "",
	    .doc = "prefix of the content ids it serves; \"\" = all" },
	{ "path", SETTING_PATH, .required = true, .of = OF_DIR, FIELD(config_origin, path), .min = 1,
	    .doc = "of type dir: the folder that holds the contents" },
	{ "url_template", SETTING_TEMPLATE, .required = true, .of = OF_HTTP, FIELD(config_origin, url_template),
	    .max = 1024,
	    .doc = "of type http: the URL of an object; {object} is its name with slashes,\n"
	           "    {object_encoded} the same with %2F in their place" },
	{ "endpoint", SETTING_URL, .required = true, .of = OF_S3, FIELD(config_origin, endpoint),
	    .doc = "of type s3: the service's URL, without a path" },
	{ "bucket", SETTING_NAME, .required = true, .of = OF_S3, FIELD(config_origin, bucket), .max = 255,
	    .doc = "of type s3" },
	{ "region", SETTING_NAME, .of = OF_S3, FIELD(config_origin, region), .def = "us-east-1",
	    .doc = "of type s3; default us-east-1" },
	{ "credentials_file", SETTING_PATH, .required = true, .of = OF_S3, FIELD(config_origin, credentials_file),
	    .min = 1,
	    .doc = "of type s3: lines `access_key_id: ...`, `secret_access_key: ...` and, of temporary keys,\n"
	           "    `session_token: ...`; chmod 600; read again when it changes" },
	{ "path_style", SETTING_ENUM, .of = OF_S3, FIELD(config_origin, path_style), .words = bool_words,
	    .def = "true", .doc = "of type s3: true: ENDPOINT/BUCKET/OBJECT; false: the bucket before the host" },
	{ "etag_md5", SETTING_ENUM, .of = OF_S3, FIELD(config_origin, etag_md5), .words = bool_words,
	    .def = "true", .doc = "of type s3: whether an ETag of 32 hex digits is an MD5, to check objects by" },
	{ "ca_file", SETTING_PATH, .of = OF_HTTP | OF_S3, FIELD(config_origin, ca_file), .def = "",
	    .doc = "of types http and s3: CAs in PEM to trust for https, in place of the system's" },
};

static const struct setting disk_fields[] = {
	{ "path", SETTING_PATH, .required = true, .unique = true, FIELD(config_disk, path), .min = 1,
	    .doc = "a folder; each has its own index" },
	{ "size", SETTING_SIZE, .required = true, FIELD(config_disk, size_bytes), .min = MIB, .max = PIB,
	    .doc = "how much of the disk the cache may fill" },
};

static const struct setting rule_fields[] = {
	{ "suffix", SETTING_STRING, .required = true, .unique = true, FIELD(config_rule, suffix), .min = 1,
	    .max = 64, .doc = "end of an object's name" },
	{ "class", SETTING_ENUM, .required = true, FIELD(config_rule, class), .words = class_words,
	    .doc = "playlist, segment, key or other" },
};

const struct setting config_settings[] = {
	{ "cluster", SETTING_NAME, .required = true, FIELD(config, cluster), .example = "demo",
	    .doc = "Nodes of another cluster are refused." },
	{ "node", SETTING_NAME, .required = true, FIELD(config, node), .example = "node-1",
	    .doc = "A label, unique in the cluster; the identity is a random id in data_dir." },
	{ "roles", SETTING_ROLES, .required = true, FIELD(config, roles), .words = role_words,
	    .example = "[api, delivery]", .doc = "Any of api, delivery, ingest." },
	{ "zone", SETTING_NAME, FIELD(config, zone), .def = "default",
	    .doc = "A failure and distance domain: a rack, a site." },
	{ "data_dir", SETTING_PATH, FIELD(config, data_dir), .min = 1, .def = "/var/lib/warmcast",
	    .doc = "The replica and this node's identity; one process at a time." },

	{ "listen.http", SETTING_LISTEN, .list = true, .unique = true, FIELD(config, listen_http),
	    .list_max = RPC_URLS_MAX, .example = "[\"127.0.0.1:8080\"]",
	    .doc = "Where viewers come in: a list of IP addresses with ports." },
	{ "listen.rpc", SETTING_LISTEN, .required = true, FIELD(config, listen_rpc), .example = "127.0.0.1:7000",
	    .doc = "Where the other nodes come in. Beyond loopback it needs secrets.cluster_key_file." },
	{ "listen.admin", SETTING_LISTEN, FIELD(config, listen_admin), .def = "127.0.0.1:9000",
	    .doc = "Where operators come in. Beyond loopback it needs secrets.cluster_key_file." },

	{ "advertise.http", SETTING_URL, .list = true, .unique = true, FIELD(config, advertise_http),
	    .list_max = RPC_URLS_MAX,
	    .doc =
	        "URLs by which viewers reach this node; default: what is listened on. All delivery nodes of a\n"
	        "cluster on the same scheme and port." },
	{ "advertise.rpc", SETTING_ADDRESS, FIELD(config, advertise_rpc), .def = "",
	    .doc = "Where other nodes dial this one; default: what is listened on." },
	{ "advertise.api", SETTING_URL, FIELD(config, advertise_api), .def = "",
	    .doc = "The public URL of the api, used in steering_uri; default: this node's own." },

	{ "seeds", SETTING_ADDRESS, .list = true, FIELD(config, seeds), .list_max = CONFIG_LIST_MAX,
	    .doc = "Any living nodes of the cluster; this node itself is ignored." },
	{ "workers", SETTING_U32, FIELD(config, workers), .max = 256, .def = "0", .note = "0 = one a core",
	    .doc = "HTTP workers; 0 = one a core." },
	{ "origins", ITEMS(origin_fields, origins, origins_n),
	    .example = "[{name: main, match: \"\", type: dir, path: /srv/origin}]",
	    .doc = "Origin stores; the first whose match is a prefix of the content id serves it." },

	{ "cache.disks", ITEMS(disk_fields, disks, disks_n),
	    .example = "[{path: /var/cache/warmcast, size: 10GiB}]",
	    .doc = "Each with its own index: a lost disk loses only its own." },
	{ "cache.ram", SETTING_SIZE, FIELD(config, ram_bytes), .max = PIB, .def = "1GiB", .note = "0 = none",
	    .doc = "Half of it for hot small objects, all that is left for fills that no disk takes; 0 = none." },
	{ "cache.prefetch", SETTING_U32, FIELD(config, prefetch_objects), .max = 8, .def = "3",
	    .note = "0 = none",
	    .doc = "Objects that are fetched ahead of a viewer who plays what is not here; 0 = none." },

	{ "pace", SETTING_PACE, FIELD(config, pace), .def = "",
	    .doc = "How fast a connection is sent media at most, so that one viewer's burst does not crowd out "
	           "others: so\n"
	           "many times what the content takes (4x; contents of which nobody knows that are not paced), "
	           "or a rate\n"
	           "(20Mbit/s). \"\" = as fast as it goes." },

	{ "capacity.sessions", SETTING_U32, FIELD(config, capacity_sessions), .max = 1000000, .def = "5000",
	    .note = "0 = takes none", .doc = "Sessions that a delivery node carries at once; never exceeded." },
	{ "capacity.egress_mbps", SETTING_U32, FIELD(config, capacity_mbps), .max = 10000000, .def = "9000",
	    .doc = "Mbit/s that it can send." },
	{ "capacity.reserve", SETTING_PERCENT, FIELD(config, reserve_permille), .max = 500, .def = "5%",
	    .doc = "Part of the sessions kept for viewers that move here from other nodes." },

	{ "session.renew_after", SETTING_DURATION, FIELD(config, renew_after_ms), .min = SECOND, .max = 365 * DAY,
	    .def = "6h", .doc = "Tokens renew themselves while the session lives." },
	{ "session.not_after", SETTING_DURATION, FIELD(config, not_after_ms), .min = SECOND, .max = 365 * DAY,
	    .def = "30d", .doc = "The hard end of a token." },
	{ "session.idle_timeout", SETTING_DURATION, FIELD(config, idle_timeout_ms), .min = SECOND, .max = HOUR,
	    .def = "60s", .doc = "Without a media request for so long the place is given back, not the right." },
	{ "session.start_within", SETTING_DURATION, FIELD(config, start_within_ms), .min = SECOND,
	    .max = 60 * SECOND, .def = "30s", .doc = "An assigned viewer that never came gives its place back." },
	{ "session.rate_per_client", SETTING_RATE, FIELD(config, client_rate_per_min), .max = 60 * 1000000,
	    .def = "0", .note = "0 = no limit",
	    .doc =
	        "Sessions that one client address may create, such as 10/s or 30/m; 0 = no limit. IPv6 counts\n"
	        "by /64. Each api node counts for itself." },
	{ "session.burst_per_client", SETTING_U32, FIELD(config, client_burst), .min = 1, .max = 1000000,
	    .def = "20", .doc = "So many at once, while rate_per_client holds on average." },

	{ "session.revocations", SETTING_U32, FIELD(config, revocations_max), .max = 1000000, .def = "100000",
	    .note = "0 = none",
	    .doc = "Sessions that this api node may have revoked, each until its not_after; 0 = none." },

	{ "secrets.token_keys_file", SETTING_PATH, FIELD(config, token_keys_file), .def = "",
	    .example = "/etc/warmcast/token.keys",
	    .doc = "One `id:base64` a line, 32 bytes each; the first signs, all verify. chmod 600.\n"
	           "Read again on SIGHUP." },
	{ "secrets.cluster_key_file", SETTING_PATH, FIELD(config, cluster_key_file), .def = "",
	    .doc = "One or two `id:base64` lines; the first speaks, both are believed. chmod 600.\n"
	           "Read again on SIGHUP, for links to come." },
	{ "secrets.api_keys_file", SETTING_PATH, FIELD(config, api_keys_file), .def = "",
	    .doc = "Who may create sessions; \"\" = everybody. A line each: NAME:KEY rate=100/s burst=200 "
	           "prefixes=vod/,live/\n"
	           "Only NAME:KEY has to be there. chmod 600. Read again on SIGHUP." },

	{ "tls.ca_file", SETTING_PATH, FIELD(config, tls_ca_file), .def = "",
	    .doc = "TLS between nodes, on all of them or on none; PEM, read again on SIGHUP. Whoever has a "
	           "certificate\n"
	           "of this CA is a node, and host names are not compared: use a CA of the cluster's own." },
	{ "tls.cert_file", SETTING_PATH, FIELD(config, tls_cert_file), .def = "",
	    .doc = "This node's certificate: both server and client. Those between it and the CA follow in it." },
	{ "tls.key_file", SETTING_PATH, FIELD(config, tls_key_file), .def = "",
	    .doc = "The certificate's private key, without a password. chmod 600." },
	{ "trusted_proxies", SETTING_NETWORK, .list = true, FIELD(config, trusted_proxies),
	    .list_max = CONFIG_LIST_MAX,
	    .doc = "Addresses or networks whose X-Forwarded-For and client_address are believed." },
	{ "rules", ITEMS(rule_fields, rules, rules_n),
	    .doc =
	        "Classes of objects by suffix, before the built-in ones: {suffix: \".vtt\", class: segment}." },

	{ "log.level", SETTING_ENUM, .reloadable = true, FIELD(config, log_level), .words = level_words,
	    .def = "info", .doc = "debug, info, warn or error; JSON lines on stdout." },
	{ "log.access_file", SETTING_PATH, FIELD(config, access_file), .def = "",
	    .doc = "A line a request, to this file; \"\" = none." },
};

const size_t config_settings_n = sizeof(config_settings) / sizeof(config_settings[0]);
_Static_assert(
    sizeof(config_settings) / sizeof(config_settings[0]) <= CONFIG_SETTINGS_MAX, "room for their lines");

const struct setting *config_setting(struct bytes key)
{
	for (size_t i = 0; i < config_settings_n; i++)
		if (bytes_eq(key, bytes_str(config_settings[i].key)))
			return &config_settings[i];
	return NULL;
}

bool config_is_section(struct bytes path)
{
	for (size_t i = 0; i < config_settings_n; i++) {
		struct bytes key = bytes_str(config_settings[i].key);
		if (key.n > path.n && key.p[path.n] == '.' && bytes_starts_with(key, path))
			return true;
	}
	return false;
}

enum { DISTANCE_KEY_MAX = 40 };

/* Levenshtein's distance; both at most DISTANCE_KEY_MAX long. */
static size_t distance(struct bytes a, struct bytes b)
{
	size_t row[DISTANCE_KEY_MAX + 1];
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t best = diagonal + (a.p[i - 1] != b.p[j - 1]);
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[b.n];
}

static struct bytes last_part(struct bytes key)
{
	const uint8_t *dot = key.n == 0 ? NULL : memrchr(key.p, '.', key.n);
	return dot == NULL ? key : bytes_from(key, (size_t)(dot - key.p) + 1);
}

/* A key written in the wrong map counts as a slip too, but less than a misspelt one. */
static size_t slip(struct bytes key, struct bytes known)
{
	struct bytes a = last_part(key), b = last_part(known);
	if (a.n > DISTANCE_KEY_MAX || b.n > DISTANCE_KEY_MAX)
		return SIZE_MAX;
	size_t typos = distance(a, b);
	bool same_map = bytes_eq(bytes_head(key, key.n - a.n), bytes_head(known, known.n - b.n));
	size_t limit = b.n < 4 ? 1 : b.n < 9 ? 2 : b.n / 3;
	return typos > limit ? SIZE_MAX : 2 * typos + !same_map;
}

const char *config_nearest(const struct setting *settings, size_t settings_n, struct bytes key, size_t *n)
{
	const char *best = NULL;
	size_t best_slip = SIZE_MAX;
	for (size_t i = 0; i < settings_n; i++) {
		struct bytes known = bytes_str(settings[i].key);
		/* The key, and each map on its way. */
		for (size_t end = 0; end < known.n; end++) {
			end += bytes_index(bytes_from(known, end), '.');
			size_t s = slip(key, bytes_head(known, end));
			if (s < best_slip) {
				best = settings[i].key;
				best_slip = s;
				*n = end;
			}
		}
	}
	return best;
}
