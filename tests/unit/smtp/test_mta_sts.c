/*
 * Policies over a real store in memory, a zone, and a web of the test's own.
 */
#include "smtp/mta_sts.h"

#include "server/base/err.h"
#include "server/base/fetch.h"
#include "tests/check.h"
#include "tests/driver.h"

#define POLICY "version: STSv1\nmode: enforce\nmx: mx.far.example\n" \
	"max_age: 86400\n"

struct fixture {
	struct world w;
	struct fetcher fetcher;
	const char *document;	/* NULL: the fetch fails */
	unsigned fetches;
	bool must_hold;		/* fetches stay out */
	struct fetch *held;
	struct mta_sts *m;
	struct facts facts, other;
	unsigned ready, other_ready;
};

static void
answer_fetch(struct fixture *x, struct fetch *f)
{
	CHECK_STR(f->host, "mta-sts.far.example");
	CHECK_STR(f->path, "/.well-known/mta-sts.txt");
	CHECK(f->deadline_ms <= MTA_STS_BUDGET_MS);
	if (x->document)
		buf_adds(&f->body, x->document);
	fetch_finish(f, x->document ? FETCH_OK : FETCH_STATUS, "no");
}

static void
web_fetch(struct fetcher *fetcher, struct fetch *f)
{
	struct fixture *x = CONTAINER_OF(fetcher, struct fixture, fetcher);

	x->fetches++;
	if (x->must_hold)
		x->held = f;
	else
		answer_fetch(x, f);
}

static void
on_ready(struct facts *f)
{
	CONTAINER_OF(f, struct fixture, facts)->ready++;
}

static void
on_other_ready(struct facts *f)
{
	CONTAINER_OF(f, struct fixture, other)->other_ready++;
}

static void
start(struct fixture *x)
{
	*x = (struct fixture){ .fetcher.fetch = web_fetch };
	CHECK_EQ(base_random_start(), 0);
	world_open(&x->w);
	x->w.env.fetcher = &x->fetcher;
	x->m = mta_sts_new(&x->w.env);
	facts_init(&x->facts, &x->w.env, on_ready);
}

static void
finish(struct fixture *x)
{
	struct buf why = BUF_INIT;

	facts_release(&x->facts);
	mta_sts_free(x->m);
	world_pump(&x->w);
	CHECK_EQ(world_close(&x->w, &why), 0);
	buf_release(&why);
}

static void
publish(struct fixture *x, const char *txt)
{
	CHECK(zone_add(&x->w.zone, SPAN("_mta-sts.far.example"), SPAN("TXT"),
	    SPAN("nodata"), SPAN("")));
	if (txt)
		CHECK(zone_add(&x->w.zone, SPAN("_mta-sts.far.example"),
		    SPAN("TXT"), span_of(txt), SPAN("")));
}

static void
ask(struct fixture *x)
{
	facts_release(&x->facts);
	x->facts.sources[FACT_FETCH] = mta_sts_source(x->m);
	CHECK(!facts_other(&x->facts, FACT_FETCH, "far.example"));
	facts_ask(&x->facts);
	world_pump(&x->w);
}

/* The policy as a delivery sees it, or the error. */
static const struct route_sts *
find(struct fixture *x, int err)
{
	const struct fact *f;

	ask(x);
	f = facts_other(&x->facts, FACT_FETCH, "far.example");
	CHECK(f);
	CHECK_EQ(f->err, err);
	return f->value;
}

TEST(test_mta_sts_fetches_once_and_keeps_the_policy)
{
	const struct route_sts *sts;
	struct fixture x;

	start(&x);
	publish(&x, "v=STSv1; id=1;");
	x.document = POLICY;
	for (int i = 0; i < 3; i++) {
		sts = find(&x, 0);
		CHECK_EQ(sts->mode, MTA_STS_ENFORCE);
		CHECK_STR(sts->mx, "mx.far.example");
	}
	CHECK_EQ(x.fetches, 1);
	/* A new id is a new policy. */
	publish(&x, "v=STSv1; id=2;");
	x.document = "version: STSv1\nmode: none\nmax_age: 86400\n";
	CHECK_EQ(find(&x, 0)->mode, MTA_STS_NONE);
	CHECK_EQ(x.fetches, 2);
	finish(&x);
}

TEST(test_mta_sts_without_a_record_there_is_no_policy)
{
	static const char *const none[] = {
		NULL, "v=spf1 -all", "v=STSv1; id=;", "servfail", "timeout",
	};
	struct fixture x;

	start(&x);
	x.document = POLICY;
	for (size_t i = 0; i < COUNT(none); i++) {
		publish(&x, none[i]);
		(void)find(&x, ERR_NOTFOUND);
	}
	CHECK_EQ(x.fetches, 0);
	finish(&x);
}

