#include "node/fs_open.h"

#include "node/fs_log.h"

/* -- the replica's store -- */

static void log_store_report(const struct config *c, const struct kvs_store_report *r)
{
	if (r->self_set_aside)
		LOG_EVENT(LOG_ERROR, "kvs", "self-set-aside",
		    "this node's own data was corrupt: it is kept beside, and the node starts with a new identity",
		    LOG_STR("data_dir", c->data_dir), LOG_STR("detail", r->detail));
	if (r->view_set_aside)
		LOG_EVENT(LOG_WARN, "kvs", "view-set-aside",
		    "the replica was corrupt: it is kept beside and fetched anew", LOG_STR("data_dir", c->data_dir),
		    LOG_STR("detail", r->detail));
	if (r->view_dropped)
		LOG_EVENT(LOG_INFO, "kvs", "view-dropped",
		    "the replica cannot be trusted or read: it is fetched anew", LOG_STR("data_dir", c->data_dir),
		    LOG_STR("detail", r->detail));
	if (r->map_limited)
		LOG_EVENT(LOG_WARN, "kvs", "map-limited",
		    "this process has little address space: the replica's files cannot grow past what is said here",
		    LOG_STR("data_dir", c->data_dir), LOG_STR("detail", r->detail));
	if (r->first_start)
		LOG_EVENT(
		    LOG_INFO, "kvs", "first-start", "a new identity was made", LOG_STR("data_dir", c->data_dir));
}

enum err open_replica(const struct config *c, const char *boot_id, void (*random)(void *out, size_t n),
    struct kvs_store **store, struct kvs_store_identity *identity)
{
	struct kvs_store_config s = { .data_dir = c->data_dir, .random = random, .boot_id = boot_id };
	struct kvs_store_report report = { 0 };
	enum err e = kvs_store_open(&s, store, identity, &report);
	log_store_report(c, &report);
	if (e != OK)
		LOG_EVENT(LOG_ERROR, "kvs", "open-failed",
		    e == ERR_BUSY ? "data_dir is in use by another process: one node, one data_dir"
		                  : "data_dir cannot be used",
		    LOG_STR("data_dir", c->data_dir), LOG_STR("error", err_str(e)), LOG_STR("detail", report.detail));
	return e;
}

/* -- the cache -- */

static void log_disk(const struct cache_disk_report *r)
{
	if (r->state != OK)
		LOG_EVENT(LOG_ERROR, "cache", "disk-out", "a cache disk is out of service", LOG_STR("path", r->path),
		    LOG_STR("error", err_str(r->state)), LOG_STR("detail", r->detail));
	else
		LOG_EVENT(r->rebuilt ? LOG_WARN : LOG_INFO, "cache", "disk-open",
		    r->rebuilt ? "a cache disk's index was unreadable and made anew" : "a cache disk is in service",
		    LOG_STR("path", r->path), LOG_U64("units", r->units), LOG_U64("bytes", r->bytes),
		    LOG_U64("dropped", r->dropped), LOG_STR("detail", r->detail));
}

enum err open_cache(const struct config *c, const char *boot_id, struct cache **out)
{
	struct cache_disk_config disks[CONFIG_LIST_MAX];
	struct cache_disk_report reports[CONFIG_LIST_MAX] = { 0 };
	for (size_t i = 0; i < c->disks_n; i++)
		disks[i] = (struct cache_disk_config){ c->disks[i].path, c->disks[i].size_bytes };
	struct cache_config cc = { disks, c->disks_n, boot_id, .unproven = true };
	enum err e = cache_open(&cc, out, reports);
	for (size_t i = 0; i < c->disks_n; i++)
		log_disk(&reports[i]);
	if (e != OK)
		LOG_EVENT(LOG_ERROR, "cache", "open-failed", "no cache disk serves", LOG_STR("error", err_str(e)));
	return e;
}
