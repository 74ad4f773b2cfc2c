#include "node/http/encoding.h"

#include <strings.h>

static struct bytes trim(struct bytes s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = bytes_from(s, 1);
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

static bool is_word(struct bytes s, const char *word)
{
	return s.n == strlen(word) && strncasecmp((const char *)s.p, word, s.n) == 0;
}

/* "q=0", "q=0.0", "q=0.000": refused. What is no weight says nothing. */
static bool is_refused(struct bytes parameters)
{
	parameters = trim(parameters);
	if (parameters.n < 3 || strncasecmp((const char *)parameters.p, "q=", 2) != 0 || parameters.p[2] != '0')
		return false;
	for (size_t i = 3; i < parameters.n; i++)
		if (parameters.p[i] != '0' && parameters.p[i] != '.')
			return false;
	return true;
}

bool http_takes_gzip(struct bytes list)
{
	bool any = false;
	while (list.n > 0) {
		size_t comma = bytes_index(list, ',');
		struct bytes one = bytes_head(list, comma);
		list = bytes_from(list, comma < list.n ? comma + 1 : comma);
		size_t semicolon = bytes_index(one, ';');
		struct bytes name = trim(bytes_head(one, semicolon));
		bool taken = semicolon == one.n || !is_refused(bytes_from(one, semicolon + 1));
		if (is_word(name, "gzip") || is_word(name, "x-gzip"))
			return taken;
		any |= taken && is_word(name, "*");
	}
	return any;
}
