/* The pathways of a session, written into what its player reads first: an HLS multivariant playlist (content
 * steering and redundant variants: draft-pantos-hls-rfc8216bis, sections 4.4.6.6 and 7.4) or an MPD (ETSI TS
 * 103 998). Rule D8: these two only are rendered, once for each session, and never cached so. Pure.
 *
 * A pathway is a delivery node, by its name: `own`, which answers, and `other`, where a player goes when it
 * fails, before it has asked who else there is. All later ones are clones of `own` with another host, so that
 * no playlist has to be read again. Renditions get copies of their own too, for a group belongs to a pathway.
 *
 * A text is left as it is (ERR_NOT_FOUND) where it is no such playlist, brings pathways, steering or base
 * URLs of its own, or names what is not below it: its author knows better. Written by another: any bytes are
 * fine.
 */
#ifndef NODE_PLAYLIST_PATHWAYS_H
#define NODE_PLAYLIST_PATHWAYS_H

#include "base/bytes.h"

/* Names are of the form that pathway_name_ok is for. Bases are URLs that end in '/', of the folder that the
 * text lies in; these and the steering URI hold nothing that needs an escape in a quoted string or in XML,
 * but '&' in the steering URI's query. */
struct pathways {
	struct bytes own, own_base;
	struct bytes other, other_base; /* n = 0: there is no other node */
	struct bytes steering;
};

/* [a-zA-Z0-9._-], 1 to 63 of them: what a PATHWAY-ID may be. */
bool pathway_name_ok(struct bytes name);

/* Whether the text is one that is rendered; whether it is such an MPD. */
bool pathways_fit(struct bytes text);
bool pathways_fit_mpd(struct bytes text);

/* Appends the rendered text. ERR_NOT_FOUND: see above; else what the buffer says. */
MUST_USE enum err pathways_into_hls(struct bytes text, const struct pathways *p, struct buf *out);
MUST_USE enum err pathways_into_mpd(struct bytes text, const struct pathways *p, struct buf *out);

#endif
