#include "kvs/lmdb_store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SELF_TABLES = 3, VIEW_TABLES = 8, PATH_BYTES = 4096 };

/* Address space, not disk: more than the core, which has all of it in memory too, could use. So no map has to
 * grow while readers look into it: LMDB would have to unmap it first, and readers take no lock. */
#define SELF_MAP_BYTES ((size_t)16 << 30)
#define VIEW_MAP_BYTES ((size_t)64 << 30)

struct opening {
	struct kvs_store *s;
	const struct kvs_store_config *c;
	struct kvs_store_report *report;
	struct lmdb_detail detail;
	enum lmdb_age self_age, view_age;
	struct kvs_identity_record before; /* of the former run, unless self is fresh */
};

/* -- one environment -- */

static void close_side(struct lmdb_side *side)
{
	if (side->env != NULL)
		mdb_env_close(side->env);
	side->env = NULL;
}

static enum err probe_format(struct lmdb_side *side, uint32_t format, enum lmdb_age *age)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(side->env, NULL, MDB_RDONLY, &txn);
	if (rc != 0)
		return lmdb_err(rc);
	enum err e = lmdb_format_get(txn, format, age);
	mdb_txn_abort(txn);
	return e;
}

/* Opens data_dir/name; on failure nothing is open. */
static enum err open_side(struct opening *o, struct lmdb_side *side, const struct lmdb_env_config *c,
    uint32_t format, enum lmdb_age *age)
{
	enum err e = lmdb_env_open(c, &side->env, &o->detail);
	if (e != OK)
		return e;
	MDB_envinfo info;
	if (mdb_env_info(side->env, &info) == 0 && info.me_mapsize < c->map_bytes)
		o->report->map_limited = true;
	e = probe_format(side, format, age);
	if (e != OK) {
		lmdb_say(&o->detail, "%s: %s", c->folder, err_str(e));
		close_side(side);
	}
	return e;
}

static enum err open_self(struct opening *o)
{
	char folder[PATH_BYTES];
	if (snprintf(folder, sizeof(folder), "%s/self", o->s->folder) >= (int)sizeof(folder))
		return ERR_TOO_BIG;
	struct lmdb_env_config c = { folder, SELF_MAP_BYTES, 0, SELF_TABLES };
	return open_side(o, &o->s->self, &c, KVS_SELF_FORMAT, &o->self_age);
}

static enum err open_view(struct opening *o)
{
	char folder[PATH_BYTES];
	if (snprintf(folder, sizeof(folder), "%s/view", o->s->folder) >= (int)sizeof(folder))
		return ERR_TOO_BIG;
	size_t map = o->c->map_bytes != 0 ? o->c->map_bytes : VIEW_MAP_BYTES;
	/* Never MDB_WRITEMAP: a stray pointer must not reach the pages. */
	struct lmdb_env_config c = { folder, map, MDB_NOSYNC | MDB_NORDAHEAD, VIEW_TABLES };
	return open_side(o, &o->s->view, &c, KVS_VIEW_FORMAT, &o->view_age);
}

/* -- self: who this is -- */

struct verify {
	struct lmdb_rows *rows;
	MDB_txn *txn;
	const struct node_id *owner;
};

static enum err verify_row(void *arg, struct kvs_row_key k, const struct kvs_row_record *r)
{
	struct verify *v = arg;
	if (r == NULL || k.owner != LMDB_OWN_INDEX)
		return ERR_CORRUPT;
	if (r->meta.incarnation.count == 0)
		return OK; /* entries that never had a meta: nothing was sent of them, and loading drops them */
	struct lmdb_row_entries l;
	enum err e = lmdb_rows_read(v->rows, v->txn, k, v->owner, r, &l);
	if (e == OK)
		lmdb_row_entries_fini(&l);
	return e;
}

/* Opens the tables of `self`, reads who this was, and proves own rows whole (R2). */
static enum err read_self(struct opening *o, MDB_txn *txn)
{
	struct lmdb_side *self = &o->s->self;
	int rc = mdb_dbi_open(txn, "meta", MDB_CREATE, &o->s->self_meta);
	enum err e = rc != 0 ? lmdb_write_err(self->env, rc) : lmdb_rows_open(&o->s->own, txn);
	if (e != OK || o->self_age == LMDB_FRESH)
		return e;
	e = lmdb_identity_get(txn, o->s->self_meta, &o->before);
	struct verify v = { &o->s->own, txn, &o->before.id };
	if (e == OK)
		e = lmdb_rows_each(&o->s->own, txn, verify_row, &v);
	return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
}

