#include "ctl/commands.h"

#include "ctl/show.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TARGET_MAX_BYTES = 8 << 10, TEXT_MAX_BYTES = 256 << 20, DETAIL_MAX = 400 };

struct command {
	const char *name;
	const char *argument; /* NULL: takes none */
	const char *summary;
	const char *help;
	const char *target; /* of the GET; the argument is appended, percent-encoded */
	enum err (*show)(const json_t *answer, struct buf *out);
};

static const struct command commands[] = {
	{ "status", NULL, "what the asked node says of itself and sees of the cluster",
	    "Shows the node that listens on the admin address: its name, state and age, how many nodes it\n"
	    "sees, its sessions, cache and replica.\n",
	    "/v1/status", show_status },
	{ "nodes", NULL, "all nodes that the asked node knows, with state and load",
	    "One line a node. STATE is what it says of itself (joining, ready, draining, left), LIVE what\n"
	    "the asked node sees (alive, suspect, down), SINCE how long that has been so, SESSIONS the places\n"
	    "taken of its capacity, ADDRESS where other nodes reach it.\n",
	    "/v1/nodes", show_nodes },
	{ "holders", "CONTENT", "the delivery nodes whose cache holds a content",
	    "One line a holder. SHARE is how much of the content it holds where that is known, HELD how much\n"
	    "in bytes, ENTRY the playlist by which viewers enter the content there.\n",
	    "/v1/contents/", show_holders },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

bool commands_known(const char *name)
{
	return find(name) != NULL;
}

void commands_list(FILE *out)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		const char *argument = commands[i].argument == NULL ? "" : commands[i].argument;
		fprintf(out, "  %-8s %-8s %s\n", commands[i].name, argument, commands[i].summary);
	}
}

void commands_help(const char *name, FILE *out)
{
	const struct command *c = find(name);
	if (c == NULL)
		return;
	fprintf(out, "usage: warmcastctl [--admin HOST:PORT] [--json] %s%s%s\n\n%s", c->name,
	    c->argument == NULL ? "" : " ", c->argument == NULL ? "" : c->argument, c->help);
}

/* -- asking -- */

/* Segments stay segments: a content id may hold slashes. */
static void put_encoded(struct buf *out, const char *path)
{
	for (; *path != '\0'; path++) {
		uint8_t c = (uint8_t)*path;
		bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		if (alnum || strchr("-._~/", c) != NULL)
			buf_put_u8(out, c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

/* One line, whatever the node wrote. */
static void print_line(FILE *errors, const char *admin, int status, const char *text)
{
	fprintf(errors, "warmcastctl: %s: ", admin);
	for (size_t n = 0; *text != '\0' && n < DETAIL_MAX; text++, n++)
		fputc((uint8_t)*text < 0x20 || *text == 0x7f ? ' ' : *text, errors);
	fprintf(errors, " (HTTP %d)\n", status);
}

/* The detail of a problem document (RFC 9457), else its title. */
static int refused(const struct command_options *o, const struct client_answer *a, FILE *errors)
{
	json_t *problem = json_loadb((const char *)a->body.p, a->body.n, JSON_REJECT_DUPLICATES, NULL);
	const char *text = json_string_value(json_object_get(problem, "detail"));
	if (text == NULL)
		text = json_string_value(json_object_get(problem, "title"));
	print_line(errors, o->client.admin, a->status, text == NULL ? "it refused, and did not say why" : text);
	json_decref(problem);
	return CTL_FAILED;
}

static int print(struct bytes text, FILE *out, FILE *errors)
{
	bool ends = text.n > 0 && text.p[text.n - 1] == '\n';
	fwrite(text.p, 1, text.n, out);
	if (!ends)
		fputc('\n', out);
	if (fflush(out) == 0 && !ferror(out))
		return CTL_DONE;
	fprintf(errors, "warmcastctl: cannot write: %s\n", strerror(errno));
	return CTL_FAILED;
}

static int not_understood(const struct command_options *o, FILE *errors)
{
	fprintf(errors, "warmcastctl: %s: the answer is not what a Warmcast node of this version says\n",
	    o->client.admin);
	return CTL_FAILED;
}

static int show(
    const struct command_options *o, const struct command *c, struct bytes body, FILE *out, FILE *errors)
{
	json_t *answer = json_loadb((const char *)body.p, body.n, JSON_REJECT_DUPLICATES, NULL);
	if (answer == NULL)
		return not_understood(o, errors);
	int status;
	struct buf text;
	buf_init(&text, TEXT_MAX_BYTES);
	if (c->show(answer, &text) != OK)
		status = not_understood(o, errors);
	else
		status = print(o->json ? body : buf_bytes(&text), out, errors);
	buf_fini(&text);
	json_decref(answer);
	return status;
}

static int ask(
    const struct command_options *o, const struct command *c, const char *target, FILE *out, FILE *errors)
{
	struct client_answer a;
	char error[CLIENT_ERROR_MAX];
	if (client_call(&o->client, "GET", target, BYTES_NONE, &a, error) != OK) {
		fprintf(errors, "warmcastctl: %s\n", error);
		return CTL_FAILED;
	}
	int status = a.status == 200 ? show(o, c, buf_bytes(&a.body), out, errors) : refused(o, &a, errors);
	buf_fini(&a.body);
	return status;
}

int commands_run(const struct command_options *o, char *const *words, size_t words_n, FILE *out, FILE *errors)
{
	const struct command *c = find(words[0]);
	if (c == NULL) {
		fprintf(errors, "warmcastctl: no such command: %s (see warmcastctl --help)\n", words[0]);
		return CTL_USAGE;
	}
	size_t expected = c->argument == NULL ? 1 : 2;
	if (words_n != expected || (c->argument != NULL && words[1][0] == '\0')) {
		fprintf(errors, "warmcastctl: usage: warmcastctl %s%s%s\n", c->name, c->argument == NULL ? "" : " ",
		    c->argument == NULL ? "" : c->argument);
		return CTL_USAGE;
	}
	struct buf target;
	buf_init(&target, TARGET_MAX_BYTES);
	buf_put_str(&target, c->target);
	if (c->argument != NULL)
		put_encoded(&target, words[1]);
	buf_put_u8(&target, '\0');
	int status;
	if (buf_err(&target) == OK) {
		status = ask(o, c, (const char *)target.p, out, errors);
	} else {
		fprintf(errors, "warmcastctl: %s: over a stated limit\n", c->argument);
		status = CTL_USAGE;
	}
	buf_fini(&target);
	return status;
}
