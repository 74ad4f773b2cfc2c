#include "tests/bench/load/fs_trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool trace_open(struct trace_file *t, const char *path, char error[TRACE_ERROR_MAX])
{
	*t = (struct trace_file){ .path = path, .file = fopen(path, "re") };
	if (t->file == NULL)
		(void)snprintf(error, TRACE_ERROR_MAX, "%.150s: %s", path, strerror(errno));
	return t->file != NULL;
}

void trace_close(struct trace_file *t)
{
	if (t->file != NULL)
		(void)fclose(t->file); /* was only read */
	free(t->text);
	*t = (struct trace_file){ 0 };
}

static enum trace_result bad(const struct trace_file *t, const char *why, char error[TRACE_ERROR_MAX])
{
	(void)snprintf(error, TRACE_ERROR_MAX, "%.150s:%" PRIu64 ": %s", t->path, t->line, why);
	return TRACE_BAD;
}

enum trace_result trace_next(struct trace_file *t, struct trace_line *out, char error[TRACE_ERROR_MAX])
{
	for (;;) {
		ssize_t n = getline(&t->text, &t->cap, t->file);
		if (n < 0)
			return ferror(t->file) ? bad(t, "cannot be read", error) : TRACE_END;
		t->line++;
		struct trace_line line;
		enum err e = trace_line_parse(bytes_of(t->text, (size_t)n), &line);
		if (e == ERR_NOT_FOUND)
			continue;
		if (e == ERR_TOO_BIG)
			return bad(t, "a content's id has at most 255 bytes", error);
		if (e != OK)
			return bad(t, "expected `seconds content`", error);
		if (line.at_ns < t->last_ns)
			return bad(t, "the time goes back", error);
		t->last_ns = line.at_ns;
		*out = line;
		return TRACE_LINE;
	}
}
