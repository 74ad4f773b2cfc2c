#include "node/origin/fs_s3_keys.h"

#include "base/obj.h"
#include "node/fs_config.h"
#include "node/fs_log.h"

#include <pthread.h>
#include <sodium/utils.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define KEYS_MAGIC 0x73336b79u

struct stamp {
	struct timespec changed; /* contents or permissions */
	off_t size;
	ino_t inode;
};

struct fs_s3_keys {
	unsigned magic;
	char *path;
	pthread_mutex_t lock;
	bool tried, good;
	struct stamp of; /* what was read, or could not be */
	struct s3_keys keys;
};

enum err fs_s3_keys_read(const char *path, struct s3_keys *out, char error[CONFIG_ERROR_MAX])
{
	struct buf text;
	size_t bad_line = 0;
	buf_init(&text, SECRET_FILE_MAX);
	enum err e = fs_secret_read(path, SECRET_FILE_MAX, &text, error);
	if (e == OK) {
		e = s3_keys_parse(buf_bytes(&text), out, &bad_line);
		if (e != OK)
			(void)snprintf(error, CONFIG_ERROR_MAX,
			    "%.512s:%zu: %s; lines of access_key_id: ID and secret_access_key: SECRET are wanted, and "
			    "session_token: TOKEN of temporary keys",
			    path, bad_line, bad_line == 0 ? "a key is missing" : err_str(e));
	}
	if (text.p != NULL)
		sodium_memzero(text.p, text.cap);
	buf_fini(&text);
	return e;
}

struct fs_s3_keys *fs_s3_keys_new(const char *path)
{
	struct fs_s3_keys *k = OBJ_NEW(struct fs_s3_keys, KEYS_MAGIC);
	k->path = strdup(path);
	CHECK(k->path != NULL);
	CHECK(pthread_mutex_init(&k->lock, NULL) == 0);
	return k;
}

void fs_s3_keys_free(struct fs_s3_keys *k)
{
	if (k == NULL)
		return;
	OBJ_CHECK(k, KEYS_MAGIC);
	CHECK(pthread_mutex_destroy(&k->lock) == 0);
	sodium_memzero(&k->keys, sizeof(k->keys));
	free(k->path);
	OBJ_FREE(k);
}

static struct stamp stamp_of(const char *path)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return (struct stamp){ .size = -1 };
	return (struct stamp){ st.st_ctim, st.st_size, st.st_ino };
}

static bool is_same(const struct stamp *a, const struct stamp *b)
{
	return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
	       a->size == b->size && a->inode == b->inode;
}

/* Under the lock. */
static enum err renew(struct fs_s3_keys *k, char *error)
{
	struct stamp now = stamp_of(k->path);
	if (k->tried && k->good && is_same(&now, &k->of))
		return OK;
	bool again = k->tried;
	enum err e = fs_s3_keys_read(k->path, &k->keys, error);
	k->tried = true;
	k->of = now;
	if (e == OK && again)
		LOG_EVENT(LOG_INFO, "origin", "credentials", "a store's credentials were read again",
		    LOG_STR("file", k->path));
	if (e != OK && k->good)
		LOG_EVENT(LOG_ERROR, "origin", "credentials-kept",
		    "a store's credentials cannot be read: those that were read before go on",
		    LOG_STR("error", error));
	k->good = k->good || e == OK;
	return k->good ? OK : e;
}

enum err fs_s3_keys_now(struct fs_s3_keys *k, struct s3_keys *out, char error[CONFIG_ERROR_MAX])
{
	OBJ_CHECK(k, KEYS_MAGIC);
	CHECK(pthread_mutex_lock(&k->lock) == 0);
	enum err e = renew(k, error);
	if (e == OK)
		*out = k->keys;
	CHECK(pthread_mutex_unlock(&k->lock) == 0);
	return e;
}
