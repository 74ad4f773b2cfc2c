#include "node/config.h"
#include "node/config_value.h"

#include "node/config_table.h"
#include "rpc/entries.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The smallest configurations of each kind; what a test adds starts in line 5. */
#define TEMPLATE                                                          \
	"http:// or https://, host, and {object} or {object_encoded} behind " \
	"it: http://10.0.0.1/media/{object}"
#define S3 "origins: [{name: a, type: s3, endpoint: \"http://10.0.0.1:9000\", bucket: b, credentials_file: /k"
#define INGEST "cluster: c\nnode: n\nroles: [ingest]\nlisten: {rpc: \"127.0.0.1:7000\"}\n"
#define BOTH                                                          \
	"cluster: c\nnode: n\nroles: [api, delivery]\n"                   \
	"listen: {rpc: \"127.0.0.1:7000\", http: [\"127.0.0.1:8080\"]}\n" \
	"origins: [{name: main, type: dir, path: /srv}]\n"                \
	"cache: {disks: [{path: /cache, size: 1GiB}]}\n"                  \
	"secrets: {token_keys_file: /token.keys, cluster_key_file: /cluster.key}\n"

struct fixture {
	struct arena arena;
	struct config config;
	char error[CONFIG_ERROR_MAX];
};

static int setup(void **state)
{
	static struct fixture f;
	arena_init(&f.arena, 1 << 20);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	arena_fini(&f->arena);
	return 0;
}

static enum err parse(struct fixture *f, const char *yaml)
{
	arena_reset(&f->arena);
	*f->error = '\0';
	return config_parse(bytes_str(yaml), "t.yaml", &f->arena, &f->config, f->error);
}

static void assert_good(struct fixture *f, const char *yaml)
{
	if (parse(f, yaml) != OK)
		fail_msg("%s\n%s", f->error, yaml);
}

static void reads_every_setting(void **state)
{
	struct fixture *f = *state;
	assert_good(f, "cluster: demo\nnode: delivery-1\nroles: [delivery]\nzone: a\ndata_dir: /var/lib/w\n"
	               "listen:\n  http: [\"127.0.0.3:8080\", \"[::1]:8080\"]\n  rpc: 127.0.0.3:7000\n  admin: "
	               "127.0.0.3:9000\n"
	               "advertise:\n  http: [\"http://a.example:80\"]\n  rpc: b.example:7000\n  api: "
	               "\"https://api.example\"\n"
	               "seeds: [\"127.0.0.1:7000\", \"seed.example:7000\"]\nworkers: 3\n"
	               "origins:\n  - {name: vod, match: \"vod/\", type: dir, path: /srv/vod}\n"
	               "  - {name: main, match: \"\", type: dir, path: /srv/origin}\n"
	               "cache:\n  disks: [{path: /c1, size: 500GiB}, {path: /c2, size: 1500MB}]\n  ram: 64KiB\n  "
	               "prefetch: 0\n"
	               "capacity: {sessions: 10, egress_mbps: 20, reserve: 2.5%}\n"
	               "session: {renew_after: 90m, not_after: 2d, idle_timeout: 1500ms, start_within: 20s}\n"
	               "secrets: {token_keys_file: /t, cluster_key_file: /k}\ntls: {ca_file: /a, cert_file: /b, "
	               "key_file: /d}\n"
	               "trusted_proxies: [10.0.0.0/8, \"::1\"]\nrules: [{suffix: \".vtt\", class: segment}]\n"
	               "log: {level: warn, access_file: /var/log/w}\n");
	const struct config *c = &f->config;
	assert_string_equal(c->file, "t.yaml");
	assert_string_equal(c->cluster, "demo");
	assert_string_equal(c->node, "delivery-1");
	assert_string_equal(c->zone, "a");
	assert_string_equal(c->data_dir, "/var/lib/w");
	assert_int_equal(c->roles, RPC_ROLE_DELIVERY);
	assert_int_equal(c->listen_http.n, 2);
	assert_string_equal(c->listen_http.v[1], "[::1]:8080");
	assert_string_equal(c->listen_rpc, "127.0.0.3:7000");
	assert_string_equal(c->listen_admin, "127.0.0.3:9000");
	assert_int_equal(c->advertise_http.n, 1);
	assert_string_equal(c->advertise_http.v[0], "http://a.example:80");
	assert_string_equal(c->advertise_rpc, "b.example:7000");
	assert_string_equal(c->advertise_api, "https://api.example");
	assert_int_equal(c->seeds.n, 2);
	assert_int_equal(c->workers, 3);
	assert_int_equal(c->origins_n, 2);
	assert_string_equal(c->origins[0].match, "vod/");
	assert_int_equal(c->origins[1].type, ORIGIN_DIR);
	assert_string_equal(c->origins[1].path, "/srv/origin");
	assert_int_equal(c->disks_n, 2);
	assert_true(c->disks[0].size_bytes == UINT64_C(500) << 30);
	assert_true(c->disks[1].size_bytes == UINT64_C(1500000000));
	assert_true(c->ram_bytes == 65536);
	assert_int_equal(c->prefetch_objects, 0);
	assert_int_equal(c->capacity_sessions, 10);
	assert_int_equal(c->capacity_mbps, 20);
	assert_int_equal(c->reserve_permille, 25);
	assert_true(c->renew_after_ms == 5400000 && c->not_after_ms == 172800000);
	assert_true(c->idle_timeout_ms == 1500 && c->start_within_ms == 20000);
	assert_string_equal(c->token_keys_file, "/t");
	assert_string_equal(c->cluster_key_file, "/k");
	assert_string_equal(c->tls_ca_file, "/a");
	assert_string_equal(c->tls_cert_file, "/b");
	assert_string_equal(c->tls_key_file, "/d");
	assert_int_equal(c->trusted_proxies.n, 2);
	assert_int_equal(c->rules_n, 1);
	assert_int_equal(c->rules[0].class, CLASS_SEGMENT);
	assert_int_equal(c->log_level, LOG_WARN);
	assert_string_equal(c->access_file, "/var/log/w");
}

