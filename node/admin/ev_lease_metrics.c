/* What /metrics says of places and leases (A3). */
#include "assign/lease_purse.h"
#include "node/admin/admin.h"
#include "node/api/api.h"
#include "node/delivery/delivery.h"
#include "node/delivery/places.h"
#include "node/ev_control.h"
#include "node/metrics.h"

static void labelled(struct buf *out, const char *name, const char *label, const char *value, uint64_t n)
{
	struct metric_label l = { label, bytes_str(value) };
	metrics_u64(out, name, &l, 1, n);
}

static void put_book(const struct admin *a, struct buf *out)
{
	struct lease_book_view v;
	places_look(a->places, &v);
	metrics_family(out, "warmcast_places", METRIC_GAUGE,
	    "Places of this node: taken by sessions, lent to api nodes and not taken, kept for who comes without "
	    "one.");
	labelled(out, "warmcast_places", "state", "active", v.active);
	labelled(out, "warmcast_places", "state", "lent", v.outstanding);
	labelled(out, "warmcast_places", "state", "reserve", v.reserve);
	metrics_gauge(out, "warmcast_session_weight_kbps", "What a session is reckoned to take.", v.weight_kbps);
	metrics_counter(out, "warmcast_places_lent_total", "Places lent to api nodes.", v.granted);
	metrics_family(out, "warmcast_places_returned_total", METRIC_COUNTER,
	    "Places lent and not taken: given back by the api node, or over their time.");
	labelled(out, "warmcast_places_returned_total", "why", "closed", v.closed);
	labelled(out, "warmcast_places_returned_total", "why", "expired", v.expired);
	metrics_family(out, "warmcast_sessions_arrived_total", METRIC_COUNTER,
	    "Sessions that came: to a place kept for them, without one, and to a full node.");
	labelled(out, "warmcast_sessions_arrived_total", "place", "kept", v.by_batch);
	labelled(out, "warmcast_sessions_arrived_total", "place", "none", v.placeless);
	labelled(out, "warmcast_sessions_arrived_total", "place", "full", v.full);
}

static void put_turned_away(const struct admin *a, struct buf *out)
{
	struct delivery_counters d;
	delivery_count(a->delivery, &d);
	metrics_counter(out, "warmcast_media_sent_elsewhere_total",
	    "Requests sent on to a node with room, by 307.", d.sent_elsewhere);
	metrics_counter(out, "warmcast_media_shed_total",
	    "Requests of new sessions sent away while the node sent more than capacity.egress_mbps.", d.shed);
	metrics_counter(
	    out, "warmcast_media_no_place_total", "Requests that found no node with room: 404.", d.no_place);
}

static void put_purse(const struct admin *a, struct buf *out)
{
	struct lease_purse_stats s;
	control_lease_stats(a->control, &s);
	metrics_counter(out, "warmcast_lease_requests_total", "Requests for places sent.", s.asks + s.retries);
	metrics_counter(out, "warmcast_lease_grants_total", "Answers to them.", s.grants);
	metrics_counter(out, "warmcast_lease_empty_grants_total", "Answers that lent nothing.", s.empty_grants);
	metrics_counter(out, "warmcast_lease_places_total", "Places that this node was lent.", s.places);
	metrics_counter(
	    out, "warmcast_lease_places_unused_total", "Those of them that no viewer took.", s.unused);
	metrics_counter(out, "warmcast_sessions_placeless_total", "Sessions created without a place.",
	    a->api->count.placeless);
	metrics_counter(
	    out, "warmcast_steering_lists_total", "Steering lists given to players.", a->api->count.steered);
}

void admin_put_lease_metrics(const struct admin *a, struct buf *out)
{
	if (a->api != NULL)
		put_purse(a, out);
	if (a->places != NULL) {
		put_book(a, out);
		put_turned_away(a, out);
	}
}
