/* Death tests: runs a function in a child process that must end by abort, and gives what it wrote to
 * stderr meanwhile.
 */
#ifndef TESTS_UNIT_BASE_DEATH_H
#define TESTS_UNIT_BASE_DEATH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static inline void death_child(void (*doomed)(void), int stderr_fd)
{
	const struct rlimit no_core = { 0, 0 };
	setrlimit(RLIMIT_CORE, &no_core);
	dup2(stderr_fd, STDERR_FILENO);
	doomed();
	_exit(0);
}

/* Fails unless doomed() ends by SIGABRT. `said` gets its stderr, NUL-terminated, cut at `size` - 1. */
static inline void assert_dies(void (*doomed)(void), char *said, size_t size)
{
	int fds[2], status;
	assert_int_equal(pipe(fds), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		death_child(doomed, fds[1]);
	close(fds[1]);
	size_t n = 0;
	ssize_t got;
	while (n < size - 1 && (got = read(fds[0], said + n, size - 1 - n)) > 0)
		n += (size_t)got;
	said[n] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

#endif