static void reads_who_may_create_sessions(void **state)
{
	struct fixture *f = *state;
	assert_good(
	    f, INGEST "session: {rate_per_client: 10/s, burst_per_client: 7}\nsecrets: {api_keys_file: /y}\n");
	assert_string_equal(f->config.api_keys_file, "/y");
	assert_int_equal(f->config.client_rate_per_min, 600);
	assert_int_equal(f->config.client_burst, 7);
	assert_int_equal(f->config.revocations_max, 100000);
	assert_good(f, INGEST "session: {rate_per_client: 90/m, revocations: 3}\n");
	assert_int_equal(f->config.revocations_max, 3);
	assert_int_equal(f->config.client_rate_per_min, 90);
	assert_int_equal(f->config.client_burst, 20);
	assert_string_equal(f->config.api_keys_file, "");
	assert_good(f, INGEST "session: {rate_per_client: 0}\n");
	assert_int_equal(f->config.client_rate_per_min, 0);
}

static void reads_a_pace(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *text;
		uint32_t permille;
		uint64_t bits_per_s;
	} paces[] = {
		{ "4x", 4000, 0 },
		{ "1.5x", 1500, 0 },
		{ "100x", 100000, 0 },
		{ "20Mbit/s", 0, 20000000 },
		{ "100kbit/s", 0, 100000 },
		{ "2.5Gbit/s", 0, 2500000000 },
	};
	static const char *const none[] = { "", "x", "4", "4X", "0.9x", "101x", "4.55x", "-4x", ".5x", "4 x",
		"20Mbit", "99kbit/s", "101Gbit/s", "Mbit/s", "20MB/s", "99999999999999999999x" };
	for (size_t i = 0; i < sizeof(paces) / sizeof(paces[0]); i++) {
		struct config_pace p = { 1, 1 };
		assert_true(config_value_pace(bytes_str(paces[i].text), &p));
		assert_int_equal(p.permille, paces[i].permille);
		assert_true(p.bits_per_s == paces[i].bits_per_s);
	}
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		struct config_pace p;
		if (config_value_pace(bytes_str(none[i]), &p))
			fail_msg("'%s' is no pace", none[i]);
	}
	assert_good(f, INGEST "pace: 4x\n");
	assert_string_equal(f->config.pace, "4x");
	assert_good(f, INGEST "pace: 20Mbit/s\n");
	assert_good(f, INGEST "pace: \"\"\n");
	assert_string_equal(f->config.pace, "");
	assert_good(f, INGEST);
	assert_string_equal(f->config.pace, "");
}

