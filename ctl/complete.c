#include "ctl/complete.h"

#include "base/check.h"
#include "ctl/ask.h"
#include "ctl/commands.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	WORDS_MAX = 64,
	NAME_MAX_CHARS = 64,
	COMMANDS_MAX = 64,
	OPTIONS_MAX = 64,
	LINE_MAX_CHARS = 4096,
	TEXT_MAX_CHARS = 32768
};

struct option_said {
	char name[NAME_MAX_CHARS]; /* "--wait" */
	bool takes_value;
	size_t command; /* whose it is; COMMANDS_MAX: everybody's */
};

struct command_said {
	char first[NAME_MAX_CHARS], second[NAME_MAX_CHARS]; /* "kvs", "get"; the second may be "" */
	char arguments[NAME_MAX_CHARS];                     /* "OWNER KEY..." */
};

/* What the help says, and what was typed. */
struct completion {
	struct command_said commands[COMMANDS_MAX];
	size_t commands_n;
	struct option_said options[OPTIONS_MAX];
	size_t options_n;
	char list[TEXT_MAX_CHARS], help[TEXT_MAX_CHARS];
	char line[LINE_MAX_CHARS];
	char *words[WORDS_MAX]; /* without options */
	size_t words_n;
	const char *last;  /* the word to be completed; may be "" */
	bool is_value;     /* of an option */
	const char *admin; /* HOST:PORT */
	FILE *out;
};

/* -- reading the help -- */

/* A stream into a text of TEXT_MAX_CHARS; what does not fit is left out. */
static FILE *write_into(char *text)
{
	memset(text, 0, TEXT_MAX_CHARS);
	FILE *f = fmemopen(text, TEXT_MAX_CHARS - 1, "w");
	CHECK(f != NULL);
	return f;
}

static void end_text(FILE *f)
{
	(void)fclose(f); /* fails when something was left out */
}

static void put_help(struct completion *c, const struct command_said *of)
{
	char first[NAME_MAX_CHARS], second[NAME_MAX_CHARS];
	memcpy(first, of->first, sizeof(first));
	memcpy(second, of->second, sizeof(second));
	char *words[] = { first, second };
	FILE *f = write_into(c->help);
	commands_help(words, second[0] == '\0' ? 1 : 2, f);
	end_text(f);
}

/* The characters of `text` up to one of `ends`, and where they end. False: they are too many, or none. */
static bool take_word(const char **text, const char *ends, char out[NAME_MAX_CHARS])
{
	size_t n = strcspn(*text, ends);
	if (n == 0 || n >= NAME_MAX_CHARS)
		return false;
	memcpy(out, *text, n);
	out[n] = '\0';
	*text += n;
	return true;
}

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');
	return end == NULL ? line + strlen(line) : end + 1;
}

static bool is_value_name(char c)
{
	return c >= 'A' && c <= 'Z';
}

/* Lines of the form "  --wait  until ..." and "  --to VERSION, --peak N  as ...". */
static void take_options(struct completion *c, const char *help, size_t command)
{
	for (const char *line = help; *line != '\0'; line = next_line(line)) {
		const char *at = line + 2;
		while (c->options_n < OPTIONS_MAX && (at > line + 2 || strncmp(line, "  --", 4) == 0)) {
			struct option_said *o = &c->options[c->options_n];
			char value[NAME_MAX_CHARS];
			if (strncmp(at, "--", 2) != 0 || !take_word(&at, " ,\n", o->name))
				break;
			o->takes_value = at[0] == ' ' && is_value_name(at[1]);
			o->command = command;
			c->options_n++;
			at += at[0] == ' ';
			if (!o->takes_value || !take_word(&at, " ,\n", value) || strncmp(at, ", ", 2) != 0)
				break;
			at += 2;
		}
	}
}

static void take_arguments(struct command_said *c, const char *help)
{
	const char *line = strstr(help, "[--json] "), *at = line == NULL ? NULL : strstr(line, c->first);
	if (at != NULL && c->second[0] != '\0')
		at = strstr(at, c->second);
	if (at == NULL)
		return;
	at += strlen(c->second[0] != '\0' ? c->second : c->first);
	while (*at == ' ')
		at++;
	(void)take_word(&at, "\n", c->arguments);
}

static void take_commands(struct completion *c)
{
	FILE *f = write_into(c->list);
	commands_list(f);
	end_text(f);
	for (const char *line = c->list; *line != '\0' && c->commands_n < COMMANDS_MAX; line = next_line(line)) {
		struct command_said *one = &c->commands[c->commands_n];
		const char *at = line + strspn(line, " ");
		if (!take_word(&at, " \n", one->first))
			continue;
		if (at[0] == ' ' && at[1] >= 'a' && at[1] <= 'z') {
			at++;
			(void)take_word(&at, " \n", one->second);
		}
		put_help(c, one);
		take_arguments(one, c->help);
		take_options(c, c->help, c->commands_n++);
	}
}

static void take_usage(struct completion *c, void (*usage)(FILE *out))
{
	FILE *f = write_into(c->help);
	usage(f);
	end_text(f);
	take_options(c, c->help, COMMANDS_MAX);
}

/* -- reading the line -- */

