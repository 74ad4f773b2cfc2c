/* What the files of `secrets` and `tls` hold. Errors are one line that names the file, as of config_parse;
 * then *out is untouched. A setting that is "" is none, and OK.
 */
#ifndef NODE_FS_SECRETS_H
#define NODE_FS_SECRETS_H

#include "node/api/api_keys.h"
#include "node/config.h"
#include "node/token_keys.h"
#include "rpc/cluster_keys.h"
#include "rpc/nng_cert.h"

struct node_secrets {
	struct token_keys token_keys;
	struct cluster_keys cluster_keys;
	struct nng_cert *cert;     /* NULL: no TLS between nodes */
	struct api_keys *api_keys; /* NULL: everybody may create sessions */
};

/* All of them. */
MUST_USE enum err fs_secrets_read(
    const struct config *c, struct node_secrets *out, char error[CONFIG_ERROR_MAX]);
/* Wipes and frees. */
void fs_secrets_fini(struct node_secrets *s);

/* What a running node takes anew. */
MUST_USE enum err fs_token_keys_read(
    const struct config *c, struct token_keys *out, char error[CONFIG_ERROR_MAX]);
MUST_USE enum err fs_cluster_keys_read(
    const struct config *c, struct cluster_keys *out, char error[CONFIG_ERROR_MAX]);
MUST_USE enum err fs_cert_read(const struct config *c, struct nng_cert **out, char error[CONFIG_ERROR_MAX]);
MUST_USE enum err fs_api_keys_read(
    const struct config *c, struct api_keys **out, char error[CONFIG_ERROR_MAX]);

#endif