static void fills_in_defaults(void **state)
{
	struct fixture *f = *state;
	assert_good(f, BOTH);
	const struct config *c = &f->config;
	assert_string_equal(c->zone, "default");
	assert_string_equal(c->data_dir, "/var/lib/warmcast");
	assert_string_equal(c->listen_admin, "127.0.0.1:9000");
	assert_int_equal(c->advertise_http.n, 1);
	assert_string_equal(c->advertise_http.v[0], "http://127.0.0.1:8080");
	assert_string_equal(c->advertise_rpc, "127.0.0.1:7000");
	assert_string_equal(c->advertise_api, "http://127.0.0.1:8080");
	assert_string_equal(c->origins[0].match, "");
	assert_int_equal(c->seeds.n, 0);
	assert_int_equal(c->workers, 0);
	assert_true(c->ram_bytes == UINT64_C(1) << 30);
	assert_int_equal(c->prefetch_objects, 3);
	assert_int_equal(c->capacity_sessions, 5000);
	assert_int_equal(c->reserve_permille, 50);
	assert_true(c->renew_after_ms == 6 * 3600000 && c->not_after_ms == UINT64_C(30) * 86400000);
	assert_true(c->idle_timeout_ms == 60000 && c->start_within_ms == 30000);
	assert_int_equal(c->log_level, LOG_INFO);
	assert_string_equal(c->access_file, "");
	/* A section whose settings are all commented out is no error. */
	assert_good(f, INGEST "log:\nsession:\n  # renew_after: 1h\ntls: {}\n");
}

