#include "node/fs_secrets.h"

#include "node/fs_config.h"
#include "node/fs_random.h"
#include "node/origin/fs_s3_keys.h"
#include "rpc/entries.h"

#include <sodium/utils.h>
#include <stdio.h>

enum { CA_FILE_MAX = 4 << 20 };

static void wipe(struct buf *text)
{
	if (text->p != NULL)
		sodium_memzero(text->p, text->cap);
	buf_fini(text);
}

static enum err refuse_line(const char *path, size_t line, enum err e, size_t max, char *error)
{
	snprintf(error, CONFIG_ERROR_MAX, "%.512s:%zu: %s; each line is ID:BASE64 of 32 bytes, at most %zu lines",
	    path, line, err_str(e), max);
	return e;
}

enum err fs_token_keys_read(const struct config *c, struct token_keys *out, char error[CONFIG_ERROR_MAX])
{
	struct buf text;
	size_t bad_line = 0;
	if (c->token_keys_file[0] == '\0')
		return OK;
	buf_init(&text, SECRET_FILE_MAX);
	enum err e = fs_secret_read(c->token_keys_file, SECRET_FILE_MAX, &text, error);
	if (e == OK) {
		e = token_keys_parse(buf_bytes(&text), out, &bad_line);
		if (e != OK)
			e = refuse_line(c->token_keys_file, bad_line, e, TOKEN_KEYS_MAX, error);
	}
	wipe(&text);
	return e;
}

enum err fs_cluster_keys_read(const struct config *c, struct cluster_keys *out, char error[CONFIG_ERROR_MAX])
{
	struct buf text;
	size_t bad_line = 0;
	if (c->cluster_key_file[0] == '\0')
		return OK;
	buf_init(&text, SECRET_FILE_MAX);
	enum err e = fs_secret_read(c->cluster_key_file, SECRET_FILE_MAX, &text, error);
	if (e == OK) {
		e = cluster_keys_parse(buf_bytes(&text), out, &bad_line);
		if (e != OK)
			e = refuse_line(c->cluster_key_file, bad_line, e, RPC_CLUSTER_KEYS_MAX, error);
	}
	wipe(&text);
	return e;
}

static void end_text(struct buf *b)
{
	buf_put(b, "", 1);
}

static enum err make_cert(const struct config *c, struct buf *ca, struct buf *cert, struct buf *key,
    struct nng_cert **out, char *error)
{
	end_text(ca);
	end_text(cert);
	end_text(key);
	if (buf_err(ca) != OK || buf_err(cert) != OK || buf_err(key) != OK) {
		snprintf(error, CONFIG_ERROR_MAX, "%.512s: %s", c->tls_cert_file, err_str(ERR_NO_MEMORY));
		return ERR_NO_MEMORY;
	}
	const struct nng_cert_pem pem = { (const char *)ca->p, (const char *)cert->p, (const char *)key->p };
	struct nng_cert_fault fault;
	enum err e = nng_cert_new(&pem, out, &fault);
	if (e == OK)
		return OK;
	const char *file = fault.part == NNG_CERT_CA    ? c->tls_ca_file
	                   : fault.part == NNG_CERT_KEY ? c->tls_key_file
	                                                : c->tls_cert_file;
	snprintf(error, CONFIG_ERROR_MAX, "%.512s: %s", file, fault.text);
	return e;
}

enum err fs_cert_read(const struct config *c, struct nng_cert **out, char error[CONFIG_ERROR_MAX])
{
	struct buf ca, cert, key;
	if (c->tls_ca_file[0] == '\0')
		return OK;
	buf_init(&ca, NNG_CERT_PEM_MAX + 1);
	buf_init(&cert, NNG_CERT_PEM_MAX + 1);
	buf_init(&key, SECRET_FILE_MAX + 1);
	enum err e = fs_text_read(c->tls_ca_file, NNG_CERT_PEM_MAX, &ca, error);
	if (e == OK)
		e = fs_text_read(c->tls_cert_file, NNG_CERT_PEM_MAX, &cert, error);
	if (e == OK)
		e = fs_secret_read(c->tls_key_file, SECRET_FILE_MAX, &key, error);
	if (e == OK)
		e = make_cert(c, &ca, &cert, &key, out, error);
	wipe(&key);
	buf_fini(&cert);
	buf_fini(&ca);
	return e;
}

static enum err parse_api_keys(const char *path, struct bytes text, struct api_keys **out, char *error)
{
	struct random_pool random;
	uint8_t secret[API_KEY_DIGEST_BYTES];
	struct api_keys_fault fault;
	random_pool_init(&random);
	random_take(&random, secret, sizeof(secret));
	random_pool_fini(&random);
	enum err e = api_keys_parse(text, secret, out, &fault);
	sodium_memzero(secret, sizeof(secret));
	if (e != OK)
		snprintf(
		    error, CONFIG_ERROR_MAX, "%.512s:%zu: %s; %s", path, fault.line, fault.what, API_KEYS_ALLOWED);
	return e;
}

enum err fs_api_keys_read(const struct config *c, struct api_keys **out, char error[CONFIG_ERROR_MAX])
{
	struct buf text;
	if (c->api_keys_file[0] == '\0')
		return OK;
	buf_init(&text, API_KEYS_FILE_MAX);
	enum err e = fs_secret_read(c->api_keys_file, API_KEYS_FILE_MAX, &text, error);
	if (e == OK)
		e = parse_api_keys(c->api_keys_file, buf_bytes(&text), out, error);
	wipe(&text);
	return e;
}

static enum err check_store(const struct config_origin *o, char *error)
{
	enum err e = OK;
	if (o->type == ORIGIN_S3) {
		struct s3_keys keys;
		e = fs_s3_keys_read(o->credentials_file, &keys, error);
		sodium_memzero(&keys, sizeof(keys));
	}
	if (e == OK && o->ca_file[0] != '\0') {
		struct buf text;
		buf_init(&text, CA_FILE_MAX);
		e = fs_text_read(o->ca_file, CA_FILE_MAX, &text, error);
		buf_fini(&text);
	}
	return e;
}

/* The files of origin stores are read when they are used; whether they are good is known at the start. */
static enum err check_stores(const struct config *c, char *error)
{
	enum err e = OK;
	for (size_t i = 0; e == OK && i < c->origins_n && (c->roles & RPC_ROLE_DELIVERY); i++)
		e = check_store(&c->origins[i], error);
	return e;
}

enum err fs_secrets_read(const struct config *c, struct node_secrets *out, char error[CONFIG_ERROR_MAX])
{
	struct node_secrets s = { .cert = NULL };
	enum err e = fs_token_keys_read(c, &s.token_keys, error);
	if (e == OK)
		e = fs_cluster_keys_read(c, &s.cluster_keys, error);
	if (e == OK)
		e = fs_cert_read(c, &s.cert, error);
	if (e == OK)
		e = fs_api_keys_read(c, &s.api_keys, error);
	if (e == OK)
		e = check_stores(c, error);
	if (e == OK)
		*out = s;
	else
		fs_secrets_fini(&s);
	sodium_memzero(&s, sizeof(s));
	return e;
}

void fs_secrets_fini(struct node_secrets *s)
{
	token_keys_fini(&s->token_keys);
	cluster_keys_fini(&s->cluster_keys);
	nng_cert_free(s->cert);
	s->cert = NULL;
	api_keys_free(s->api_keys);
	s->api_keys = NULL;
}
