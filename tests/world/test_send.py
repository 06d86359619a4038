"""Mail that leaves: found by MX, under the TLS that each domain demands."""
import http.server
import ssl
import threading

import pytest

import hostile
import kp
import servers

MESSAGE = ("From: alice@example.test\r\nTo: {to}\r\nSubject: {subject}\r\n"
           "Date: Mon, 1 Jan 2024 10:00:00 +0000\r\n"
           "Message-ID: <{subject}@example.test>\r\n\r\nFrom inside.\r\n"
           ".and a dot\r\n")
QUEUE = "\nqueue {\n\tretry = \"1s\"\n\tretry_max = \"2s\"\n}\n"


@pytest.fixture(scope="module")
def server(world):
    with world.kingpost(extra=QUEUE) as s:
        yield s


class Domain:
    """A domain of the world with one mail server, and a Peer behind it."""

    def __init__(self, world, name, behave=hostile.polite, tls="trusted",
                 cert_names=None):
        self.world = world
        self.name = name
        self.host = "mx." + name
        self.address = world.host(self.host)
        world.domain(name, self.host)
        self.cert = None
        if tls:
            self.cert = world.certificate(*(cert_names or [self.host]),
                                          is_trusted=tls == "trusted")
        self.peer = hostile.Peer(self.address, behave, self.cert, self.host)

    def __enter__(self):
        self.world.publish()
        return self

    def __exit__(self, *what):
        self.peer.close()


def send(server, domain, subject):
    to = "carol@" + domain
    with server.submission(server["alice"]) as s:
        s.sendmail("alice@example.test", [to],
                   MESSAGE.format(to=to, subject=subject))
    return to


def arrived(domain, subject):
    def find():
        for m in domain.peer.messages:
            if subject.encode() in m.data:
                return m
        return None
    return kp.wait_until(find, f"{subject!r} at {domain.host}")


def attempt(server, to, *texts):
    """Waits until the queue tells one of texts of a recipient."""
    def find():
        for row in server.rows("queue", "list"):
            if to in str(row):
                shown = str(server.rows("queue", "show", str(row["id"])))
                if any(t in shown for t in texts):
                    return shown
        return None
    return kp.wait_until(find, f"one of {texts} for {to}")


def test_mail_is_encrypted_where_it_can_be(server, world):
    with Domain(world, "plain.insecure.example", tls="own") as d:
        send(server, d.name, "may")
        message = arrived(d, "may")
        assert message.has_tls
        assert message.data.endswith(b"From inside.\r\n.and a dot\r\n")


def test_mail_goes_in_the_clear_where_it_must(server, world):
    with Domain(world, "clear.insecure.example", tls=None) as d:
        send(server, d.name, "clear")
        assert not arrived(d, "clear").has_tls


def test_dane_takes_the_key_that_dns_names(server, world):
    """Self-signed, for another name: DANE-EE does not mind."""
    with Domain(world, "dane.example", tls="own",
                cert_names=["other.example"]) as d:
        world.tlsa(d.host, d.cert[0])
        world.publish()
        send(server, d.name, "dane")
        assert arrived(d, "dane").has_tls


def test_dane_keeps_mail_from_a_server_with_another_key(server, world):
    other, _ = world.certificate("mx.stolen.example")
    with Domain(world, "stolen.example") as d:
        world.tlsa(d.host, other)
        world.publish()
        to = send(server, d.name, "stolen")
        attempt(server, to, "TLSA")
        assert not d.peer.messages
        # The right record is published at last.
        world.forget("_25._tcp." + d.host)
        world.tlsa(d.host, d.cert[0])
        world.publish()
        assert arrived(d, "stolen").has_tls


def test_dane_is_not_had_by_leaving_tls_out(server, world):
    with Domain(world, "stripped.example", tls=None) as d:
        world.record("_25._tcp." + d.host, "TLSA", "3 1 1 " + "AB" * 32)
        world.publish()
        to = send(server, d.name, "stripped")
        attempt(server, to, "TLS")
        assert not d.peer.messages


def test_an_unsigned_tlsa_record_demands_nothing(server, world):
    with Domain(world, "fake.insecure.example", tls="own") as d:
        world.record("_25._tcp." + d.host, "TLSA", "3 1 1 " + "AB" * 32)
        world.publish()
        send(server, d.name, "fake")
        assert arrived(d, "fake").has_tls


# ---- MTA-STS

class PolicyHost:
    """The web server of a domain's policy."""

    def __init__(self, world, domain, policy, cert_names=None, status=200,
                 kind="text/plain"):
        name = "mta-sts." + domain
        outer = self
        self.hits = 0
        self.policy = policy

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.hits += 1
                body = outer.policy.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        address = world.host(name)
        world.record("_mta-sts." + domain, "TXT", '"v=STSv1; id=1;"')
        self.server = http.server.ThreadingHTTPServer((address, 443),
                                                      Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*world.certificate(
            *(cert_names or [name])))
        self.server.socket = context.wrap_socket(self.server.socket,
                                                 server_side=True)
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def policy(mode, *mx):
    return (f"version: STSv1\r\nmode: {mode}\r\n" +
            "".join(f"mx: {m}\r\n" for m in mx) + "max_age: 86400\r\n")


@pytest.fixture
def policy_host(world):
    made = []

    def make(*args, **kw):
        made.append(PolicyHost(world, *args, **kw))
        world.publish()
        return made[-1]
    yield make
    for host in made:
        host.close()


# Names without DNSSEC, for there MTA-STS is what protects.

def test_sts_sends_to_a_server_that_is_verified(server, world, policy_host):
    name = "sts.insecure.example"
    with Domain(world, name) as d:
        web = policy_host(name, policy("enforce", "mx." + name))
        for subject in ("sts-1", "sts-2"):
            send(server, name, subject)
            assert arrived(d, subject).has_tls
        assert web.hits == 1        # and then it is known


