/* What holds between settings. */
#include "node/config_reading.h"

#include "base/address.h"
#include "base/check.h"
#include "rpc/entries.h"

#include <string.h>

#define REFUSE(r, key, ...) config_refuse((r), ERR_INVALID, config_line_of((r), (key)), (key), __VA_ARGS__)

/* Addresses were parsed when they were read. */
static struct address address_of(const char *text)
{
	struct address a;
	CHECK(address_parse(bytes_str(text), &a) == OK);
	return a;
}

static enum err check_roles(struct config_reading *r)
{
	const struct config *c = &r->out;
	const char *role = c->roles & RPC_ROLE_DELIVERY ? "delivery" : "api";
	if ((c->roles & (RPC_ROLE_API | RPC_ROLE_DELIVERY)) == 0)
		return OK;
	if (c->listen_http.n == 0)
		return REFUSE(r, "listen.http", "is missing; role %s needs at least one address for viewers", role);
	if (c->origins_n == 0)
		return REFUSE(r, "origins", "is missing; role %s needs at least one origin store", role);
	if (*c->token_keys_file == '\0')
		return REFUSE(r, "secrets.token_keys_file", "is missing; role %s signs or verifies tokens", role);
	if ((c->roles & RPC_ROLE_DELIVERY) && c->disks_n == 0)
		return REFUSE(r, "cache.disks", "is missing; role %s needs at least one disk", role);
	return OK;
}

static enum err check_loopback(struct config_reading *r, const char *key, const char *text)
{
	struct address a = address_of(text);
	if (address_is_loopback(&a) || *r->out.cluster_key_file != '\0')
		return OK;
	return REFUSE(r, key,
	    "'%s' can be reached from other hosts, and nothing proves who calls; set secrets.cluster_key_file or "
	    "listen on "
	    "loopback",
	    text);
}

static enum err check_listen(struct config_reading *r)
{
	const struct config *c = &r->out;
	if (strcmp(c->listen_rpc, c->listen_admin) == 0)
		return REFUSE(r, "listen.admin", "'%s' is that of listen.rpc already", c->listen_admin);
	for (size_t i = 0; i < c->listen_http.n; i++)
		if (strcmp(c->listen_http.v[i], c->listen_rpc) == 0 ||
		    strcmp(c->listen_http.v[i], c->listen_admin) == 0)
			return REFUSE(
			    r, "listen.http", "'%s' is that of listen.rpc or listen.admin already", c->listen_http.v[i]);
	enum err e = check_loopback(r, "listen.rpc", c->listen_rpc);
	return e != OK ? e : check_loopback(r, "listen.admin", c->listen_admin);
}

static enum err refuse_any(struct config_reading *r, const char *key, const char *text, const char *remedy)
{
	return REFUSE(r, key, "'%s' listens everywhere, which nobody can dial; set %s", text, remedy);
}

static enum err default_advertise_http(struct config_reading *r)
{
	struct config *c = &r->out;
	for (size_t i = 0; i < c->listen_http.n; i++) {
		struct address a = address_of(c->listen_http.v[i]);
		if (address_is_any(&a))
			return refuse_any(r, "listen.http", c->listen_http.v[i], "advertise.http");
		c->advertise_http.v[i] = arena_printf(r->arena, "http://%s", c->listen_http.v[i]);
		if (c->advertise_http.v[i] == NULL)
			return config_no_memory(r);
	}
	c->advertise_http.n = c->listen_http.n;
	return OK;
}

static enum err check_advertise(struct config_reading *r)
{
	struct config *c = &r->out;
	bool written = *c->advertise_rpc != '\0';
	const char *rpc = written ? c->advertise_rpc : c->listen_rpc;
	struct address a = address_of(rpc);
	if (address_is_any(&a) && written)
		return REFUSE(r, "advertise.rpc", "'%s' is everywhere, which nobody can dial", rpc);
	if (address_is_any(&a))
		return refuse_any(r, "listen.rpc", rpc, "advertise.rpc");
	c->advertise_rpc = rpc;
	enum err e = c->advertise_http.n > 0 ? OK : default_advertise_http(r);
	if (e == OK && *c->advertise_api == '\0' && (c->roles & RPC_ROLE_API))
		c->advertise_api = c->advertise_http.v[0];
	return e;
}

static enum err check_tls(struct config_reading *r)
{
	const struct config *c = &r->out;
	const struct {
		const char *key, *file;
	} parts[] = { { "tls.ca_file", c->tls_ca_file }, { "tls.cert_file", c->tls_cert_file },
		{ "tls.key_file", c->tls_key_file } };
	bool any = *c->tls_ca_file != '\0' || *c->tls_cert_file != '\0' || *c->tls_key_file != '\0';
	for (size_t i = 0; any && i < sizeof(parts) / sizeof(parts[0]); i++)
		if (*parts[i].file == '\0')
			return REFUSE(r, parts[i].key,
			    "is missing; TLS between nodes needs ca_file, cert_file and key_file, or none of them");
	return OK;
}

/* A bucket's name before an IP address is the name of nothing. */
static enum err check_origins(struct config_reading *r)
{
	for (size_t i = 0; i < r->out.origins_n; i++) {
		const struct config_origin *o = &r->out.origins[i];
		struct address a;
		if (o->type != ORIGIN_S3 || o->path_style)
			continue;
		const char *host = strstr(o->endpoint, "//") + 2;
		const char *with_port = arena_printf(r->arena, "%s:80", host);
		if (with_port == NULL)
			return config_no_memory(r);
		bool is_address = (address_parse(bytes_str(host), &a) == OK && a.kind != ADDRESS_NAME) ||
		                  (address_parse(bytes_str(with_port), &a) == OK && a.kind != ADDRESS_NAME);
		if (is_address)
			return REFUSE(r, "origins",
			    "origins[%zu].endpoint is an IP address, which no bucket's name can precede; set path_style: "
			    "true",
			    i);
	}
	return OK;
}

enum err config_check(struct config_reading *r)
{
	enum err e = check_roles(r);
	if (e == OK)
		e = check_listen(r);
	if (e == OK)
		e = check_tls(r);
	if (e == OK)
		e = check_origins(r);
	if (e == OK)
		e = check_advertise(r);
	return e;
}
