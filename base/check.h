/* Checks that stay on in every build: a bug ends the process where it is seen, with a trace,
 * before it spreads. Never use them on input from a network or a disk: that is refused, not
 * checked.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#define CHECK(cond)                                          \
	do {                                                     \
		if (__builtin_expect(!(cond), 0))                    \
			check_fail(__FILE__, __LINE__, __func__, #cond); \
	} while (0)

/* For a branch that cannot be reached. */
#define UNREACHABLE() check_fail(__FILE__, __LINE__, __func__, "unreachable")

/* Called once before abort, so that the process can dump what it was doing (base/trace.h). The
 * hook must be async-signal-safe in spirit: no allocation, no lock. */
void check_on_fail(void (*hook)(void));

_Noreturn void check_fail(const char *file, int line, const char *func, const char *what);

#endif