/* Leaves the transaction open in self.txn: nothing is changed before the view is in order. */
static enum err begin_self(struct opening *o)
{
	struct lmdb_side *self = &o->s->self;
	enum err e = open_self(o);
	if (e != OK)
		return e;
	MDB_txn *txn;
	int rc = mdb_txn_begin(self->env, NULL, 0, &txn);
	if (rc == 0) {
		e = read_self(o, txn);
		if (e == OK) {
			self->txn = txn;
			return OK;
		}
		mdb_txn_abort(txn);
	} else {
		e = lmdb_err(rc);
	}
	lmdb_say(&o->detail, "%s/self: %s", o->s->folder, err_str(e));
	close_side(self);
	return e;
}

/* A new identity after a corrupt one: what the old one told others is dropped by them with its id. */
static enum err take_self(struct opening *o)
{
	enum err e = begin_self(o);
	if (e != ERR_CORRUPT)
		return e;
	e = lmdb_env_set_aside(o->s->folder, "self", "corrupt", &o->detail);
	if (e != OK)
		return e;
	o->report->self_set_aside = true;
	return begin_self(o);
}

static void next_identity(struct opening *o)
{
	struct kvs_identity_record *id = &o->s->identity;
	*id = o->before;
	o->s->inherits = o->self_age != LMDB_FRESH;
	if (o->self_age == LMDB_FRESH)
		o->c->random(id->id.b, NODE_ID_BYTES);
	id->incarnation.count++;
	o->c->random(&id->incarnation.nonce, sizeof(id->incarnation.nonce));
	id->clean = false;
	snprintf(id->boot_id, sizeof(id->boot_id), "%s", o->c->boot_id);
}

static enum err commit_identity(struct opening *o)
{
	struct lmdb_side *self = &o->s->self;
	enum err e =
	    o->self_age == LMDB_FRESH ? lmdb_format_put(self->txn, o->s->self_meta, KVS_SELF_FORMAT) : OK;
	if (e == OK)
		e = lmdb_identity_put(self->txn, o->s->self_meta, &o->s->identity);
	if (e != OK)
		return e;
	int rc = mdb_txn_commit(self->txn);
	self->txn = NULL;
	if (rc != 0) {
		e = lmdb_write_err(self->env, rc);
		lmdb_say(&o->detail, "%s/self: %s", o->s->folder, err_str(e));
		return e;
	}
	/* The files' names too, or a host crash takes the identity that others have heard of. */
	char folder[PATH_BYTES];
	if (snprintf(folder, sizeof(folder), "%s/self", o->s->folder) >= (int)sizeof(folder))
		return ERR_TOO_BIG;
	e = lmdb_sync_folder(folder);
	return e == OK ? lmdb_sync_folder(o->s->folder) : e;
}

/* -- view -- */

/* Written without syncs: after a host crash its pages are of different ages, unless it was synced and
 * closed. Whoever lost `self` lost that mark. */
static bool view_is_sound(const struct opening *o)
{
	if (o->self_age == LMDB_FRESH)
		return false;
	const char *boot_id = o->s->identity.boot_id;
	return o->before.clean || (boot_id[0] != '\0' && strcmp(o->before.boot_id, boot_id) == 0);
}

static enum err drop_view(struct opening *o, const char *why)
{
	char folder[PATH_BYTES];
	close_side(&o->s->view);
	if (snprintf(folder, sizeof(folder), "%s/view", o->s->folder) >= (int)sizeof(folder))
		return ERR_TOO_BIG;
	enum err e = lmdb_env_remove(folder);
	if (e != OK)
		return e;
	o->report->view_dropped = true;
	lmdb_say(&o->detail, "%s: %s", folder, why);
	return open_view(o);
}

static enum err take_view(struct opening *o)
{
	enum err e = open_view(o);
	if (e == ERR_CORRUPT) {
		e = lmdb_env_set_aside(o->s->folder, "view", "corrupt", &o->detail);
		if (e != OK)
			return e;
		o->report->view_set_aside = true;
		return open_view(o);
	}
	if (e != OK || o->view_age == LMDB_FRESH)
		return e;
	if (o->view_age == LMDB_OLDER)
		return drop_view(o, "of an older format");
	return view_is_sound(o) ? OK : drop_view(o, "not closed cleanly before the host started anew");
}

static enum err open_view_tables(struct opening *o, MDB_txn *txn)
{
	struct lmdb_view *v = &o->s->rows;
	enum err e = lmdb_view_open(v, txn);
	return e == OK && o->view_age == LMDB_FRESH ? lmdb_format_put(txn, v->meta, KVS_VIEW_FORMAT) : e;
}