static bool takes_value(const struct completion *c, const char *option)
{
	for (size_t i = 0; i < c->options_n; i++)
		if (strcmp(c->options[i].name, option) == 0)
			return c->options[i].takes_value;
	return false;
}

static void take_line(struct completion *c, const char *line)
{
	size_t n = strlen(line);
	bool open = n > 0 && line[n - 1] != ' ' && line[n - 1] != '\t';
	snprintf(c->line, sizeof(c->line), "%s", line);
	c->last = "";
	char *rest = c->line, *word, *after = NULL;
	const char *option = NULL; /* that waits for its value */
	bool program = true;
	while ((word = strtok_r(rest, " \t", &after)) != NULL) {
		rest = NULL;
		bool is_last = open && after[strspn(after, " \t")] == '\0';
		if (is_last)
			c->last = word;
		if (!program && !is_last) {
			if (option != NULL && strcmp(option, "--admin") == 0)
				c->admin = word;
			else if (option == NULL && word[0] != '-' && c->words_n < WORDS_MAX)
				c->words[c->words_n++] = word;
			option = option == NULL && takes_value(c, word) ? word : NULL;
		}
		program = false;
	}
	c->is_value = option != NULL;
}

/* -- answering -- */

/* Of characters that a shell takes as they are. */
static bool is_plain(const char *text)
{
	for (; *text != '\0'; text++) {
		char c = *text;
		bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
		if (!alnum && strchr("-._:@+,/", c) == NULL)
			return false;
	}
	return true;
}

static void offer(const struct completion *c, const char *candidate)
{
	if (candidate[0] != '\0' && strncmp(candidate, c->last, strlen(c->last)) == 0 && is_plain(candidate))
		fprintf(c->out, "%s\n", candidate);
}

static void offer_nodes(const struct completion *c, bool addresses)
{
	char error[CLIENT_ERROR_MAX];
	struct client client = { .timeout_ms = COMPLETE_ASK_MS };
	struct peers peers;
	if (client_set_admin(&client, c->admin) != OK)
		return;
	json_t *said = ask_json(&client, "GET", "/v1/nodes", BYTES_NONE, error);
	if (said != NULL && peers_of(said, &client.address, &peers)) {
		for (size_t i = 0; i < peers.n; i++)
			offer(c, addresses ? peers.list[i].admin : peers.list[i].name);
		peers_free(&peers);
	}
	json_decref(said);
}

static void offer_argument(const struct completion *c, const struct command_said *command, size_t at)
{
	char names[NAME_MAX_CHARS], *after = NULL, *name = NULL;
	memcpy(names, command->arguments, sizeof(names));
	char *next = strtok_r(names, " []", &after);
	for (size_t i = 0; next != NULL; i++) {
		name = next;
		next = strtok_r(NULL, " []", &after);
		bool goes_on = strstr(name, "...") != NULL;
		if (i == at || goes_on)
			break;
		if (next == NULL)
			return; /* it takes no more */
	}
	if (name == NULL)
		return;
	if (strncmp(name, "NODE", 4) == 0)
		offer_nodes(c, strcmp(command->first, "kvs") == 0);
	else if (strcmp(name, "OWNER") == 0)
		offer_nodes(c, false);
	else if (strncmp(name, "KEY", 3) == 0) {
		offer(c, "register");
		offer(c, "load");
	}
}

/* The command that the words name; COMMANDS_MAX: none yet. */
static size_t command_of(const struct completion *c, size_t *words_used)
{
	for (size_t i = 0; i < c->commands_n; i++) {
		const struct command_said *one = &c->commands[i];
		size_t n = one->second[0] == '\0' ? 1 : 2;
		if (c->words_n < n || strcmp(c->words[0], one->first) != 0 ||
		    (n == 2 && strcmp(c->words[1], one->second) != 0))
			continue;
		*words_used = n;
		return i;
	}
	return COMMANDS_MAX;
}

static void offer_commands(const struct completion *c)
{
	for (size_t i = 0; i < c->commands_n; i++) {
		const struct command_said *one = &c->commands[i];
		bool again = i > 0 && strcmp(one->first, c->commands[i - 1].first) == 0;
		if (c->words_n == 0 && !again)
			offer(c, one->first);
		else if (c->words_n == 1 && strcmp(c->words[0], one->first) == 0)
			offer(c, one->second);
	}
}

void complete_line(const char *line, void (*usage)(FILE *out), const char *admin, FILE *out)
{
	struct completion *c = calloc(1, sizeof(*c));
	size_t used = 0;
	CHECK(c != NULL);
	c->admin = admin;
	c->out = out;
	take_usage(c, usage);
	take_commands(c);
	take_line(c, line);
	size_t command = command_of(c, &used);
	if (!c->is_value && c->last[0] == '-') {
		for (size_t i = 0; i < c->options_n; i++)
			if (c->options[i].command == COMMANDS_MAX || c->options[i].command == command)
				offer(c, c->options[i].name);
	} else if (!c->is_value && command != COMMANDS_MAX) {
		offer_argument(c, &c->commands[command], c->words_n - used);
	} else if (!c->is_value) {
		offer_commands(c);
	}
	free(c);
}