/* One line each: what is written, and the whole line that answers. */
static const struct {
	const char *yaml, *error;
} refused[] = {
	{ INGEST "workers: 4x\n",
	    "t.yaml:5: workers: '4x' is not a whole number; allowed: 0 to 256 (0 = one a core)" },
	{ INGEST "\n\nworkers: 010\n",
	    "t.yaml:7: workers: '010' is not a whole number; allowed: 0 to 256 (0 = one a core)" },
	{ INGEST "workers: -1\n",
	    "t.yaml:5: workers: '-1' is not a whole number; allowed: 0 to 256 (0 = one a core)" },
	{ INGEST "workers: 257\n",
	    "t.yaml:5: workers: '257' is out of range; allowed: 0 to 256 (0 = one a core)" },
	{ INGEST "workers: yes\n",
	    "t.yaml:5: workers: 'yes' is not a whole number; allowed: 0 to 256 (0 = one a core)" },
	{ INGEST "workers: 4294967296\n",
	    "t.yaml:5: workers: '4294967296' is out of range; allowed: 0 to 256 (0 = one a core)" },
	{ INGEST "workers: 99999999999999999999\n",
	    "t.yaml:5: workers: '99999999999999999999' is out of range; allowed: 0 to 256 (0 = one a core)" },
	{ INGEST "workers: '4'\n",
	    "t.yaml:5: workers: '4' stands in quotes, which makes it text; allowed: 0 to 256 (0 = one a core)" },
	{ INGEST "workers:\n",
	    "t.yaml:5: workers: nothing stands here, one value is wanted; allowed: 0 to 256 (0 = one a core)" },
	{ INGEST "workers: [4]\n",
	    "t.yaml:5: workers: a list stands here, one value is wanted; allowed: 0 to 256 (0 = one a core)" },
	{ INGEST "seeds: a:1\n",
	    "t.yaml:5: seeds: one value stands here, a list [...] is wanted; allowed: a host and "
	    "port: 10.0.0.1:7000, [::1]:7000 or host.example:7000" },
	{ INGEST "log: info\n", "t.yaml:5: log: one value stands here, a map is wanted" },
	{ INGEST "worker: 4\n", "t.yaml:5: worker: is no setting; did you mean 'workers'?" },
	{ INGEST "token_keys_file: /x\n",
	    "t.yaml:5: token_keys_file: is no setting; did you mean 'secrets.token_keys_file'?" },
	{ INGEST "session:\n  idle_timeot: 4s\n",
	    "t.yaml:6: session.idle_timeot: is no setting; did you mean 'session.idle_timeout'?" },
	{ INGEST "sesion: {}\n", "t.yaml:5: sesion: is no setting; did you mean 'session'?" },
	{ INGEST "quux: 1\n", "t.yaml:5: quux: is no setting; --print-default-config shows all" },
	{ INGEST "zone: a b\n", "t.yaml:5: zone: 'a b' is not allowed; allowed: 1 to 64 of A-Z a-z 0-9 . _ -" },
	{ INGEST "session: {not_after: 30}\n",
	    "t.yaml:5: session.not_after: '30' has no unit; allowed: 1s to 365d, in ms, s, m, h or d" },
	{ INGEST "session: {not_after: 30x}\n",
	    "t.yaml:5: session.not_after: '30x' is not a duration; allowed: 1s to 365d, in ms, s, m, h or d" },
	{ INGEST "session: {not_after: 999ms}\n",
	    "t.yaml:5: session.not_after: '999ms' is out of range; allowed: 1s to 365d, in ms, s, m, h or d" },
	{ INGEST "cache: {disks: [{path: /c, size: 0}]}\n",
	    "t.yaml:5: cache.disks[0].size: '0' is out of range; allowed: 1MiB to 1024TiB, in KiB, MiB, GiB, TiB "
	    "or KB, "
	    "MB, GB, TB" },
	{ INGEST "session: {start_within: 61s}\n",
	    "t.yaml:5: session.start_within: '61s' is out of range; allowed: 1s to 1m, in ms, s, m, h or d" },
	{ INGEST "session: {rate_per_client: 10}\n", "t.yaml:5: session.rate_per_client: '10' has no unit; "
	                                             "allowed: 0 to 1000000/s, in /s or /m (0 = no limit)" },
	{ INGEST "session: {rate_per_client: 10/h}\n", "t.yaml:5: session.rate_per_client: '10/h' is not a rate; "
	                                               "allowed: 0 to 1000000/s, in /s or /m (0 = no limit)" },
	{ INGEST "pace: 4\n",
	    "t.yaml:5: pace: '4' is not allowed; allowed: 1x to 100x, or 100kbit/s to 100Gbit/s, "
	    "such as 4x or 20Mbit/s" },
	{ INGEST "session: {burst_per_client: 0}\n",
	    "t.yaml:5: session.burst_per_client: '0' is out of range; allowed: 1 to 1000000" },
	{ INGEST "cache: {ram: 1.5GiB}\n",
	    "t.yaml:5: cache.ram: '1.5GiB' is not a size; allowed: 0 to 1024TiB, in KiB, "
	    "MiB, GiB, TiB or KB, MB, GB, TB (0 = none)" },
	{ INGEST "capacity: {reserve: 5}\n",
	    "t.yaml:5: capacity.reserve: '5' is not a percentage; allowed: 0% to 50%" },
	{ INGEST "capacity: {reserve: 50.1%}\n",
	    "t.yaml:5: capacity.reserve: '50.1%' is out of range; allowed: 0% to 50%" },
	{ INGEST "log: {level: loud}\n",
	    "t.yaml:5: log.level: 'loud' is not known; allowed: debug, info, warn, error" },
	{ INGEST "data_dir: here\n",
	    "t.yaml:5: data_dir: 'here' is not an absolute path; allowed: an absolute path of at "
	    "most 1024 bytes" },
	{ INGEST "data_dir: \"\"\n",
	    "t.yaml:5: data_dir: '' is not an absolute path; allowed: an absolute path of at "
	    "most 1024 bytes" },
	{ INGEST "tls: {ca_file: /x}\n", "t.yaml:5: tls.cert_file: is missing; TLS between nodes needs ca_file, "
	                                 "cert_file and key_file, or none of them" },
	{ INGEST "trusted_proxies: [10.0.0.0/33]\n",
	    "t.yaml:5: trusted_proxies[0]: '10.0.0.0/33' is not allowed; "
	    "allowed: an IP address or a network: 10.0.0.0/8" },
	{ INGEST "advertise: {http: [\"http://0.0.0.0:80\"]}\n",
	    "t.yaml:5: advertise.http[0]: 'http://0.0.0.0:80' is not allowed; allowed: http:// or https://, host "
	    "and "
	    "port, without a path: http://10.0.0.1:8080" },
	{ INGEST "advertise: {api: \"http://a.example/x\"}\n",
	    "t.yaml:5: advertise.api: 'http://a.example/x' is not allowed; allowed: http:// or https://, host "
	    "and port, "
	    "without a path: http://10.0.0.1:8080" },
	{ INGEST "origins: [{name: a, type: ftp, path: /x}]\n",
	    "t.yaml:5: origins[0].type: 'ftp' is not known; allowed: dir, http, s3" },
	{ INGEST "origins: [{name: a, type: http, path: /x}]\n",
	    "t.yaml:5: origins[0].path: is no setting of type http; allowed: type, name, match, url_template, "
	    "ca_file" },
	{ INGEST "origins: [{name: a, type: dir, path: /x, ca_file: /y}]\n",
	    "t.yaml:5: origins[0].ca_file: is no setting of type dir; allowed: type, name, match, path" },
	{ INGEST "origins: [{name: a, type: http}]\n",
	    "t.yaml:5: origins[0].url_template: is missing; allowed: " TEMPLATE },
	{ INGEST "origins: [{name: a, type: http, url_template: \"ftp://h/{object}\"}]\n",
	    "t.yaml:5: origins[0].url_template: 'ftp://h/{object}' is no http:// or https:// URL; "
	    "allowed: " TEMPLATE },
	{ INGEST "origins: [{name: a, type: http, url_template: \"http://u:p@h/{object}\"}]\n",
	    "t.yaml:5: origins[0].url_template: 'http://u:p@h/{object}' has no host; allowed: " TEMPLATE },
	{ INGEST "origins: [{name: a, type: http, url_template: \"http://h/\"}]\n",
	    "t.yaml:5: origins[0].url_template: 'http://h/' names no object; allowed: " TEMPLATE },
	{ INGEST "origins: [{name: a, type: http, url_template: \"http://h/{object}?{query}\"}]\n",
	    "t.yaml:5: origins[0].url_template: 'http://h/{object}?{query}' has a placeholder that is not known; "
	    "allowed: " TEMPLATE },
	{ INGEST "origins: [{name: a, type: s3, endpoint: \"http://h/x\", bucket: b, credentials_file: /k}]\n",
	    "t.yaml:5: origins[0].endpoint: 'http://h/x' is not allowed; allowed: http:// or https://, host and "
	    "port, "
	    "without a path: http://10.0.0.1:8080" },
	{ INGEST "origins: [{name: a, type: s3, endpoint: \"http://h\", credentials_file: /k}]\n",
	    "t.yaml:5: origins[0].bucket: is missing; allowed: 1 to 255 of A-Z a-z 0-9 . _ -" },
	{ INGEST "origins: [{name: a, type: s3, endpoint: \"http://h\", bucket: b}]\n",
	    "t.yaml:5: origins[0].credentials_file: is missing; allowed: an absolute path of at most 1024 "
	    "bytes" },
	{ INGEST S3 ", path_style: yes}]\n",
	    "t.yaml:5: origins[0].path_style: 'yes' is not known; allowed: false, true" },
	{ INGEST S3 ", path_style: false}]\n",
	    "t.yaml:5: origins: origins[0].endpoint is an IP address, which no bucket's name can precede; set "
	    "path_style: true" },
	{ INGEST "origins:\n- {name: a, type: dir, path: /x}\n- {name: a, type: dir, path: /y}\n",
	    "t.yaml:7: origins[1]: name 'a' is that of origins[0] already" },
	{ INGEST "origins: [{name: a.b, type: dir, path: /x}]\n",
	    "t.yaml:5: origins[0].name: 'a.b' is not allowed; allowed: 1 to 32 of A-Z a-z 0-9 _ -" },
	{ INGEST "origins: [{name: a, type: dir}]\n",
	    "t.yaml:5: origins[0].path: is missing; allowed: an absolute path of at most 1024 bytes" },
	{ INGEST "origins: [{name: a, type: dir, path: /x, mtach: y}]\n",
	    "t.yaml:5: origins[0].mtach: is no setting; did you mean 'match'?" },
	{ INGEST "origins: [a]\n", "t.yaml:5: origins[0]: one value stands here, a map {...} is wanted" },
	{ INGEST "rules: [{suffix: .a, class: thing}]\n",
	    "t.yaml:5: rules[0].class: 'thing' is not known; allowed: playlist, segment, key, other" },
	{ INGEST "seeds: [a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1,a:1]\n",
	    "t.yaml:5: seeds: 17 entries; at most 16 are allowed" },
	{ "", "t.yaml:1: cluster: is missing; allowed: 1 to 64 of A-Z a-z 0-9 . _ -" },
	{ "- a\n", "t.yaml:1: a list stands here, a map of settings is wanted" },
	{ "cluster: c\nnode: n\nroles: []\n",
	    "t.yaml:3: roles: an empty list stands here, a list with at least one role "
	    "is wanted; allowed: a list of api, delivery, ingest" },
	{ "cluster: c\nnode: n\nroles: [api, api]\n", "t.yaml:3: roles: 'api' is in the list twice" },
	{ "cluster: c\nnode: n\nroles: [api, origin]\n",
	    "t.yaml:3: roles: 'origin' is not known; allowed: a list of api, delivery, ingest" },
	{ "cluster: c\nnode: n\nroles: [ingest]\nlisten: {rpc: \"127.0.0.1:0\"}\n",
	    "t.yaml:4: listen.rpc: '127.0.0.1:0' is not allowed; allowed: an IP address and port: "
	    "127.0.0.1:7000 or [::1]:7000" },
	{ "cluster: c\nnode: n\nroles: [api]\nlisten:\n  admin: 127.0.0.1:1\n",
	    "t.yaml:5: listen.rpc: is missing; allowed: an IP address and port: 127.0.0.1:7000 or [::1]:7000" },
};

