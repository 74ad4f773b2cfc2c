#include "rpc/nng_cert.h"

#include "base/obj.h"
#include "rpc/nng_err.h"

#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <mbedtls/x509_crt.h>
#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CERT_MAGIC = 0x63657274, EXPIRY_TEXT_MAX = 24 };

struct nng_cert {
	unsigned magic;
	atomic_uint owners;
	nng_tls_config *dialer, *listener;
	char expiry[EXPIRY_TEXT_MAX];
	time_t expires_s;
};

/* What is read to be checked; nng reads it anew for itself. */
struct reading {
	mbedtls_x509_crt ca, cert;
	mbedtls_pk_context key;
	struct nng_cert_fault *fault;
};

static enum err __attribute__((format(printf, 4, 5)))
refuse(struct reading *r, enum err e, enum nng_cert_part part, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	r->fault->part = part;
	vsnprintf(r->fault->text, sizeof(r->fault->text), format, ap);
	va_end(ap);
	return e;
}

static const unsigned char *pem_text(const char *pem, size_t *n)
{
	*n = strlen(pem) + 1; /* mbedTLS knows PEM by the NUL at its end */
	return (const unsigned char *)pem;
}

static bool is_out_of_memory(int rv)
{
	return rv == MBEDTLS_ERR_X509_ALLOC_FAILED || rv == MBEDTLS_ERR_PK_ALLOC_FAILED ||
	       rv == MBEDTLS_ERR_PEM_ALLOC_FAILED;
}

static bool is_unknown_kind(int rv)
{
	int high = -(-rv & ~0x7f); /* the low bits are of another layer */
	return high == MBEDTLS_ERR_PK_UNKNOWN_PK_ALG || high == MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE ||
	       high == MBEDTLS_ERR_X509_UNKNOWN_SIG_ALG || high == MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE;
}

static enum err read_certs(struct reading *r, enum nng_cert_part part, const char *pem, mbedtls_x509_crt *out)
{
	size_t n;
	const unsigned char *text = pem_text(pem, &n);
	int rv = mbedtls_x509_crt_parse(out, text, n);
	if (rv == 0)
		return OK;
	if (is_out_of_memory(rv))
		return refuse(r, ERR_NO_MEMORY, part, "%s", err_str(ERR_NO_MEMORY));
	if (strstr(pem, "-----BEGIN CERTIFICATE-----") == NULL)
		return refuse(r, ERR_INVALID, part, "holds no certificate; it must be PEM, with BEGIN CERTIFICATE");
	return refuse(r, ERR_INVALID, part,
	    "a certificate in it is malformed, or of a kind that is not known here; RSA and ECDSA (P-256, P-384) "
	    "are");
}

static enum err read_key(struct reading *r, const char *pem)
{
	size_t n;
	const unsigned char *text = pem_text(pem, &n);
	int rv = mbedtls_pk_parse_key(&r->key, text, n, NULL, 0);
	if (rv == 0)
		return OK;
	if (is_out_of_memory(rv))
		return refuse(r, ERR_NO_MEMORY, NNG_CERT_KEY, "%s", err_str(ERR_NO_MEMORY));
	if (rv == MBEDTLS_ERR_PK_PASSWORD_REQUIRED || strstr(pem, "ENCRYPTED") != NULL)
		return refuse(r, ERR_INVALID, NNG_CERT_KEY,
		    "is locked by a password, which nobody is there to type; write it without: openssl pkey -in IN "
		    "-out "
		    "OUT");
	if (is_unknown_kind(rv))
		return refuse(r, ERR_INVALID, NNG_CERT_KEY,
		    "is of a kind that is not known here; RSA and ECDSA (P-256, P-384) are");
	return refuse(
	    r, ERR_INVALID, NNG_CERT_KEY, "holds no private key; it must be PEM, with BEGIN PRIVATE KEY");
}

static void put_time(char out[EXPIRY_TEXT_MAX], const mbedtls_x509_time *t)
{
	/* In range, or mbedTLS would not have taken it; the compiler does not know. */
	snprintf(out, EXPIRY_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)t->year % 10000,
	    (unsigned)t->mon % 100, (unsigned)t->day % 100, (unsigned)t->hour % 100, (unsigned)t->min % 100,
	    (unsigned)t->sec % 100);
}

static enum err check_days(struct reading *r)
{
	char when[EXPIRY_TEXT_MAX];
	put_time(when, &r->cert.valid_to);
	if (mbedtls_x509_time_is_past(&r->cert.valid_to))
		return refuse(
		    r, ERR_EXPIRED, NNG_CERT_CERT, "expired at %s; put a new certificate in its place", when);
	put_time(when, &r->cert.valid_from);
	if (mbedtls_x509_time_is_future(&r->cert.valid_from))
		return refuse(r, ERR_EXPIRED, NNG_CERT_CERT,
		    "is good from %s on only; is this host's clock right, or is it the wrong file?", when);
	return OK;
}

/* Every node is both sides of a TLS connection. */
static enum err check_use(struct reading *r)
{
	static const char server[] = MBEDTLS_OID_SERVER_AUTH, client[] = MBEDTLS_OID_CLIENT_AUTH;
	if (mbedtls_x509_crt_check_extended_key_usage(&r->cert, server, sizeof(server) - 1) != 0 ||
	    mbedtls_x509_crt_check_extended_key_usage(&r->cert, client, sizeof(client) - 1) != 0)
		return refuse(r, ERR_INVALID, NNG_CERT_CERT,
		    "is not for both sides of a link; its extendedKeyUsage needs serverAuth and clientAuth");
	if (mbedtls_x509_crt_check_key_usage(&r->cert, MBEDTLS_X509_KU_DIGITAL_SIGNATURE) != 0)
		return refuse(r, ERR_INVALID, NNG_CERT_CERT, "may not sign; its keyUsage needs digitalSignature");
	return OK;
}

