#include "node/origin/s3.h"

#include <sodium/utils.h>
#include <string.h>

static struct bytes trim(struct bytes s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = bytes_from(s, 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t' || s.p[s.n - 1] == '\r'))
		s.n--;
	return s;
}

/* It goes into a header: printable ASCII without blanks. Once only. */
static enum err take(char *out, size_t max, struct bytes value)
{
	if (value.n == 0 || value.n > max || out[0] != '\0')
		return ERR_INVALID;
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] <= ' ' || value.p[i] >= 0x7f)
			return ERR_INVALID;
	memcpy(out, value.p, value.n);
	out[value.n] = '\0';
	return OK;
}

static enum err take_line(struct bytes line, struct s3_keys *k)
{
	size_t colon = bytes_index(line, ':');
	if (colon == line.n)
		return ERR_INVALID;
	struct bytes name = trim(bytes_head(line, colon)), value = trim(bytes_from(line, colon + 1));
	if (bytes_eq(name, BYTES_LIT("access_key_id")))
		return take(k->id, S3_KEY_ID_MAX, value);
	if (bytes_eq(name, BYTES_LIT("secret_access_key")))
		return take(k->secret, S3_SECRET_MAX, value);
	if (bytes_eq(name, BYTES_LIT("session_token")))
		return take(k->token, S3_TOKEN_MAX, value);
	return ERR_INVALID;
}

enum err s3_keys_parse(struct bytes text, struct s3_keys *out, size_t *bad_line)
{
	struct s3_keys k = { .id = "" };
	enum err e = OK;
	size_t line_no = 0;
	while (text.n > 0 && e == OK) {
		size_t end = bytes_index(text, '\n');
		struct bytes line = trim(bytes_head(text, end));
		text = bytes_from(text, end < text.n ? end + 1 : end);
		line_no++;
		if (line.n > 0 && line.p[0] != '#')
			e = take_line(line, &k);
	}
	if (e == OK && (k.id[0] == '\0' || k.secret[0] == '\0')) {
		e = ERR_INVALID;
		line_no = 0;
	}
	if (e == OK)
		*out = k;
	else
		*bad_line = line_no;
	sodium_memzero(&k, sizeof(k));
	return e;
}

void s3_put_template(struct buf *out, const char *endpoint, const char *bucket, bool path_style)
{
	struct bytes url = bytes_str(endpoint);
	if (path_style) {
		buf_printf(out, "%s/%s/{object}", endpoint, bucket);
		return;
	}
	size_t scheme = bytes_index(url, ':') + strlen("://");
	buf_put_bytes(out, bytes_head(url, scheme));
	buf_printf(out, "%s.", bucket);
	buf_put_bytes(out, bytes_from(url, scheme));
	buf_put_str(out, "/{object}");
}

void s3_code(struct bytes body, char out[S3_CODE_MAX])
{
	struct bytes open = BYTES_LIT("<Code>");
	out[0] = '\0';
	while (body.n > 0 && !bytes_starts_with(body, open))
		body = bytes_from(body, 1);
	if (body.n == 0)
		return;
	body = bytes_from(body, open.n);
	size_t n = bytes_index(body, '<');
	if (n == body.n || n >= S3_CODE_MAX)
		return;
	for (size_t i = 0; i < n; i++) /* it goes into a log */
		if (body.p[i] <= ' ' || body.p[i] >= 0x7f)
			return;
	memcpy(out, body.p, n);
	out[n] = '\0';
}

bool s3_code_is_of_store(const char *code)
{
	static const char *const codes[] = { "InvalidAccessKeyId", "SignatureDoesNotMatch",
		"RequestTimeTooSkewed", "ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidSecurity",
		"NotSignedUp", "AccountProblem", "AllAccessDisabled", "AuthorizationHeaderMalformed",
		"CredentialsNotSupported", "MissingSecurityHeader", "RequestExpired", "RequestTimeout",
		"NoSuchBucket", "InvalidBucketName", "IllegalLocationConstraintException", "PermanentRedirect",
		"TemporaryRedirect", "Redirect", "InternalError", "ServiceUnavailable", "SlowDown" };
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(code, codes[i]) == 0)
			return true;
	return false;
}