static void refuses_with_one_line(void **state)
{
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		memset(&f->config, 0x5a, sizeof(f->config));
		struct config before = f->config;
		assert_int_equal(parse(f, refused[i].yaml) == OK, 0);
		assert_string_equal(f->error, refused[i].error);
		assert_memory_equal(&f->config, &before, sizeof(before));
	}
}

/* BOTH with one part replaced. */
static const char *with(struct fixture *f, const char *from, const char *to)
{
	static char text[2048];
	const char *at = strstr(BOTH, from);
	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - BOTH), BOTH, to, at + strlen(from));
	(void)f;
	return text;
}

static void assert_refused(struct fixture *f, const char *yaml, const char *error)
{
	assert_int_equal(parse(f, yaml), ERR_INVALID);
	assert_string_equal(f->error, error);
}

static void roles_need_what_they_serve_from(void **state)
{
	struct fixture *f = *state;
	assert_refused(f, with(f, ", http: [\"127.0.0.1:8080\"]", ""),
	    "t.yaml:4: listen.http: is missing; role delivery needs at least one address for viewers");
	assert_refused(f, with(f, "{name: main, type: dir, path: /srv}", ""),
	    "t.yaml:5: origins: is missing; role delivery needs at least one origin store");
	assert_refused(f, with(f, "{path: /cache, size: 1GiB}", ""),
	    "t.yaml:6: cache.disks: is missing; role delivery needs at least one disk");
	assert_refused(f, with(f, "token_keys_file: /token.keys, ", ""),
	    "t.yaml:7: secrets.token_keys_file: is missing; role delivery signs or verifies tokens");
	/* An api node has no disks. */
	assert_good(f,
	    "cluster: c\nnode: n\nroles: [api]\nlisten: {rpc: \"127.0.0.1:1\", http: [\"127.0.0.1:2\"]}\n"
	    "origins: [{name: main, type: dir, path: /srv}]\nsecrets: {token_keys_file: /t}\n");
}