@pytest.mark.parametrize("name,kw,words", [
    ("own.insecure.example", {"tls": "own"}, "trust"),
    ("wrong.insecure.example", {"cert_names": ["mx.other.example"]},
     "other names"),
    ("none.insecure.example", {"tls": None}, "TLS"),
])
def test_sts_keeps_mail_from_others(server, world, policy_host, name, kw,
                                    words):
    with Domain(world, name, **kw) as d:
        policy_host(name, policy("enforce", "mx." + name))
        to = send(server, name, "kept")
        attempt(server, to, words)
        assert not d.peer.messages


def test_sts_keeps_mail_from_an_mx_it_does_not_name(server, world,
                                                    policy_host):
    name = "moved.insecure.example"
    with Domain(world, name) as d:
        policy_host(name, policy("enforce", "mx.elsewhere.example"))
        to = send(server, name, "moved")
        attempt(server, to, "MTA-STS", "policy")
        assert d.peer.count == 0


def test_sts_testing_does_not_keep_mail(server, world, policy_host):
    name = "testing.insecure.example"
    with Domain(world, name, tls="own") as d:
        policy_host(name, policy("testing", "mx." + name))
        send(server, name, "testing")
        assert arrived(d, "testing")


@pytest.mark.parametrize("name,kw", [
    ("web1.insecure.example", {"cert_names": ["www.example"]}),
    ("web2.insecure.example", {"status": 302}),
    ("web3.insecure.example", {"kind": "text/html"}),
])
def test_sts_a_policy_that_cannot_be_had_is_none(server, world, policy_host,
                                                 name, kw):
    with Domain(world, name, tls="own") as d:
        web = policy_host(name, policy("enforce", "mx." + name), **kw)
        send(server, name, "unfetched")
        assert arrived(d, "unfetched").has_tls
        assert web.hits == (0 if "cert_names" in kw else 1)


# ---- trouble

TROUBLE = {
    "endless-reply": hostile.endless_reply,
    "endless-line": hostile.endless_line,
    "half-reply": hostile.half_reply,
    "wrong-codes": hostile.wrong_codes,
    "no-digits": hostile.no_digits,
    "mixed-codes": hostile.mixed_codes,
    "421-greeting": hostile.says_421(""),
    "421-ehlo": hostile.says_421("EHLO"),
    "421-mail": hostile.says_421("MAIL"),
    "421-rcpt": hostile.says_421("RCPT"),
    "421-data": hostile.says_421("DATA"),
    "451-mail": hostile.refuses("MAIL", "451 4.3.0 later"),
    "451-rcpt": hostile.refuses("RCPT", "451 4.3.0 later"),
    "451-dot": hostile.refuses(".", "451 4.3.0 later"),
    "closes-in-data": hostile.closes_in_data,
    "closes-after-dot": hostile.closes_after_dot,
    "garbage-for-tls": hostile.garbage_for_tls,
    "no-tls-after-all": hostile.no_tls_after_all,
}


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_delays_mail_and_loses_none(server, world, name):
    """The second conversation is a good one; DATA, so that all apply."""
    domain = name + ".insecure.example"
    with Domain(world, domain, [TROUBLE[name], hostile.polite]) as d:
        d.peer.extensions = ("PIPELINING", "8BITMIME",
                             "ENHANCEDSTATUSCODES")
        send(server, domain, name)
        arrived(d, name)
        kp.wait_until(lambda: not [
            row for row in server.rows("queue", "list")
            if domain in row["to"]], "no more of it in the queue")
        assert len(d.peer.messages) == (2 if name == "closes-after-dot"
                                        else 1)


def test_a_bad_host_does_not_keep_mail_from_the_next(server, world):
    name = "two.insecure.example"
    second = world.host("mx2." + name)
    with Domain(world, name, hostile.says_421("")) as d, \
            hostile.Peer(second) as good:
        world.record(name, "MX", f"20 mx2.{name}.")
        world.publish()
        send(server, name, "second")
        kp.wait_until(lambda: good.messages, "mail at the second host")
        assert not d.peer.messages and d.peer.count >= 1


def test_a_refusal_comes_back_with_their_words(server, world):
    name = "refusing.insecure.example"
    words = "550 5.1.1 nobody of that name lives here"
    with Domain(world, name, hostile.refuses("RCPT", words)) as d:
        to = send(server, name, "refused")

        def find():
            with server.imap(server["alice"], mailbox="INBOX") as m:
                _, data = m.search(None, "BODY", '"lives here"',
                                   "BODY", f'"{to}"')
                if data[0].split():
                    return m.fetch(data[0].split()[-1],
                                   "(BODY.PEEK[])")[1][0][1]
            return None
        report = kp.wait_until(find, "a report in the INBOX")
        assert b"multipart/report" in report
        assert b"Return-Path: <>" in report
        assert not d.peer.messages


# ---- peers that others have written

@pytest.fixture(scope="module", params=[servers.Postfix, servers.OpenSMTPD],
                ids=["postfix", "opensmtpd"])
def other(world, request):
    with request.param(world, "to-" + request.param.kind +
                       ".example") as server:
        if server.has_tls:
            world.tlsa(server.name, server.cert)    # so this is DANE, too
        world.publish()
        yield server


def test_mail_reaches_a_peer(server, other):
    subject = "out-" + other.kind
    send(server, other.domain, subject)
    message = other.wait_for(subject).replace(b"\r\n", b"\n")
    assert message.endswith(b"From inside.\n.and a dot\n")
    first = message.split(b"Received:")[1]
    assert (b"TLS" in first) == other.has_tls
