/* EXT-X-SERVER-CONTROL is taken out of playlists. Pure.
 *
 * It promises that whoever sends this playlist holds an answer back until a named segment is there
 * (`_HLS_msn`, `_HLS_part`) or leaves out what was sent before (`_HLS_skip`; RFC 8216bis, 4.4.3.8 and 6.2.5).
 * A cache of objects that are the same for everybody keeps neither promise: queries are no part of an
 * object's name, and a request that is held back for each viewer would be one at the origin store for
 * each. So the promise is not passed on; players then reload as of any other playlist, and send no such
 * query.
 *
 * In place and without a change of length, so that lengths and ranges stay the origin store's: the tag
 * becomes a comment, since lines that begin with '#' and not with '#EXT' are comments (RFC 8216, 4.1). A tag
 * that says neither (only HOLD-BACK, say) stays. This is the one exception to D8 for what is stored.
 */
#ifndef NODE_ORIGIN_SERVER_CONTROL_H
#define NODE_ORIGIN_SERVER_CONTROL_H

#include <stddef.h>
#include <stdint.h>

/* `text`: a playlist's first bytes. What is no HLS playlist stays as it is. */
void server_control_take_out(uint8_t *text, size_t n);

#endif
