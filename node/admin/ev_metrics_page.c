/* /metrics: every counter of every room. No per-content label, whose number has no bound. */
#include "base/version.h"
#include "node/admin/admin.h"
#include "node/fs_log.h"
#include "node/metrics.h"

#include <stdio.h>

static void labelled(struct buf *out, const char *name, const char *label, const char *value, uint64_t n)
{
	struct metric_label l = { label, bytes_str(value) };
	metrics_u64(out, name, &l, 1, n);
}

static void put_node(const struct admin *a, struct buf *out)
{
	static const enum node_state states[] = { NODE_JOINING, NODE_READY, NODE_DRAINING, NODE_LEFT,
		NODE_EXPELLED };
	metrics_family(
	    out, "warmcast_node_state", METRIC_GAUGE, "1 for the state that this node says of itself.");
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		labelled(out, "warmcast_node_state", "state", node_state_str(states[i]),
		    control_state(a->control) == states[i]);
	metrics_family(out, "warmcast_build_info", METRIC_GAUGE, "Always 1; the version is the label.");
	labelled(out, "warmcast_build_info", "version", warmcast_version, 1);
	metrics_counter(out, "warmcast_log_lines_lost_total", "Log lines that could not be written.", log_lost());
}

static void put_members(const struct admin *a, struct buf *out)
{
	struct admin_members n;
	admin_count_members(control_kvs(a->control), &n);
	metrics_family(out, "warmcast_members", METRIC_GAUGE,
	    "Nodes of the cluster, as this one sees them; who has left in good order is not down.");
	labelled(out, "warmcast_members", "liveness", "alive", n.alive);
	labelled(out, "warmcast_members", "liveness", "suspect", n.suspect);
	labelled(out, "warmcast_members", "liveness", "down", n.down);
	labelled(out, "warmcast_members", "liveness", "left", n.left);
}

static void put_store(const struct store_counters *s, struct buf *out)
{
	metrics_counter(out, "warmcast_store_commits_total", "Transactions committed to disk.", s->commits);
	metrics_counter(out, "warmcast_store_failures_total", "Commits that failed.", s->failures);
	metrics_gauge(out, "warmcast_store_queued_bytes", "Bytes that wait for the store.", s->queued_bytes);
	metrics_counter(
	    out, "warmcast_store_batches_total", "Batches committed, several to a transaction.", s->batches);
	metrics_family(out, "warmcast_store_commit_seconds_total", METRIC_COUNTER, "Time that commits took.");
	metrics_double(out, "warmcast_store_commit_seconds_total", NULL, 0, (double)s->commit_us / 1e6);
	metrics_family(
	    out, "warmcast_store_commit_longest_seconds", METRIC_GAUGE, "Time that the longest commit took.");
	metrics_double(out, "warmcast_store_commit_longest_seconds", NULL, 0, (double)s->commit_max_us / 1e6);
	metrics_gauge(out, "warmcast_store_file_bytes", "Size of the replica's file.", s->kvs.file_bytes);
	metrics_gauge(out, "warmcast_store_map_bytes", "What the replica's file can grow to.", s->kvs.map_bytes);
	metrics_family(out, "warmcast_store_oldest_reader_seconds", METRIC_GAUGE,
	    "Age of the oldest open read transaction; one that is forgotten makes the file grow without bound.");
	metrics_double(out, "warmcast_store_oldest_reader_seconds", NULL, 0, (double)s->oldest_reader_ms / 1e3);
	metrics_gauge(out, "warmcast_store_oldest_reader_commits",
	    "Commits since that transaction began, whose pages cannot be used again.", s->oldest_reader_commits);
}

