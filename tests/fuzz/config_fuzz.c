/* Any text as a configuration: a valid one or one error line, never a crash, and memory stays bounded. */
#include "base/check.h"
#include "node/config.h"
#include "node/config_yaml.h"

#include <string.h>

enum { ARENA_BYTES = 4 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_strings(const struct config_strings *s)
{
	CHECK(s->n <= CONFIG_LIST_MAX);
	for (size_t i = 0; i < s->n; i++)
		CHECK(s->v[i] != NULL && strlen(s->v[i]) > 0);
}

static void check_config(const struct config *c)
{
	CHECK(strlen(c->cluster) > 0 && strlen(c->node) > 0 && strlen(c->zone) > 0 && c->roles != 0);
	CHECK(c->data_dir[0] == '/' && c->workers <= 256);
	CHECK(strlen(c->listen_rpc) > 0 && strlen(c->listen_admin) > 0 && strlen(c->advertise_rpc) > 0);
	check_strings(&c->listen_http);
	check_strings(&c->advertise_http);
	check_strings(&c->seeds);
	check_strings(&c->trusted_proxies);
	for (size_t i = 0; i < c->origins_n; i++)
		CHECK(c->origins[i].match != NULL && c->origins[i].path[0] == '/');
	CHECK(config_origin_of(c, BYTES_NONE) == NULL || c->origins_n > 0);
	struct buf changed;
	buf_init(&changed, 4096);
	config_not_reloadable(c, c, &changed);
	CHECK(changed.n == 0);
	buf_fini(&changed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena a;
	struct config c;
	char error[CONFIG_ERROR_MAX] = "";
	arena_init(&a, ARENA_BYTES);
	if (config_parse(bytes_of(data, n), "fuzz.yaml", &a, &c, error) == OK) {
		CHECK(n <= CONFIG_FILE_MAX);
		check_config(&c);
	} else {
		CHECK(strncmp(error, "fuzz.yaml:", 10) == 0);
		for (const char *s = error; *s != '\0'; s++)
			CHECK((unsigned char)*s >= 0x20 && *s != 0x7f);
	}
	arena_fini(&a);
	return 0;
}
