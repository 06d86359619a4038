/*
 * Counting and reporting, over a real store in memory and a zone.
 */
#include "smtp/tls_reporter.h"

#include "auth/dkim.h"
#include "store/queue.h"
#include "store/tls_report.h"
#include "store/trust.h"
#include "store/write.h"
#include "tests/check.h"
#include "tests/driver.h"

struct fixture {
	struct world w;
	struct route_settings route;
	struct tls_reporter *r;
};

static void
start(struct fixture *x, const char *contact)
{
	*x = (struct fixture){ .route.hostname = WORLD_HOST };
	CHECK_EQ(base_random_start(), 0);
	world_open(&x->w);
	world_add_domain(&x->w, WORLD_DOMAIN);
	x->r = tls_reporter_new(&x->w.env, &x->route, contact);
}

static void
finish(struct fixture *x)
{
	struct buf why = BUF_INIT;

	tls_reporter_free(x->r);
	world_pump(&x->w);
	CHECK_EQ(world_close(&x->w, &why), 0);
	buf_release(&why);
}

static void
count(struct fixture *x, enum route_why by, enum out_tls_fault fault,
    enum tls_fault tls_fault)
{
	static const struct dns_record tlsa = {
		.usage = 3, .selector = 1, .matching = 1,
		.data = { "\xab\x01", 2 },
	};
	static const struct route_sts sts = { MTA_STS_ENFORCE,
	    "mx.far.example" };
	struct route_host h = {
		.name = "mx.far.example", .why = by,
		.want = { .tlsa = &tlsa, .tlsa_count = 1 },
	};
	struct peer peer = {
		.addr = "192.0.2.1", .local_addr = "192.0.2.2",
		.has_tls = fault == OUT_TLS_FINE, .tls_fault = tls_fault,
	};
	struct out_result why = { .tls_fault = fault };

	tls_reporter_count(&x->w.env, SPAN("far.example"), &h, &sts, &peer,
	    &why);
	world_pump(&x->w);
}

static void
came_home(struct op *op)
{
	op->tag = 1;
}

/* What is counted of days before one; freed by the caller. */
static struct rjob_tls_results *
read(struct fixture *x, int64_t before_day)
{
	struct rjob_tls_results *j = rjob_tls_results_new(&x->w.env,
	    before_day);

	j->j.op.finish = came_home;
	store_read(x->w.store, &j->j);
	world_pump(&x->w);
	CHECK(j->j.op.tag);
	CHECK_EQ(j->j.op.err, 0);
	return j;
}

#define DAY (WORLD_START_S / 86400)

TEST(test_tls_reporter_counts_by_kind)
{
	struct rjob_tls_results *j;
	struct fixture x;

	start(&x, "");
	for (int i = 0; i < 3; i++)
		count(&x, ROUTE_BY_DANE, OUT_TLS_FINE, TLS_FAULT_NONE);
	count(&x, ROUTE_BY_STS, OUT_TLS_BROKEN, TLS_FAULT_EXPIRED);
	count(&x, ROUTE_BY_STS, OUT_TLS_NOT_OFFERED, TLS_FAULT_NONE);
	count(&x, ROUTE_BY_CONFIG, OUT_TLS_FINE, TLS_FAULT_NONE);
	j = read(&x, DAY);
	CHECK(!j->domain);
	op_free(&j->j.op);
	j = read(&x, DAY + 1);
	CHECK_STR(j->domain, "far.example");
	CHECK_EQ(j->day, DAY);
	CHECK_EQ(j->count, 3);
	CHECK_STR(j->rows[0].type, "sts");
	CHECK_STR(j->rows[0].policy, "version: STSv1\nmode: enforce\n"
	    "mx: mx.far.example");
	CHECK_STR(j->rows[0].result, "certificate-expired");
	CHECK_STR(j->rows[0].host, "mx.far.example");
	CHECK_STR(j->rows[1].result, "starttls-not-supported");
	CHECK_STR(j->rows[2].type, "tlsa");
	CHECK_STR(j->rows[2].policy, "3 1 1 ab01");
	CHECK_STR(j->rows[2].result, "");
	CHECK_EQ(j->rows[2].count, 3);
	op_free(&j->j.op);
	finish(&x);
}

