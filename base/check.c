#include "base/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void (*_Atomic fail_hook)(void);

void check_on_fail(void (*hook)(void))
{
	atomic_store(&fail_hook, hook);
}

_Noreturn void check_fail(const char *file, int line, const char *func, const char *what)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "PANIC %s:%d %s: %s\n", file, line, func, what);
	if (n > 0) {
		size_t len = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
		/* Nothing better can be done about a failing stderr while dying. */
		ssize_t ignored = write(STDERR_FILENO, text, len);
		(void)ignored;
	}
	void (*hook)(void) = atomic_exchange(&fail_hook, NULL);
	if (hook != NULL)
		hook();
	abort();
}