/* How what others write comes here. */
static void put_spread(const struct kvs_counters *k, struct buf *out)
{
	static const char *const frames = "warmcast_kvs_frames_total";
	static const char *const entries = "warmcast_kvs_entries_applied_total";
	metrics_family(out, frames, METRIC_COUNTER,
	    "Row frames of peers, by what came of them; a duplicate is a copy too many, a gap is asked for.");
	labelled(out, frames, "outcome", "applied", k->frames_applied);
	labelled(out, frames, "outcome", "duplicate", k->frames_duplicate);
	labelled(out, frames, "outcome", "gap", k->frames_gap);
	labelled(out, frames, "outcome", "behind", k->frames_behind);
	labelled(out, frames, "outcome", "refused", k->frames_refused);
	metrics_family(out, entries, METRIC_COUNTER,
	    "Entries of peers that were new, by what brought them: repair is what only a comparison found.");
	labelled(out, entries, "by", "push", k->entries_applied - k->entries_pulled - k->entries_repaired);
	labelled(out, entries, "by", "pull", k->entries_pulled);
	labelled(out, entries, "by", "repair", k->entries_repaired);
	metrics_counter(
	    out, "warmcast_kvs_frames_pushed_total", "Row frames sent to neighbours unasked.", k->frames_pushed);
	metrics_counter(out, "warmcast_kvs_pulls_total",
	    "Rows asked for, since a neighbour announced more of them than had come, or after a gap.", k->pulls);
	metrics_counter(out, "warmcast_kvs_ranges_asked_total",
	    "Ranges of rows whose fingerprints were sent to a peer to be compared.", k->ranges_asked);
	metrics_counter(out, "warmcast_kvs_digests_sent_total", "Digests sent to peers.", k->digests_sent);
	metrics_counter(out, "warmcast_kvs_resets_total", "Rows whose old history was dropped.", k->resets);
	metrics_counter(
	    out, "warmcast_kvs_claims_total", "Claims made here that a node cannot be reached.", k->claims_made);
	metrics_gauge(out, "warmcast_kvs_claims", "Claims that stand, of all nodes on any.", k->claims_standing);
}

static void put_kvs(const struct admin *a, struct buf *out)
{
	struct control_counters c;
	control_count(a->control, &c);
	metrics_gauge(out, "warmcast_kvs_rows", "Rows of the replica.", c.kvs.rows);
	metrics_gauge(out, "warmcast_kvs_entries", "Live entries of the replica.", c.kvs.entries);
	metrics_gauge(out, "warmcast_kvs_tombstones", "Tombstones that are not collected yet.", c.kvs.tombstones);
	metrics_gauge(out, "warmcast_kvs_mute", "1 while the store cannot be written and nothing new is told.",
	    control_mute(a->control));
	put_spread(&c.kvs, out);
	put_store(&c.store, out);
	const struct probe_log *probes = probe_log_of(a->probe);
	metrics_family(out, "warmcast_kvs_spread_seconds", METRIC_HISTOGRAM,
	    "How long probe entries of other nodes were under way, by the clocks of both.");
	metrics_histogram(out, "warmcast_kvs_spread_seconds", NULL, 0, &probes->spread);
	metrics_counter(out, "warmcast_kvs_probes_fetched_total",
	    "Probe entries over a minute old when they came: this node was away.", probes->fetched);
}

static void by_kind(struct buf *out, const char *name, size_t kind, uint64_t in, uint64_t sent)
{
	struct metric_label labels[] = { { "direction", BYTES_LIT("in") },
		{ "kind", bytes_str(rpc_kind_str((enum rpc_kind)kind)) } };
	metrics_u64(out, name, labels, 2, in);
	labels[0].value = BYTES_LIT("out");
	metrics_u64(out, name, labels, 2, sent);
}

static void put_traffic(const struct nng_traffic t[RPC_KINDS], struct buf *out)
{
	static const char *const frames = "warmcast_rpc_frames_total", *const bytes = "warmcast_rpc_bytes_total";
	metrics_family(out, frames, METRIC_COUNTER, "Frames between nodes, by kind of message.");
	for (size_t i = 0; i < RPC_KINDS; i++)
		by_kind(out, frames, i, t[i].frames_in, t[i].frames_out);
	metrics_family(out, bytes, METRIC_COUNTER,
	    "Bytes of frames between nodes, by kind of message; without TLS and TCP.");
	for (size_t i = 0; i < RPC_KINDS; i++)
		by_kind(out, bytes, i, t[i].bytes_in, t[i].bytes_out);
}

static void put_links(const struct admin *a, struct buf *out)
{
	struct control_counters c;
	control_count(a->control, &c);
	metrics_gauge(out, "warmcast_rpc_links", "Links to other nodes.", c.links.links);
	put_traffic(c.links.by_kind, out);
	metrics_counter(out, "warmcast_rpc_refused_total", "Peers that were not let in.", c.links.refused);
	metrics_counter(
	    out, "warmcast_rpc_malformed_total", "Links closed over malformed frames.", c.links.malformed);
	metrics_counter(
	    out, "warmcast_rpc_window_full_total", "Messages not sent to a slow peer.", c.links.window_full);
	metrics_counter(out, "warmcast_session_news_dropped_total",
	    "Heartbeats and ends that found their batch full.", c.news_dropped);
}