TEST(test_tls_reporter_counts_no_more_than_so_many_kinds)
{
	struct rjob_tls_results *j;
	struct fixture x;

	start(&x, "");
	for (int i = 0; i < TLS_RESULTS_MAX + 5; i++) {
		struct wreq_tls_result *r = wreq_tls_result_new(&x.w.env);
		char host[32];

		(void)snprintf(host, sizeof host, "mx%d.far.example", i);
		r->domain = xstrdup("far.example");
		r->type = xstrdup("sts");
		r->host = xstrdup(host);
		store_submit(x.w.store, &r->w);
	}
	world_pump(&x.w);
	j = read(&x, DAY + 1);
	CHECK_EQ(j->count, TLS_RESULTS_MAX);
	op_free(&j->j.op);
	finish(&x);
}

static void
add_key(struct fixture *x)
{
	struct wreq_dkim_key *k = wreq_dkim_key_new(&x->w.env, NULL);
	struct buf der = BUF_INIT;

	CHECK_EQ(dkim_key_make(&der, DKIM_ED25519_SHA256), 0);
	k->how = DKIM_KEY_ADD;
	k->domain = xstrdup(WORLD_DOMAIN);
	k->selector = xstrdup("kp1e");
	k->algorithm = 1;
	k->private_key = xmemdup(der.p, der.len);
	k->private_len = der.len;
	k->public_key = xstrdup("");
	k->state = DKIM_SIGNING;
	buf_release(&der);
	store_submit(x->w.store, &k->w);
	world_pump(&x->w);
}

/* Whether anything is queued for a destination. */
static bool
is_queued(struct fixture *x)
{
	struct rjob_queue_due *j = rjob_queue_due_new(&x->w.env);
	bool is_due;

	j->now_s = env_wall_s(&x->w.env) + 1;
	j->j.op.finish = came_home;
	store_read(x->w.store, &j->j);
	world_pump(&x->w);
	is_due = j->count > 0;
	if (is_due)
		CHECK_STR(j->dests[0].name, "reports.example");
	op_free(&j->j.op);
	return is_due;
}

static void
run_days(struct fixture *x)
{
	for (int hour = 0; hour < 30; hour++) {
		world_advance(&x->w, 3600 * 1000);
		tls_reporter_tick(x->r);
		world_pump(&x->w);
	}
}

static void
check_report(const char *contact, const char *txt, bool has_key,
    bool is_sent)
{
	struct rjob_tls_results *j;
	struct fixture x;

	start(&x, contact);
	if (has_key)
		add_key(&x);
	if (txt)
		CHECK(zone_add(&x.w.zone, SPAN("_smtp._tls.far.example"),
		    SPAN("TXT"), span_of(txt), SPAN("")));
	count(&x, ROUTE_BY_DANE, OUT_TLS_FINE, TLS_FAULT_NONE);
	tls_reporter_tick(x.r);
	world_pump(&x.w);
	CHECK(!is_queued(&x));		/* the day is not over */
	run_days(&x);
	CHECK_EQ(is_queued(&x), is_sent);
	j = read(&x, DAY + 1);
	CHECK_EQ(j->domain == NULL, *contact != '\0');
	op_free(&j->j.op);
	finish(&x);
}

#define RUA "v=TLSRPTv1; rua=mailto:tls@reports.example"

TEST(test_tls_reporter_sends_to_who_asks)
{
	check_report("ann@example.org", RUA, true, true);
	check_report("ann@example.org", NULL, true, false);
	check_report("ann@example.org", "servfail", true, false);
	/* RFC 8460 section 3: unsigned, it would be ignored. */
	check_report("ann@example.org", RUA, false, false);
	check_report("", RUA, true, false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls_reporter_counts_by_kind),
		cmocka_unit_test(
		    test_tls_reporter_counts_no_more_than_so_many_kinds),
		cmocka_unit_test(test_tls_reporter_sends_to_who_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
