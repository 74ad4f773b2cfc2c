/* A node's certificate, and whose certificates it believes: TLS under the links between nodes.
 *
 * Both sides of a link show a certificate, and each checks that of the other: signed by a CA of ca_file,
 * within its days, for the use it is put to (RFC 5280). No host name is compared: nodes dial addresses that
 * the cluster tells them, and mbedTLS 2.28 cannot match addresses in certificates. So ca_file is for a CA of
 * the cluster's own: whoever has a certificate of it is a node as far as TLS is concerned, and the cluster's
 * key is asked for on top of that.
 *
 * TLS 1.2 and newer, whatever of it nng's engine has. Texts are PEM. Immutable; held and freed on any one
 * thread.
 */
#ifndef RPC_NNG_CERT_H
#define RPC_NNG_CERT_H

#include "base/err.h"

#include <stdint.h>

enum { NNG_CERT_TEXT_MAX = 320, NNG_CERT_PEM_MAX = 256 * 1024 };

struct nng_cert;

/* Each with a NUL at its end. */
struct nng_cert_pem {
	const char *ca;   /* one or more CAs */
	const char *cert; /* this node's, and those between it and the CA */
	const char *key;  /* without a password */
};

enum nng_cert_part { NNG_CERT_CA, NNG_CERT_CERT, NNG_CERT_KEY };

struct nng_cert_fault {
	enum nng_cert_part part;
	char text[NNG_CERT_TEXT_MAX]; /* what is wrong, and what to do */
};

/* Checks what a peer would check, so that a wrong file is found here and not by every peer. ERR_INVALID,
 * ERR_EXPIRED, ERR_FORGED (not of that CA) or ERR_NO_MEMORY, with *fault. The texts are copied, and the
 * caller wipes that of the key. */
MUST_USE enum err nng_cert_new(
    const struct nng_cert_pem *pem, struct nng_cert **out, struct nng_cert_fault *fault);
/* Another owner. */
struct nng_cert *nng_cert_hold(struct nng_cert *c);
/* The last owner's ends it; connections that use it go on. NULL is fine. */
void nng_cert_free(struct nng_cert *c);
/* When this node's certificate ends: "2027-01-31T12:00:00Z". */
const char *nng_cert_expiry(const struct nng_cert *c);
/* Days until then, 0 on the last one. */
uint32_t nng_cert_days_left(const struct nng_cert *c);

struct nng_tls_config;
/* For rpc/ itself. */
struct nng_tls_config *nng_cert_of_dialer(const struct nng_cert *c);
struct nng_tls_config *nng_cert_of_listener(const struct nng_cert *c);

#endif