/* Whether the workers carry the same. */
static void put_workers(const struct http_server *s, struct buf *out)
{
	struct http_counters c;
	char number[16];
	metrics_family(out, "warmcast_http_worker_sent_bytes_total", METRIC_COUNTER, "Bytes sent, by worker.");
	for (unsigned i = 0; i < http_server_workers(s); i++) {
		http_server_count_worker(s, i, &c);
		snprintf(number, sizeof(number), "%u", i);
		labelled(out, "warmcast_http_worker_sent_bytes_total", "worker", number, c.bytes_sent);
	}
	metrics_family(out, "warmcast_http_worker_connections", METRIC_GAUGE, "Open connections, by worker.");
	for (unsigned i = 0; i < http_server_workers(s); i++) {
		http_server_count_worker(s, i, &c);
		snprintf(number, sizeof(number), "%u", i);
		labelled(out, "warmcast_http_worker_connections", "worker", number, c.connections_open);
	}
}

static void put_http(const struct admin *a, struct buf *out)
{
	struct http_counters c = { 0 };
	http_server_count(a->viewers, &c);
	metrics_gauge(out, "warmcast_http_connections", "Open connections of viewers.", c.connections_open);
	metrics_gauge(out, "warmcast_http_connections_max", "How many there may be; past it they are reset.",
	    http_server_limits(a->viewers)->connections);
	metrics_gauge(out, "warmcast_http_egress_bytes_per_second", "Sent to viewers, of about the last second.",
	    http_server_egress_bytes_per_s(a->viewers));
	metrics_counter(out, "warmcast_http_connections_total", "Connections accepted.", c.connections_accepted);
	metrics_counter(
	    out, "warmcast_http_connections_refused_total", "Connections over a limit.", c.connections_refused);
	metrics_counter(out, "warmcast_http_requests_total", "Requests of viewers.", c.requests);
	metrics_family(out, "warmcast_http_responses_total", METRIC_COUNTER, "Responses to viewers, by class.");
	labelled(out, "warmcast_http_responses_total", "class", "2xx", c.responses_2xx);
	labelled(out, "warmcast_http_responses_total", "class", "3xx", c.responses_3xx);
	labelled(out, "warmcast_http_responses_total", "class", "4xx", c.responses_4xx);
	labelled(out, "warmcast_http_responses_total", "class", "5xx", c.responses_5xx);
	metrics_counter(out, "warmcast_http_sent_bytes_total", "Bytes sent to viewers.", c.bytes_sent);
	metrics_counter(out, "warmcast_http_resets_total", "Connections ended by a reset.", c.resets);
	metrics_counter(out, "warmcast_http_timeouts_total", "Connections that took too long.", c.timeouts);
	put_workers(a->viewers, out);
	metrics_counter(out, "warmcast_http_malformed_total", "Requests that were no sound HTTP.", c.malformed);
	metrics_counter(
	    out, "warmcast_http_cold_reads_total", "Sends that waited for a disk, aside.", c.cold_reads);
}

static void put_api(const struct api *api, struct buf *out)
{
	metrics_family(
	    out, "warmcast_sessions_created_total", METRIC_COUNTER, "Sessions created here, by outcome.");
	labelled(out, "warmcast_sessions_created_total", "outcome", "warm", api->count.created_warm);
	labelled(out, "warmcast_sessions_created_total", "outcome", "spill", api->count.created_spill);
	labelled(out, "warmcast_sessions_created_total", "outcome", "cold", api->count.created_cold);
	metrics_counter(out, "warmcast_sessions_refused_total", "Requests that found no headroom anywhere.",
	    api->count.refused);
	metrics_counter(out, "warmcast_session_requests_malformed_total",
	    "Session requests that were refused as wrong.", api->count.malformed);
	metrics_counter(out, "warmcast_heartbeats_total", "Heartbeats of sessions.", api->count.heartbeats);
	metrics_counter(out, "warmcast_sessions_ended_total", "Sessions ended by DELETE.", api->count.ended);
	metrics_counter(
	    out, "warmcast_revocations_total", "Sessions whose tokens were ended, too.", api->count.revoked);
	metrics_counter(out, "warmcast_revocations_refused_total", "Revocations for which there was no room.",
	    api->count.revoke_refused);
	if (api->c.revoked != NULL)
		metrics_gauge(out, "warmcast_revoked_sessions", "Revoked sessions that this node knows of.",
		    revoked_n(api->c.revoked));
}