static void beyond_loopback_needs_a_key(void **state)
{
	struct fixture *f = *state;
	static const char why[] = "can be reached from other hosts, and nothing proves who calls; set "
	                          "secrets.cluster_key_file or listen on loopback";
	char error[CONFIG_ERROR_MAX];
	snprintf(error, sizeof(error), "t.yaml:4: listen.rpc: '10.0.0.1:7000' %s", why);
	assert_refused(f, "cluster: c\nnode: n\nroles: [ingest]\nlisten: {rpc: \"10.0.0.1:7000\"}\n", error);
	snprintf(error, sizeof(error), "t.yaml:4: listen.admin: '[2001:db8::1]:9000' %s", why);
	assert_refused(f,
	    "cluster: c\nnode: n\nroles: [ingest]\nlisten: {rpc: \"127.9.9.9:7000\", admin: "
	    "\"[2001:db8::1]:9000\"}\n",
	    error);
	static const char *const reachable[] = { "0.0.0.0:7000", "[::]:7000", "[::ffff:127.0.0.1]:7000",
		"[::ffff:10.0.0.1]:7000", "128.0.0.1:7000" };
	for (size_t i = 0; i < sizeof(reachable) / sizeof(reachable[0]); i++) {
		char yaml[256];
		snprintf(yaml, sizeof(yaml), "cluster: c\nnode: n\nroles: [ingest]\nlisten: {rpc: \"%s\"}\n",
		    reachable[i]);
		snprintf(error, sizeof(error), "t.yaml:4: listen.rpc: '%s' %s", reachable[i], why);
		assert_refused(f, yaml, error);
	}
	/* What a name means is another's to say: it is no address to listen on at all. */
	assert_refused(f, "cluster: c\nnode: n\nroles: [ingest]\nlisten: {rpc: \"localhost:7000\"}\n",
	    "t.yaml:4: listen.rpc: 'localhost:7000' is not allowed; allowed: an IP address and port: "
	    "127.0.0.1:7000 or [::1]:7000");
	assert_good(f, with(f, "rpc: \"127.0.0.1:7000\"", "rpc: \"10.0.0.1:7000\""));
	assert_good(f, "cluster: c\nnode: n\nroles: [ingest]\nlisten: {rpc: \"[::1]:7000\"}\n");
}

