/* Origin stores over HTTP: `http`, any server whose URLs follow a template (a web server, a Frugalos store),
 * and `s3`, the same with signed requests (AWS Signature Version 4).
 *
 * A status is judged by store_head_judge. Where it differs for s3: codes that speak of the credentials, the
 * clock, the region or the bucket are the store's failure, whatever their status (s3.h). AccessDenied, which
 * is also what a store says of an object that does not exist to whom may not list, is ERR_NOT_FOUND for open
 * and ERR_DENIED for stat: so nothing is dropped that a cache holds, and what was never held is asked for
 * once in a while only. Redirects are followed at most three times by `http`, never by `s3` (a signature is
 * for one host).
 *
 * HEAD confirms what is held. Where HEAD is not known (405, 501), or an s3 store refuses it, which cannot say
 * why, GET is asked for its head.
 *
 * `check`: as many bytes as Content-Length says; for s3 also the ETag, where it is the MD5 of the object (32
 * hex digits, no key encryption).
 *
 * Every request has `User-Agent: warmcast/VERSION` and `CDN-Loop: warmcast-CLUSTER` (RFC 8586).
 */
#ifndef NODE_ORIGIN_CURL_SOURCE_H
#define NODE_ORIGIN_CURL_SOURCE_H

#include "node/config.h"
#include "node/origin/curl_fetch.h"
#include "node/origin/source.h"

/* All strings are copied. */
struct curl_source_config {
	const char *url_template;   /* object_url.h */
	const char *cluster;        /* [A-Za-z0-9._-] */
	const char *ca_file;        /* NULL or "": the system's */
	const char *sigv4_region;   /* NULL: requests are not signed */
	const char *keys_file;      /* of s3: read when it has changed */
	bool etag_md5;              /* of s3: an ETag of 32 hex digits is an MD5 */
	struct fetch_limits limits; /* zeros: defaults */
};

/* Free it with its free(). */
struct origin_source *curl_source_new(const struct curl_source_config *c);
/* Of an origin of type http or s3. */
struct origin_source *curl_source_of(const struct config_origin *o, const char *cluster);

#endif
