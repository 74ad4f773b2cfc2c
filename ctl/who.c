#include "ctl/who.h"

#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOST_MAX = 256, TEXT_MAX = 1024 };

static bool is_given(const char *s)
{
	return s != NULL && s[0] != '\0';
}

static const char *user(char number[32])
{
	const char *before_sudo = getenv("SUDO_USER");
	if (geteuid() == 0 && is_given(before_sudo))
		return before_sudo;
	const struct passwd *p = getpwuid(geteuid());
	if (p != NULL && is_given(p->pw_name))
		return p->pw_name;
	snprintf(number, 32, "%lu", (unsigned long)geteuid());
	return number;
}

static bool is_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c != '\0' && strchr("._@+-", c) != NULL);
}

void who_gives_orders(char out[WHO_MAX + 1])
{
	char host[HOST_MAX] = "", number[32], text[TEXT_MAX];
	const char *said = getenv("WARMCAST_OPERATOR");
	if (gethostname(host, sizeof(host) - 1) != 0)
		host[0] = '\0';
	if (is_given(said))
		snprintf(text, sizeof(text), "%s", said);
	else
		snprintf(text, sizeof(text), "%.200s%s%s", user(number), host[0] == '\0' ? "" : "@", host);
	size_t n = 0;
	for (; n < WHO_MAX && text[n] != '\0'; n++)
		out[n] = is_plain(text[n]) ? text[n] : '_';
	out[n] = '\0';
}
