/* /metrics: contents that are fetched ahead of their audience. */
#include "node/admin/admin.h"
#include "node/delivery/delivery.h"
#include "node/member_of.h"
#include "node/metrics.h"
#include "node/warm/ev_measurer.h"
#include "node/warm/ev_prefetcher.h"
#include "node/warm/ev_warmer.h"

static void put_orders(const struct warm_orders *orders, struct buf *out)
{
	struct warm_orders_counters c;
	warm_orders_count(orders, &c);
	metrics_counter(
	    out, "warmcast_warm_orders_total", "Orders to warm a content given to this node.", c.orders);
	metrics_counter(
	    out, "warmcast_warm_copies_total", "Delivery nodes that those orders were passed to.", c.copies);
}

static void put_ended(struct buf *out, const char *name, const char *outcome, uint64_t n)
{
	const struct metric_label label = { "outcome", bytes_str(outcome) };
	metrics_u64(out, name, &label, 1, n);
}

static void put_warmer(struct warmer *warmer, struct buf *out)
{
	static const char *const ended = "warmcast_warm_ended_total";
	struct warmer_counters c;
	warmer_count(warmer, &c);
	metrics_gauge(
	    out, "warmcast_warm_waiting", "Contents that wait to be fetched ahead of their audience.", c.waiting);
	metrics_gauge(out, "warmcast_warm_running", "Contents that are being fetched so.", c.running);
	metrics_family(out, ended, METRIC_COUNTER, "Such contents that are over, by how they ended.");
	put_ended(out, ended, "done", c.done);
	put_ended(out, ended, "stopped", c.stopped);
	put_ended(out, ended, "refused", c.refused);
	metrics_counter(out, "warmcast_warm_objects_total", "Objects fetched so.", c.objects);
	metrics_counter(out, "warmcast_warm_present_total", "Objects that were there already.", c.present);
	metrics_counter(out, "warmcast_warm_failed_total", "Objects given up.", c.failed);
	metrics_counter(out, "warmcast_warm_bytes_total", "Bytes of the objects fetched so.", c.bytes);
}

static void put_prefetcher(const struct admin *a, struct buf *out)
{
	struct prefetcher_counters c;
	struct delivery_counters d;
	prefetcher_count(a->prefetcher, &c);
	delivery_count(a->delivery, &d);
	metrics_counter(out, "warmcast_prefetch_objects_total",
	    "Objects fetched ahead of a viewer who plays what was not here.", c.objects);
	metrics_counter(out, "warmcast_prefetch_bytes_total", "Bytes of them.", c.bytes);
	metrics_counter(
	    out, "warmcast_prefetch_used_total", "Those of them that a viewer then found here.", d.hits_ahead);
	metrics_counter(out, "warmcast_prefetch_failed_total", "Objects not to be had ahead.", c.failed);
	metrics_counter(out, "warmcast_prefetch_stale_total",
	    "Objects given up because no thread was free for them in time.", c.stale);
	metrics_counter(out, "warmcast_prefetch_unheard_total",
	    "Words of viewers dropped because too many were waiting.", c.unheard);
}

/* As it tells with its load. */
static void put_drain(const struct admin *a, struct buf *out)
{
	struct kvs_member self;
	if (!member_of(control_kvs(a->control), a->self, &self))
		return;
	metrics_gauge(out, "warmcast_drain_copies_left",
	    "While an operator drains this node: contents with viewers that no other node holds yet.",
	    self.load.copies_left);
	metrics_gauge(out, "warmcast_drain_copies_failed", "And those of which no copy could be made.",
	    self.load.copies_failed);
}

void admin_put_warm_metrics(const struct admin *a, struct buf *out)
{
	if (a->sessions != NULL)
		put_drain(a, out);
	if (a->warm_orders != NULL)
		put_orders(a->warm_orders, out);
	if (a->warmer != NULL)
		put_warmer(a->warmer, out);
	if (a->prefetcher != NULL)
		put_prefetcher(a, out);
	if (a->measurer != NULL)
		metrics_counter(out, "warmcast_contents_measured_total",
		    "Contents whose playlists were read, to know how much of them is held.",
		    measurer_count(a->measurer));
}