static enum err check_chain(struct reading *r)
{
	uint32_t flags = 0;
	if (mbedtls_x509_crt_verify(&r->cert, &r->ca, NULL, NULL, &flags, NULL, NULL) == 0)
		return OK;
	if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED)
		return refuse(r, ERR_FORGED, NNG_CERT_CERT,
		    "is signed by no CA of tls.ca_file; take one that is, with the certificates between them behind "
		    "it");
	if (flags & (MBEDTLS_X509_BADCERT_EXPIRED | MBEDTLS_X509_BADCERT_FUTURE))
		return refuse(r, ERR_EXPIRED, NNG_CERT_CA,
		    "the CA, or one between it and this node's certificate, is expired or not good yet; renew it");
	if (flags & (MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY))
		return refuse(r, ERR_INVALID, NNG_CERT_CERT,
		    "its key or signature is too weak; RSA of 2048 bits and more or ECDSA, with SHA-256 or more");
	return refuse(r, ERR_FORGED, NNG_CERT_CERT, "peers would not believe it (mbedTLS says 0x%x)", flags);
}

static enum err check(struct reading *r, const struct nng_cert_pem *pem)
{
	enum err e = read_certs(r, NNG_CERT_CA, pem->ca, &r->ca);
	if (e == OK)
		e = read_certs(r, NNG_CERT_CERT, pem->cert, &r->cert);
	if (e == OK)
		e = read_key(r, pem->key);
	if (e == OK && mbedtls_pk_check_pair(&r->cert.pk, &r->key) != 0)
		e = refuse(r, ERR_INVALID, NNG_CERT_KEY, "does not belong to the certificate in tls.cert_file");
	if (e == OK)
		e = check_days(r);
	if (e == OK)
		e = check_use(r);
	return e == OK ? check_chain(r) : e;
}

static int make_config(nng_tls_config **out, nng_tls_mode mode, const struct nng_cert_pem *pem)
{
	int rv = nng_tls_config_alloc(out, mode);
	if (rv == 0)
		rv = nng_tls_config_ca_chain(*out, pem->ca, NULL);
	if (rv == 0)
		rv = nng_tls_config_own_cert(*out, pem->cert, pem->key, NULL);
	if (rv == 0)
		rv = nng_tls_config_auth_mode(*out, NNG_TLS_AUTH_MODE_REQUIRED);
	return rv;
}

static void take_expiry(struct nng_cert *c, const mbedtls_x509_time *t)
{
	struct tm tm = {
		.tm_year = t->year - 1900,
		.tm_mon = t->mon - 1,
		.tm_mday = t->day,
		.tm_hour = t->hour,
		.tm_min = t->min,
		.tm_sec = t->sec,
	};
	c->expires_s = timegm(&tm);
	put_time(c->expiry, t);
}

enum err nng_cert_new(const struct nng_cert_pem *pem, struct nng_cert **out, struct nng_cert_fault *fault)
{
	struct reading r = { .fault = fault };
	mbedtls_x509_crt_init(&r.ca);
	mbedtls_x509_crt_init(&r.cert);
	mbedtls_pk_init(&r.key);
	struct nng_cert *c = NULL;
	enum err e = check(&r, pem);
	if (e == OK) {
		c = OBJ_NEW(struct nng_cert, CERT_MAGIC);
		atomic_init(&c->owners, 1);
		take_expiry(c, &r.cert.valid_to);
		int rv = make_config(&c->dialer, NNG_TLS_MODE_CLIENT, pem);
		if (rv == 0)
			rv = make_config(&c->listener, NNG_TLS_MODE_SERVER, pem);
		if (rv != 0)
			e = refuse(&r, err_from_nng(rv), NNG_CERT_CERT, "nng does not take it: %s", nng_strerror(rv));
	}
	mbedtls_pk_free(&r.key);
	mbedtls_x509_crt_free(&r.cert);
	mbedtls_x509_crt_free(&r.ca);
	if (e == OK)
		*out = c;
	else
		nng_cert_free(c);
	return e;
}

struct nng_cert *nng_cert_hold(struct nng_cert *c)
{
	OBJ_CHECK(c, CERT_MAGIC);
	atomic_fetch_add(&c->owners, 1);
	return c;
}

void nng_cert_free(struct nng_cert *c)
{
	if (c == NULL)
		return;
	OBJ_CHECK(c, CERT_MAGIC);
	if (atomic_fetch_sub(&c->owners, 1) > 1)
		return;
	if (c->dialer != NULL)
		nng_tls_config_free(c->dialer);
	if (c->listener != NULL)
		nng_tls_config_free(c->listener);
	OBJ_FREE(c);
}

const char *nng_cert_expiry(const struct nng_cert *c)
{
	return c->expiry;
}

uint32_t nng_cert_days_left(const struct nng_cert *c)
{
	time_t now_s = time(NULL);
	return now_s >= c->expires_s ? 0 : (uint32_t)((c->expires_s - now_s) / 86400);
}

struct nng_tls_config *nng_cert_of_dialer(const struct nng_cert *c)
{
	return c->dialer;
}

struct nng_tls_config *nng_cert_of_listener(const struct nng_cert *c)
{
	return c->listener;
}
