/* Every message, entry and token as this build writes it, every field set; and what it makes of recorded
 * ones.
 *
 * A sample has a kind: `message` (an envelope), `named` (an envelope of a conversation in names: in order, on
 * one link), the name of an entry, or `token-KIND`. Whoever adds a field sets it here: wire_test says which
 * is missing.
 */
#ifndef TESTS_WIRE_SAMPLES_H
#define TESTS_WIRE_SAMPLES_H

#include "pb_text.h"

enum { SAMPLE_MAX = 64 * 1024 };

/* Calls `each` for all of them, in a fixed order. Fails the program when one cannot be encoded. */
void samples_each(void (*each)(void *arg, const char *kind, struct bytes bytes), void *arg);

/* Decodes what some build recorded into this build's structs, encodes those again, and writes both as text: a
 * line of *recorded that is not in *again is a field that was lost. Samples of one file in their order;
 * `names` is made by samples_reader_new. An error: this build refuses what was recorded. */
struct samples_reader;
struct samples_reader *samples_reader_new(void);
void samples_reader_free(struct samples_reader *r);
MUST_USE enum err samples_reread(
    struct samples_reader *r, const char *kind, struct bytes in, struct buf *recorded, struct buf *again);

/* Takes the fields of a sample into account, and what no sample has set: `message.field`, a line each. */
void samples_seen(struct pb_seen *s, const char *kind, struct bytes in);
void samples_missing(const struct pb_seen *s, struct buf *out);

/* The key file that the tokens were signed with. */
#define SAMPLES_TOKEN_KEYS                              \
	"k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n" \
	"spare-2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=\n"

#endif