static enum err begin_view(struct opening *o)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(o->s->view.env, NULL, 0, &txn);
	if (rc != 0)
		return lmdb_err(rc);
	enum err e = open_view_tables(o, txn);
	if (e == OK) {
		e = lmdb_write_err(o->s->view.env, mdb_txn_commit(txn));
	} else {
		mdb_txn_abort(txn);
	}
	if (e != OK)
		lmdb_say(&o->detail, "%s/view: %s", o->s->folder, err_str(e));
	return e;
}

/* -- the whole -- */

/* One process a data_dir, and one opener in it: flock belongs to the open file, not to the process. */
static enum err lock_folder(struct opening *o)
{
	char path[PATH_BYTES];
	if (snprintf(path, sizeof(path), "%s/lock", o->s->folder) >= (int)sizeof(path))
		return ERR_TOO_BIG;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		lmdb_say(&o->detail, "%s: %s", path, strerror(errno));
		return err_from_errno(errno);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		enum err e = errno == EWOULDBLOCK ? ERR_BUSY : err_from_errno(errno);
		lmdb_say(&o->detail, "%s: %s", path, err_str(e));
		close(fd);
		return e;
	}
	o->s->lock_fd = fd;
	return OK;
}

static enum err open_all(struct opening *o)
{
	if (mkdir(o->s->folder, 0700) != 0 && errno != EEXIST) {
		lmdb_say(&o->detail, "%s: %s", o->s->folder, strerror(errno));
		return err_from_errno(errno);
	}
	enum err e = lock_folder(o);
	if (e == OK)
		e = take_self(o);
	if (e != OK)
		return e;
	next_identity(o);
	/* An unsound view goes before the new boot id is written: a crash in between must not make it sound. */
	e = take_view(o);
	if (e == OK)
		e = commit_identity(o);
	return e == OK ? begin_view(o) : e;
}

static void free_store(struct kvs_store *s)
{
	if (s->self.txn != NULL)
		mdb_txn_abort(s->self.txn);
	close_side(&s->self);
	close_side(&s->view);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	lmdb_bundles_fini(&s->rows.bundles);
	free(s->folder);
	OBJ_FREE(s);
}

enum err kvs_store_open(const struct kvs_store_config *c, struct kvs_store **out,
    struct kvs_store_identity *id, struct kvs_store_report *report)
{
	struct opening o = { .c = c, .report = report };
	*report = (struct kvs_store_report){ 0 };
	o.s = OBJ_NEW(struct kvs_store, KVS_STORE_MAGIC);
	o.s->lock_fd = -1;
	lmdb_bundles_init(&o.s->rows.bundles);
	if (c->hash_bits > 0 && c->hash_bits < 64)
		o.s->rows.bundles.hash_mask = ((uint64_t)1 << c->hash_bits) - 1;
	o.s->folder = strdup(c->data_dir);
	CHECK(o.s->folder != NULL);
	enum err e = open_all(&o);
	memcpy(report->detail, o.detail.text, sizeof(report->detail));
	if (e != OK) {
		free_store(o.s);
		return e;
	}
	report->first_start = o.self_age == LMDB_FRESH && !report->self_set_aside;
	report->inherits = o.s->inherits;
	*id = (struct kvs_store_identity){
		.self = o.s->identity.id,
		.incarnation = o.s->identity.incarnation,
	};
	if (o.s->inherits)
		id->inherits = o.before.incarnation;
	*out = o.s;
	return OK;
}

/* The view first, the mark that says so after it. One that cannot be set costs a fetch from peers. */
static void mark_clean(struct kvs_store *s)
{
	if (mdb_env_sync(s->view.env, 1) != 0)
		return;
	MDB_txn *txn;
	if (mdb_txn_begin(s->self.env, NULL, 0, &txn) != 0)
		return;
	s->identity.clean = true;
	if (lmdb_identity_put(txn, s->self_meta, &s->identity) != OK)
		mdb_txn_abort(txn);
	else if (mdb_txn_commit(txn) != 0)
		return;
}

void kvs_store_close(struct kvs_store *s)
{
	if (s == NULL)
		return;
	OBJ_CHECK(s, KVS_STORE_MAGIC);
	CHECK(atomic_load(&s->readers) == 0);
	kvs_store_abort(s);
	mark_clean(s);
	free_store(s);
}

enum err kvs_store_retire(struct kvs_store *s)
{
	OBJ_CHECK(s, KVS_STORE_MAGIC);
	CHECK(atomic_load(&s->readers) == 0);
	kvs_store_abort(s);
	mark_clean(s);
	close_side(&s->self);
	struct lmdb_detail unused = { 0 };
	enum err e = lmdb_env_set_aside(s->folder, "self", "duplicate", &unused);
	free_store(s);
	return e;
}