static void listening_everywhere_needs_an_advertised_address(void **state)
{
	struct fixture *f = *state;
	assert_refused(f, with(f, "rpc: \"127.0.0.1:7000\"", "rpc: \"0.0.0.0:7000\""),
	    "t.yaml:4: listen.rpc: '0.0.0.0:7000' listens everywhere, which nobody can dial; set advertise.rpc");
	assert_refused(f, with(f, "[\"127.0.0.1:8080\"]", "[\"[::]:8080\"]"),
	    "t.yaml:4: listen.http: '[::]:8080' listens everywhere, which nobody can dial; set advertise.http");
	assert_good(f,
	    with(f, "[\"127.0.0.1:8080\"]}", "[\"[::]:8080\"]}\nadvertise: {http: [\"http://a.example:8080\"]}"));
	assert_refused(f, with(f, "127.0.0.1:8080", "127.0.0.1:7000"),
	    "t.yaml:4: listen.http: '127.0.0.1:7000' is that of listen.rpc or listen.admin already");
	assert_refused(f, with(f, "127.0.0.1:7000", "127.0.0.1:9000"),
	    "t.yaml:4: listen.admin: '127.0.0.1:9000' is that of listen.rpc already");
}

static void echoes_at_most_a_piece_of_a_long_value(void **state)
{
	struct fixture *f = *state;
	char yaml[4096], long_zone[1001] = { 0 };
	for (int i = 0; i < 1000; i += 2)
		memcpy(long_zone + i, "\xc3\xa9", 2);
	snprintf(yaml, sizeof(yaml), INGEST "zone: a%s\n", long_zone);
	assert_int_equal(parse(f, yaml), ERR_INVALID);
	assert_true(strlen(f->error) < 200);
	assert_non_null(strstr(f->error, "\xc3\xa9...' is not allowed"));
	snprintf(yaml, sizeof(yaml), INGEST "%s: 1\n", long_zone);
	assert_int_equal(parse(f, yaml), ERR_INVALID);
	assert_true(strlen(f->error) < 200);
}

static void refuses_when_the_arena_is_full(void **state)
{
	struct fixture *f = *state;
	bool good = false;
	/* Every bound up to what suffices: never a crash, always the line. */
	for (size_t max = 0; !good && max < 64 * 1024; max += 64) {
		struct arena a;
		arena_init(&a, max);
		*f->error = '\0';
		enum err e = config_parse(BYTES_LIT(BOTH), "t.yaml", &a, &f->config, f->error);
		good = e == OK;
		if (!good) {
			assert_int_equal(e, ERR_NO_MEMORY);
			assert_string_equal(f->error, "t.yaml:1: out of memory");
		}
		arena_fini(&a);
	}
	assert_true(good);
}

static void default_configuration_is_valid_and_says_the_defaults(void **state)
{
	struct fixture *f = *state;
	struct buf text, changed;
	buf_init(&text, 64 * 1024);
	buf_init(&changed, 4096);
	config_print_default(&text);
	assert_int_equal(buf_err(&text), OK);
	struct arena a;
	arena_init(&a, 1 << 20);
	struct config printed;
	enum err e = config_parse(buf_bytes(&text), "default", &a, &printed, f->error);
	if (e != OK)
		fail_msg("%s", f->error);
	/* Differs from what stands in for nothing written only where examples are needed. */
	assert_good(f, BOTH);
	config_not_reloadable(&printed, &f->config, &changed);
	buf_put_u8(&changed, '\0');
	assert_string_equal((char *)changed.p,
	    "cluster, node, origins, cache.disks, secrets.token_keys_file, secrets.cluster_key_file");
	assert_int_equal(printed.log_level, f->config.log_level);
	for (size_t i = 0; i < config_settings_n; i++)
		assert_non_null(config_settings[i].doc);
	buf_fini(&text);
	buf_fini(&changed);
	arena_fini(&a);
}