static void put_admission(const struct admission *a, struct buf *out)
{
	static const char *const name = "warmcast_session_requests_refused_total";
	uint64_t count[ADMISSION_VERDICTS];
	admission_count(a, count);
	metrics_family(out, name, METRIC_COUNTER, "Session requests that were not admitted, by reason.");
	for (size_t i = ADMITTED + 1; i < ADMISSION_VERDICTS; i++)
		if (i != ADMISSION_REPEATED)
			labelled(out, name, "reason", admission_verdict_str((enum admission_verdict)i), count[i]);
	metrics_counter(out, "warmcast_session_requests_repeated_total",
	    "Session requests that were answered again, by their Idempotency-Key.", count[ADMISSION_REPEATED]);
}

static void put_delivery(const struct admin *a, struct buf *out)
{
	struct delivery_counters d;
	delivery_count(a->delivery, &d);
	metrics_gauge(out, "warmcast_sessions_active", "Sessions that hold a place on this node.",
	    sessions_active(a->sessions));
	metrics_gauge(out, "warmcast_sessions_capacity", "Places of this node.", a->config->capacity_sessions);
	metrics_counter(out, "warmcast_media_requests_total", "Requests for objects.", d.requests);
	metrics_family(
	    out, "warmcast_media_served_total", METRIC_COUNTER, "Objects served, by where they came from.");
	labelled(out, "warmcast_media_served_total", "from", "cache", d.hits);
	labelled(out, "warmcast_media_served_total", "from", "fill", d.misses);
	labelled(out, "warmcast_media_served_total", "from", "fill of another", d.collapsed);
	metrics_counter(out, "warmcast_media_bytes_total", "Bytes of objects sent.", d.bytes);
	metrics_counter(
	    out, "warmcast_media_hit_bytes_total", "Those of them that came from the cache.", d.hit_bytes);
	metrics_counter(
	    out, "warmcast_media_hot_total", "Objects served out of memory, from cache.ram.", d.hot_hits);
	metrics_counter(
	    out, "warmcast_media_rendered_total", "Playlists served with a session's pathways.", d.rendered);
	metrics_gauge(out, "warmcast_media_hot_bytes", "Memory that such objects take.", d.hot_bytes);
	metrics_gauge(out, "warmcast_media_hot_objects", "How many there are, one a worker each.", d.hot_objects);
	metrics_counter(out, "warmcast_media_cold_opens_total",
	    "Objects whose file had to be found on its disk first, aside.", d.looks_aside);
	metrics_counter(
	    out, "warmcast_tokens_refused_total", "Requests with a wrong or expired token.", d.token_refused);
	metrics_counter(
	    out, "warmcast_media_not_found_total", "Objects that the origin store has not.", d.not_found);
	metrics_counter(out, "warmcast_media_cmcd_requests_total",
	    "Requests with which players said something of themselves (CMCD).", d.cmcd_requests);
	metrics_counter(out, "warmcast_media_cmcd_stalls_total",
	    "Those of them that said that the picture had stood still for want of data (bs).", d.cmcd_stalls);
	metrics_counter(
	    out, "warmcast_media_failed_total", "Requests that failed for want of the origin store.", d.failed);
}

