/* Connections that end at every moment of a transfer, plain and under TLS. */
#include "base/prng.h"
#include "link_test.h"
#include "rpc/nng_conn.h"

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <unistd.h>

enum { OUT_MAX = 256 * 1024, PIECE = 20 * 1000 };

static struct prng dice;
static struct nng_hub hub;
/* With sanitizers a round takes several times as long. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLOWER = 3 };
#else
enum { SLOWER = 1 };
#endif

static nng_tls_config *server_tls, *client_tls;

static void make_certificate(void)
{
	char dir[] = "/tmp/warmcast-conn-XXXXXX", command[512], pem[sizeof(dir) + 8];
	assert_non_null(mkdtemp(dir));
	snprintf(command, sizeof(command),
	    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -subj /CN=test "
	    "-keyout %s/key -out %s/cert 2>/dev/null && cat %s/cert %s/key >%s/pem",
	    dir, dir, dir, dir, dir);
	assert_int_equal(system(command), 0);
	snprintf(pem, sizeof(pem), "%s/pem", dir);
	assert_int_equal(nng_tls_config_alloc(&server_tls, NNG_TLS_MODE_SERVER), 0);
	assert_int_equal(nng_tls_config_cert_key_file(server_tls, pem, NULL), 0);
	assert_int_equal(nng_tls_config_auth_mode(server_tls, NNG_TLS_AUTH_MODE_NONE), 0);
	assert_int_equal(nng_tls_config_alloc(&client_tls, NNG_TLS_MODE_CLIENT), 0);
	assert_int_equal(nng_tls_config_auth_mode(client_tls, NNG_TLS_AUTH_MODE_NONE), 0);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

/* Two ends of one connection on one hub. */
struct pair {
	nng_stream_listener *listener;
	nng_stream_dialer *dialer;
	nng_aio *accept, *dial;
	struct nng_conn *ends[2];
};

static void listen_and_dial(struct pair *p, bool tls)
{
	char url[64];
	int port;
	const char *scheme = tls ? "tls+tcp" : "tcp";
	snprintf(url, sizeof(url), "%s://127.0.0.1:0", scheme);
	assert_int_equal(nng_stream_listener_alloc(&p->listener, url), 0);
	if (tls)
		assert_int_equal(nng_stream_listener_set_ptr(p->listener, NNG_OPT_TLS_CONFIG, server_tls), 0);
	assert_int_equal(nng_stream_listener_listen(p->listener), 0);
	assert_int_equal(nng_stream_listener_get_int(p->listener, NNG_OPT_TCP_BOUND_PORT, &port), 0);
	snprintf(url, sizeof(url), "%s://127.0.0.1:%d", scheme, port);
	assert_int_equal(nng_stream_dialer_alloc(&p->dialer, url), 0);
	if (tls)
		assert_int_equal(nng_stream_dialer_set_ptr(p->dialer, NNG_OPT_TLS_CONFIG, client_tls), 0);
	assert_int_equal(nng_aio_alloc(&p->accept, NULL, NULL), 0);
	assert_int_equal(nng_aio_alloc(&p->dial, NULL, NULL), 0);
}

/* Eats what came, answers with more, and again: both directions are busy until one end is freed. */
static void on_run(void *owner)
{
	static const uint8_t piece[PIECE];
	struct nng_conn **end = owner;
	for (struct bytes b; (b = nng_conn_peek(*end)).n > 0;)
		nng_conn_consume(*end, b.n);
	enum err e = nng_conn_send(*end, BYTES_NONE, bytes_of(piece, 1 + prng_below(&dice, PIECE)));
	assert_true(e == OK || e == ERR_FULL);
}

static void connect_pair(struct pair *p)
{
	nng_stream_listener_accept(p->listener, p->accept);
	nng_stream_dialer_dial(p->dialer, p->dial);
	nng_aio *aios[2] = { p->accept, p->dial };
	for (int i = 0; i < 2; i++) {
		nng_aio_wait(aios[i]);
		assert_int_equal(nng_aio_result(aios[i]), 0);
		nng_stream *stream = nng_aio_get_output(aios[i], 0);
		assert_int_equal(nng_conn_new(&hub, stream, OUT_MAX, on_run, &p->ends[i], &p->ends[i]), OK);
		on_run(&p->ends[i]);
	}
}

static void ends_at_any_moment(bool tls, int rounds)
{
	struct pair p = { 0 };
	nng_hub_init(&hub, test_loop());
	listen_and_dial(&p, tls);
	for (int i = 0; i < rounds; i++) {
		connect_pair(&p);
		for (uint64_t n = prng_below(&dice, 40); n > 0; n--)
			test_run_some();
		unsigned first = (unsigned)prng_below(&dice, 2);
		if (prng_below(&dice, 2) == 0)
			nng_conn_shut(p.ends[first]);
		nng_conn_free(p.ends[first]);
		for (uint64_t n = prng_below(&dice, 4); n > 0; n--)
			test_run_some();
		nng_conn_free(p.ends[1 - first]);
		test_run_some();
	}
	assert_true(nng_conns_settle(&hub, nng_now_ms() + TEST_DEADLINE_MS));
	nng_stream_listener_close(p.listener);
	nng_aio_free(p.accept);
	nng_aio_free(p.dial);
	nng_stream_dialer_free(p.dialer);
	nng_stream_listener_free(p.listener);
	nng_hub_fini(&hub);
}

static void a_connection_may_end_at_any_moment(void **state)
{
	(void)state;
	ends_at_any_moment(false, 500 / SLOWER);
}

static void a_tls_connection_may_end_at_any_moment(void **state)
{
	(void)state;
	make_certificate();
	ends_at_any_moment(true, 300 / SLOWER);
	nng_tls_config_free(server_tls);
	nng_tls_config_free(client_tls);
}

int main(void)
{
	prng_init(&dice, 1);
	alarm(120); /* a wait for ever is what is looked for */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_may_end_at_any_moment),
		cmocka_unit_test(a_tls_connection_may_end_at_any_moment),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	nng_links_exit();
	return rc;
}