TEST(test_mta_sts_keeps_the_stored_policy_whatever_goes_wrong)
{
	static const char *const trouble[] = {
		NULL, "servfail", "timeout", "v=STSv1; id=2;",
	};
	struct fixture x;

	start(&x);
	publish(&x, "v=STSv1; id=1;");
	x.document = POLICY;
	CHECK_EQ(find(&x, 0)->mode, MTA_STS_ENFORCE);
	x.document = NULL;
	for (size_t i = 0; i < COUNT(trouble); i++) {
		publish(&x, trouble[i]);
		CHECK_EQ(find(&x, 0)->mode, MTA_STS_ENFORCE);
	}
	CHECK_EQ(x.fetches, 2);
	/* Until it expires. */
	world_advance(&x.w, 86401 * 1000);
	(void)find(&x, ERR_NOTFOUND);
	finish(&x);
}

TEST(test_mta_sts_does_not_try_again_at_once)
{
	struct fixture x;

	start(&x);
	publish(&x, "v=STSv1; id=1;");
	(void)find(&x, ERR_NOTFOUND);
	(void)find(&x, ERR_NOTFOUND);
	CHECK_EQ(x.fetches, 1);
	x.document = "<html>not a policy</html>";
	world_advance(&x.w, MTA_STS_RETRY_MS);
	(void)find(&x, ERR_NOTFOUND);
	(void)find(&x, ERR_NOTFOUND);
	CHECK_EQ(x.fetches, 2);
	/* Another version is another matter. */
	publish(&x, "v=STSv1; id=2;");
	x.document = POLICY;
	CHECK_EQ(find(&x, 0)->mode, MTA_STS_ENFORCE);
	finish(&x);
}

TEST(test_mta_sts_refreshes_before_it_expires)
{
	struct fixture x;

	start(&x);
	publish(&x, "v=STSv1; id=1;");
	x.document = POLICY;
	(void)find(&x, 0);
	world_advance(&x.w, 43200 * 1000);
	(void)find(&x, 0);
	CHECK_EQ(x.fetches, 1);
	world_advance(&x.w, 60 * 1000);
	(void)find(&x, 0);
	CHECK_EQ(x.fetches, 2);
	/* And is as good as new. */
	world_advance(&x.w, 80000 * 1000);
	x.document = NULL;
	CHECK_EQ(find(&x, 0)->mode, MTA_STS_ENFORCE);
	finish(&x);
}

TEST(test_mta_sts_two_who_ask_share_one_fetch)
{
	struct fixture x;

	start(&x);
	publish(&x, "v=STSv1; id=1;");
	x.document = POLICY;
	x.must_hold = true;
	ask(&x);
	facts_init(&x.other, &x.w.env, on_other_ready);
	x.other.sources[FACT_FETCH] = mta_sts_source(x.m);
	(void)facts_other(&x.other, FACT_FETCH, "FAR.example");
	facts_ask(&x.other);
	world_pump(&x.w);
	CHECK_EQ(x.fetches, 1);
	CHECK_EQ(x.ready, 0);
	answer_fetch(&x, x.held);
	world_pump(&x.w);
	CHECK_EQ(x.ready, 1);
	CHECK_EQ(x.other_ready, 1);
	CHECK_EQ(facts_other(&x.other, FACT_FETCH, "far.example")->err, 0);
	facts_release(&x.other);
	finish(&x);
}

TEST(test_mta_sts_ends_while_it_asks)
{
	struct fixture x;

	start(&x);
	publish(&x, "v=STSv1; id=1;");
	x.must_hold = true;
	ask(&x);
	mta_sts_free(x.m);
	x.m = NULL;
	world_pump(&x.w);
	CHECK_EQ(x.ready, 1);
	CHECK_EQ(facts_other(&x.facts, FACT_FETCH, "far.example")->err,
	    ERR_CANCELLED);
	fetch_finish(x.held, FETCH_CONNECT, "");
	finish(&x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_mta_sts_fetches_once_and_keeps_the_policy),
		cmocka_unit_test(
		    test_mta_sts_without_a_record_there_is_no_policy),
		cmocka_unit_test(
		test_mta_sts_keeps_the_stored_policy_whatever_goes_wrong),
		cmocka_unit_test(test_mta_sts_does_not_try_again_at_once),
		cmocka_unit_test(test_mta_sts_refreshes_before_it_expires),
		cmocka_unit_test(test_mta_sts_two_who_ask_share_one_fetch),
		cmocka_unit_test(test_mta_sts_ends_while_it_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