/* D7: what nodes have of each other's caches. */
static void put_peers(const struct admin *a, struct buf *out)
{
	struct fills_counters f;
	struct delivery_counters d;
	fills_count(a->fills, &f);
	delivery_count(a->delivery, &d);
	metrics_counter(out, "warmcast_peer_fills_total", "Fills out of another node's cache.", f.from_peers);
	metrics_counter(out, "warmcast_peer_fill_bytes_total", "Bytes of them.", f.bytes_from_peers);
	metrics_counter(out, "warmcast_peer_misses_total", "Nodes asked that did not have it.", f.peer_misses);
	metrics_counter(out, "warmcast_peer_failures_total",
	    "Nodes asked that failed, and were left alone for some seconds.", f.peer_failures);
	metrics_counter(out, "warmcast_peer_served_total", "Objects sent to other nodes.", d.peer_served);
	metrics_counter(out, "warmcast_peer_served_bytes_total", "Bytes of them.", d.peer_bytes);
	metrics_counter(out, "warmcast_peer_not_cached_total",
	    "Other nodes' requests that this node's cache could not answer.", d.peer_misses);
	metrics_counter(out, "warmcast_peer_errors_total",
	    "Answers to other nodes with 5xx, upon which they look elsewhere: no viewer gets them.",
	    d.peer_errors);
	metrics_counter(out, "warmcast_peer_hedged_total",
	    "Holders that were slow to answer and given up for the next one, of a budget.", f.hedged);
	metrics_counter(out, "warmcast_peer_fills_asked_total",
	    "Requests to other nodes to fill an object on this node's behalf.", f.fills_asked);
	metrics_counter(out, "warmcast_peer_fills_awaited_total",
	    "Answers to them that the origin store takes its time.", f.fills_awaited);
	metrics_counter(out, "warmcast_peer_fills_for_others_total", "Other nodes' requests to fill an object.",
	    d.peer_fills);
	metrics_counter(out, "warmcast_request_loops_total",
	    "Requests that this cluster had sent out itself, refused.", d.loops);
	metrics_counter(out, "warmcast_peer_refused_total",
	    "Requests as of another node, without a token of this cluster's.", d.peer_refused);
}

static void put_cache(const struct admin *a, struct buf *out)
{
	struct cache_counters c;
	cache_count(a->cache, &c);
	metrics_gauge(out, "warmcast_cache_units", "Units in the cache.", c.units);
	metrics_gauge(out, "warmcast_cache_bytes", "Bytes in the cache.", c.bytes);
	metrics_gauge(out, "warmcast_cache_size_bytes", "Bytes that it may hold.", c.size_bytes);
	metrics_gauge(out, "warmcast_cache_disks_down", "Disks out of service.", c.disks_down);
	metrics_counter(out, "warmcast_cache_stored_total", "Units stored.", c.stored);
	metrics_counter(out, "warmcast_cache_evicted_total", "Units evicted.", c.evicted);
	metrics_counter(
	    out, "warmcast_cache_write_failures_total", "Units that could not be stored.", c.write_failures);
}

static void put_fills(const struct admin *a, struct buf *out)
{
	struct fills_counters f;
	fills_count(a->fills, &f);
	metrics_gauge(out, "warmcast_fills_running", "Fills under way.", f.running);
	metrics_gauge(out, "warmcast_fills_queued", "Fills that wait for a thread.", f.queued);
	metrics_gauge(
	    out, "warmcast_fills_parked", "Fills that wait until they may be asked for again.", f.parked);
	metrics_counter(out, "warmcast_fills_started_total", "Fills started.", f.started);
	metrics_counter(out, "warmcast_fills_joined_total", "Requests that joined a fill under way.", f.joined);
	metrics_counter(out, "warmcast_fills_failed_total", "Fills that failed.", f.failed);
	metrics_counter(out, "warmcast_fills_abandoned_total",
	    "Long fills that were given up when their last reader had left.", f.abandoned);
	metrics_counter(out, "warmcast_fills_unstored_total", "Fills served through and not stored.", f.unstored);
	metrics_counter(
	    out, "warmcast_fills_revalidated_total", "Units confirmed by the origin store.", f.revalidated);
	metrics_counter(out, "warmcast_fills_negative_hits_total", "Misses answered from memory of the last one.",
	    f.negative_hits);
	metrics_counter(out, "warmcast_fills_missing_again_total",
	    "Objects of growing contents that were asked for again while viewers waited.", f.missing_again);
	metrics_counter(out, "warmcast_fills_stale_total",
	    "Old units served for an origin store that failed or was slow.", f.stale);
	metrics_counter(out, "warmcast_origin_requests_total",
	    "Attempts at the origin stores, for an object or to confirm one.", f.origin_requests);
	metrics_counter(
	    out, "warmcast_origin_bytes_total", "Bytes read from the origin stores.", f.bytes_from_origin);
}

void admin_put_metrics(const struct admin *a, struct buf *out)
{
	put_node(a, out);
	put_members(a, out);
	put_kvs(a, out);
	put_links(a, out);
	put_http(a, out);
	if (a->api != NULL)
		put_api(a->api, out);
	admin_put_warm_metrics(a, out);
	admin_put_lease_metrics(a, out);
	if (a->api != NULL && a->api->c.admission != NULL)
		put_admission(a->api->c.admission, out);
	if (a->delivery != NULL) {
		put_delivery(a, out);
		put_cache(a, out);
		put_fills(a, out);
		put_peers(a, out);
	}
}