static void tells_what_a_reload_cannot_change(void **state)
{
	struct fixture *f = *state;
	struct buf changed;
	struct arena a;
	struct config now;
	arena_init(&a, 1 << 20);
	buf_init(&changed, 4096);
	assert_int_equal(config_parse(BYTES_LIT(BOTH), "t.yaml", &a, &now, f->error), OK);
	assert_good(f, BOTH "log: {level: debug}\n");
	config_not_reloadable(&now, &f->config, &changed);
	assert_int_equal(changed.n, 0);
	assert_good(f, with(f, "path: /srv}", "path: /other}"));
	config_not_reloadable(&now, &f->config, &changed);
	assert_true(bytes_eq(buf_bytes(&changed), BYTES_LIT("origins")));
	buf_clear(&changed);
	assert_good(f, BOTH "workers: 2\nseeds: [\"127.0.0.1:7001\"]\nsession: {idle_timeout: 30s}\n");
	config_not_reloadable(&now, &f->config, &changed);
	assert_true(bytes_eq(buf_bytes(&changed), BYTES_LIT("seeds, workers, session.idle_timeout")));
	buf_fini(&changed);
	arena_fini(&a);
}

static void stores_over_http_are_read(void **state)
{
	struct fixture *f = *state;
	assert_good(f, INGEST
	    "origins:\n"
	    "- {name: web, match: web/, type: http, url_template: \"https://h:8443/a/{object}?b=1\"}\n"
	    "- {name: frugalos, type: http, ca_file: /ca.pem,\n"
	    "   url_template: \"http://10.0.0.1/v1/buckets/b/objects/{object_encoded}\"}\n"
	    "- {name: vod, type: s3, endpoint: \"http://10.0.0.1:9000\", bucket: b.c, credentials_file: /k}\n"
	    "- {name: aws, type: s3, endpoint: \"https://s3.eu-west-1.amazonaws.com\", bucket: b,\n"
	    "   region: eu-west-1, credentials_file: /k, path_style: false, etag_md5: false}\n");
	const struct config_origin *o = f->config.origins;
	assert_int_equal(f->config.origins_n, 4);
	assert_int_equal(o[0].type, ORIGIN_HTTP);
	assert_string_equal(o[0].url_template, "https://h:8443/a/{object}?b=1");
	assert_string_equal(o[0].ca_file, "");
	assert_string_equal(o[0].path, "");
	assert_string_equal(o[0].endpoint, "");
	assert_string_equal(o[1].ca_file, "/ca.pem");
	assert_int_equal(o[2].type, ORIGIN_S3);
	assert_string_equal(o[2].region, "us-east-1");
	assert_string_equal(o[2].credentials_file, "/k");
	assert_true(o[2].path_style && o[2].etag_md5);
	assert_string_equal(o[3].region, "eu-west-1");
	assert_false(o[3].path_style || o[3].etag_md5);
}

static void first_match_names_the_origin(void **state)
{
	struct fixture *f = *state;
	assert_good(f, INGEST "origins:\n- {name: vod, match: vod/, type: dir, path: /v}\n"
	                      "- {name: live, match: lv, type: dir, path: /l}\n");
	assert_string_equal(config_origin_of(&f->config, BYTES_LIT("vod/1"))->name, "vod");
	assert_string_equal(config_origin_of(&f->config, BYTES_LIT("lv1"))->name, "live");
	assert_null(config_origin_of(&f->config, BYTES_LIT("vod")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_every_setting, setup, teardown),
		cmocka_unit_test_setup_teardown(reads_who_may_create_sessions, setup, teardown),
		cmocka_unit_test_setup_teardown(reads_a_pace, setup, teardown),
		cmocka_unit_test_setup_teardown(fills_in_defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_with_one_line, setup, teardown),
		cmocka_unit_test_setup_teardown(roles_need_what_they_serve_from, setup, teardown),
		cmocka_unit_test_setup_teardown(beyond_loopback_needs_a_key, setup, teardown),
		cmocka_unit_test_setup_teardown(listening_everywhere_needs_an_advertised_address, setup, teardown),
		cmocka_unit_test_setup_teardown(echoes_at_most_a_piece_of_a_long_value, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_when_the_arena_is_full, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    default_configuration_is_valid_and_says_the_defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(tells_what_a_reload_cannot_change, setup, teardown),
		cmocka_unit_test_setup_teardown(stores_over_http_are_read, setup, teardown),
		cmocka_unit_test_setup_teardown(first_match_names_the_origin, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
