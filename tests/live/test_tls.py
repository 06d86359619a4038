"""TLS as clients see it: versions, names, certificates, channel binding."""
import base64
import hashlib
import hmac
import os
import re
import shutil
import socket
import ssl
import subprocess

import pytest

import kp
from kp import DOMAIN, mail, ok

IMPLICIT = ["submissions", "pop3s", "imaps"]
STARTS = {"smtp": (b"EHLO client.example\r\n", b"STARTTLS\r\n"),
          "submission": (b"EHLO client.example\r\n", b"STARTTLS\r\n"),
          "pop3": (None, b"STLS\r\n"), "imap": (None, b"a STARTTLS\r\n")}
ALPN = {"smtp": "smtp", "submission": "smtp", "submissions": "smtp",
        "pop3": "pop3", "pop3s": "pop3", "imap": "imap", "imaps": "imap"}


def make_cert(server, name, key_args=("-newkey", "ec", "-pkeyopt",
                                      "ec_paramgen_curve:prime256v1")):
    """A self-signed certificate; returns the paths of chain and key."""
    chain = os.path.join(server.root, name + ".pem")
    key = os.path.join(server.root, name + ".key")
    subprocess.run(
        ["openssl", "req", "-x509", *key_args, "-nodes", "-days", "30",
         "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:" + name,
         "-keyout", key, "-out", chain],
        check=True, capture_output=True, timeout=kp.T)
    os.chmod(key, 0o644)
    return chain, key


def begin(server, listener):
    """A socket that waits for a ClientHello."""
    sock = server.connect(listener)
    if listener in STARTS:
        hello, start = STARTS[listener]
        c = kp.Raw(sock)
        c.line()
        if hello:
            c.send(hello)
            c.reply()
        c.send(start)
        c.line()
        assert c.buffer == b""
    return sock


def handshake(server, listener, context, name=kp.HOST, **kw):
    return context.wrap_socket(begin(server, listener),
                               server_hostname=name, **kw)


def subject(sock):
    return dict(pair for rdn in sock.getpeercert()["subject"]
                for pair in rdn)["commonName"]


# ------------------------------------------------------------------ versions

@pytest.mark.parametrize("listener", kp.LISTENERS)
def test_tls_1_2_is_spoken_everywhere(server, listener):
    context = server.tls(maximum_version=ssl.TLSVersion.TLSv1_2)
    with handshake(server, listener, context) as sock:
        assert sock.version() == "TLSv1.2"


def test_best_version_is_chosen(server):
    with handshake(server, "imaps", server.tls()) as sock:
        assert sock.version() in ("TLSv1.2", "TLSv1.3")
        # Forward secrecy, and a cipher that authenticates.
        assert re.search("GCM|CHACHA20|CCM", sock.cipher()[0])
        assert re.match("ECDHE|TLS_", sock.cipher()[0])


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
@pytest.mark.parametrize("listener", ["imaps", "submissions"])
def test_old_tls_versions_are_refused(server, version, listener):
    done = subprocess.run(
        ["openssl", "s_client", "-connect",
         f"127.0.0.1:{server.ports[listener]}", version,
         "-cipher", "ALL:@SECLEVEL=0"],
        input="", text=True, capture_output=True, timeout=kp.T)
    assert done.returncode != 0
    assert "Cipher is (NONE)" in done.stdout
    assert "alert" in done.stderr, done.stderr


@pytest.mark.parametrize("listener, starttls", [
    ("smtp", "smtp"), ("submission", "smtp"), ("pop3", "pop3"),
    ("imap", "imap"), ("imaps", None)])
def test_openssl_verifies_tls(server, listener, starttls):
    args = ["-starttls", starttls] if starttls else []
    done = subprocess.run(
        ["openssl", "s_client", "-connect",
         f"127.0.0.1:{server.ports[listener]}", "-CAfile", server.cert,
         "-verify_return_error", "-verify_hostname", kp.HOST, *args],
        input="QUIT\r\n", text=True, capture_output=True, timeout=kp.T)
    assert "Verify return code: 0 (ok)" in done.stdout, done


# ---------------------------------------------------------------- resumption

@pytest.mark.parametrize("listener", IMPLICIT + ["imap"])
def test_tls_session_is_resumed(server, listener):
    context = server.tls(maximum_version=ssl.TLSVersion.TLSv1_2)
    with handshake(server, listener, context) as sock:
        session = sock.session
        assert not sock.session_reused and session.has_ticket
    with handshake(server, listener, context, session=session) as sock:
        assert sock.session_reused
    # A protocol does not take another's ticket.
    other = "pop3s" if listener != "pop3s" else "imaps"
    with handshake(server, other, context, session=session) as sock:
        assert not sock.session_reused


# ---------------------------------------------------------------------- ALPN

@pytest.mark.parametrize("listener", kp.LISTENERS)
def test_tls_alpn_is_answered(server, listener):
    context = server.tls()
    context.set_alpn_protocols(["h2", ALPN[listener]])
    with handshake(server, listener, context) as sock:
        assert sock.selected_alpn_protocol() == ALPN[listener]


@pytest.mark.parametrize("listener", IMPLICIT)
def test_tls_alpn_of_another_protocol_is_refused(server, listener):
    context = server.tls()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with handshake(server, listener, context) as sock:
            sock.recv(1)


# --------------------------------------------------------------- odd clients

def test_tls_handshake_in_single_bytes(server):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = server.tls().wrap_bio(incoming, outgoing,
                                server_hostname=kp.HOST)
    with server.connect("imaps") as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def step(call, *args):
            while True:
                try:
                    return call(*args)
                except ssl.SSLWantReadError:
                    flush()
                    incoming.write(sock.recv(1))

        def flush():
            for byte in outgoing.read():
                sock.sendall(bytes([byte]))
        step(tls.do_handshake)
        flush()
        text = b""
        while not text.endswith(b"\r\n"):
            text += step(tls.read, 1)
        assert text.startswith(b"* OK")


@pytest.mark.parametrize("garbage", [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"A" * 99,
    b"\x80\x2e\x01\x00\x02" + b"\0" * 41, b"\0" * 5000, b"EHLO x\r\n"])
def test_garbage_on_a_tls_port_ends_the_connection(server, garbage):
    for listener in IMPLICIT:
        with kp.Raw(server.connect(listener)) as c:
            c.send(garbage)
            # Some of it may look like a record that is not all there yet.
            c.sock.shutdown(socket.SHUT_WR)
            answer = c.rest()
            assert b"OK" not in answer and b"220" not in answer
    with handshake(server, "imaps", server.tls()) as sock:
        assert sock.recv(4) == b"* OK"


def test_tls_is_closed_with_a_close_notify(server):
    context = server.tls()
    sock = context.wrap_socket(
        server.connect("imaps"), server_hostname=kp.HOST,
        suppress_ragged_eofs=False)
    with kp.Raw(sock) as c:
        c.line()
        c.tagged("LOGOUT")
        assert c.sock.recv(1) == b""


def test_tls_many_handshakes_at_once(server):
    context = server.tls()
    socks = [server.connect("imaps") for _ in range(40)]
    outs = []
    for sock in socks:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname=kp.HOST)
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        outs.append((sock, tls, incoming, outgoing))
    for sock, _, _, outgoing in outs:
        sock.sendall(outgoing.read())
    for sock, tls, incoming, outgoing in outs:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65536))
        sock.sendall(outgoing.read())
        sock.close()


# -------------------------------------------------------------- certificates

@pytest.fixture(scope="module")
def two_names():
    """A server with certificates for two more names."""
    s = kp.Server()
    ec = make_cert(s, "one." + DOMAIN)
    rsa = make_cert(s, "*.two." + DOMAIN, ("-newkey", "rsa:2048"))
    s.write_conf(s.read_conf() + "".join(
        'certificate %s {\n\tchain = "%s"\n\tkey = "%s"\n}\n' %
        (name, *pair) for name, pair in (("one", ec), ("two", rsa))))
    s.authorities = {"one." + DOMAIN: ec[0], "mx.two." + DOMAIN: rsa[0],
                     kp.HOST: s.cert}
    with s:
        yield s


@pytest.mark.parametrize("name", ["one." + DOMAIN, "mx.two." + DOMAIN,
                                  "ONE." + DOMAIN, kp.HOST])
@pytest.mark.parametrize("listener", ["imaps", "smtp"])
def test_tls_certificate_is_chosen_by_name(two_names, name, listener):
    context = ssl.create_default_context(
        cafile=two_names.authorities[name.lower() if name != kp.HOST
                                     else name])
    with handshake(two_names, listener, context, name):
        pass        # the name was checked


def test_tls_unknown_name_gets_the_first_certificate(two_names):
    context = two_names.tls(check_hostname=False)
    with handshake(two_names, "imaps", context, "other.example") as sock:
        assert subject(sock) == kp.HOST
    with context.wrap_socket(two_names.connect("imaps")) as sock:
        assert subject(sock) == kp.HOST


def test_tls_certificate_is_reloaded_at_sighup():
    with kp.Server() as s:
        old = s.tls()
        held = handshake(s, "imaps", old)
        chain, key = make_cert(s, kp.HOST)
        shutil.copy(s.cert, s.root + "/old.pem")
        tls = os.path.dirname(s.cert)
        for path, name in ((chain, "cert.pem"), (key, "key.pem")):
            shutil.copyfile(path, os.path.join(tls, name))
        s.hup()
        s.wait_log(" server reloaded")
        with handshake(s, "imaps", s.tls()) as sock:
            assert sock.recv(4) == b"* OK"
        with pytest.raises(ssl.SSLError):
            handshake(s, "imaps", old)
        assert held.recv(4) == b"* OK"
        held.close()
        # A file that is no certificate changes nothing.
        s.expected_errors = True
        with open(s.cert, "w") as f:
            f.write("nonsense")
        s.hup()
        s.wait_log(" server reload-failed")
        assert "cert load" in s.log()
        context = ssl.create_default_context(cafile=chain)
        with handshake(s, "imaps", context) as sock:
            assert sock.recv(4) == b"* OK"
        # Nor does a configuration that cannot be read.
        s.write_conf("nonsense = 1\n")
        s.hup()
        kp.wait_until(lambda: s.log().count("reload-failed") == 2,
                      "a second failure")
        with handshake(s, "imaps", context) as sock:
            assert sock.recv(4) == b"* OK"


def test_tls_certificate_is_loaded_and_kept():
    with kp.Server() as s:
        chain, key = make_cert(s, kp.HOST)
        wrong = make_cert(s, "wrong.example")[1]
        done = s.run("cert", "load", chain, wrong, check=False)
        assert done.returncode == 1 and "stays in use" in done.stderr
        with handshake(s, "imaps", s.tls()):
            pass
        done = s.run("cert", "load", chain, key)
        assert "in use" in done.stderr
        context = ssl.create_default_context(cafile=chain)
        with handshake(s, "imaps", context):
            pass
        with handshake(s, "smtp", context):
            pass
        s.stop()
        s.start()
        with handshake(s, "imaps", context):
            pass
        assert s.run("cert", "load", chain, s.root + "/none", check=False
                     ).returncode == 1


# ------------------------------------------------------- no log-in without it

@pytest.fixture(scope="module")
def strict():
    """plaintext_auth as init writes it."""
    with kp.Server(top={"plaintext_auth": "never"}) as s:
        yield s


def test_no_smtp_log_in_without_tls(strict):
    with strict.submission(how="plain") as s:
        s.ehlo()
        assert not s.has_extn("auth")
        code, text = s.docmd("AUTH PLAIN AGFsaWNlAHg=")
        assert code == 538 and text.startswith(b"5.7.11")
        assert s.docmd("MAIL FROM:<alice@example.test>")[0] == 530
        s.starttls(context=strict.tls())
        s.ehlo()
        assert s.has_extn("auth")
        s.login(strict["alice"].address, strict["alice"].password)


def test_no_pop3_log_in_without_tls(strict):
    p = strict.pop3(how="plain")
    capa = p.capa()
    assert "USER" not in capa and not capa.get("SASL")
    with pytest.raises(kp.poplib.error_proto):
        p.user("alice")
    p.stls(context=strict.tls())
    p.user("alice")
    p.pass_(strict["alice"].password)
    p.quit()


def test_no_imap_log_in_without_tls(strict):
    with strict.imap(how="plain") as c:
        assert "LOGINDISABLED" in c.capabilities
        assert not any(x.startswith("AUTH=") for x in c.capabilities)
        with pytest.raises(kp.imaplib.IMAP4.error):
            c.login("alice", strict["alice"].password)
        c.starttls(strict.tls())
        assert "LOGINDISABLED" not in c.capabilities
        c.login("alice", strict["alice"].password)
        ok(c.select())


# ------------------------------------------------- SCRAM and channel binding

def scram(ask, user, mechanism, header, binding, password=None, name=None):
    """
    Runs SCRAM-SHA-256 (RFC 5802, RFC 7677); ask(initial or None, text) sends
    a message and returns the server's next one, decoded, or None for a
    refusal. True: both sides have proved who they are.
    """
    nonce = base64.b64encode(os.urandom(18)).decode()
    bare = f"n={name or user.address},r={nonce}"
    first = ask(header + bare)
    if first is None:
        return False
    fields = dict(part.split("=", 1) for part in first.split(","))
    assert fields["r"].startswith(nonce) and fields["r"] != nonce
    salted = hashlib.pbkdf2_hmac(
        "sha256", (password or user.password).encode(),
        base64.b64decode(fields["s"]), int(fields["i"]))

    def sign(key, text):
        return hmac.digest(key, text.encode(), "sha256")
    client_key = sign(salted, "Client Key")
    channel = base64.b64encode(header.encode() + binding).decode()
    without = f"c={channel},r={fields['r']}"
    message = f"{bare},{first},{without}"
    signature = sign(hashlib.sha256(client_key).digest(), message)
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    last = ask(without + ",p=" + base64.b64encode(proof).decode())
    if last is None:
        return False
    verifier = base64.b64decode(last[2:])
    return last[:2] == "v=" and \
        verifier == sign(sign(salted, "Server Key"), message)


def imap_scram(server, user, mechanism, header, binding, **kw):
    """SCRAM over IMAP; binding is made from the connection's certificate."""
    with server.raw("imaps") as c:
        c.line()
        der = c.sock.getpeercert(True)
        state = {"first": True}

        def ask(text):
            encoded = base64.b64encode(text.encode()).decode()
            if state.pop("first", False):
                c.send(f"a AUTHENTICATE {mechanism} {encoded}\r\n")
            else:
                c.send(encoded + "\r\n")
            line = c.line()
            if not line.startswith(b"+ "):
                return None
            return base64.b64decode(line[2:]).decode()
        if not scram(ask, user, mechanism, header, binding(der), **kw):
            return False
        c.send("\r\n")
        assert c.line().startswith(b"a OK")
        return c.tagged("SELECT INBOX")[1].startswith("t OK")


def end_point(der):
    """RFC 5929 4.1; init's certificate is signed with SHA-256."""
    return hashlib.sha256(der).digest()


def test_tls_scram_plus_binds_to_the_certificate(server, user):
    assert imap_scram(server, user, "SCRAM-SHA-256-PLUS",
                      "p=tls-server-end-point,,", end_point)


def test_tls_scram_without_binding(server, user):
    assert imap_scram(server, user, "SCRAM-SHA-256", "n,,", lambda _: b"")


def test_tls_scram_refuses_another_binding(server, user):
    assert not imap_scram(server, user, "SCRAM-SHA-256-PLUS",
                          "p=tls-server-end-point,,", lambda _: b"x" * 32)


def test_tls_scram_refuses_a_hidden_plus(server, user):
    # RFC 5802 section 6: "y" says that we would, and the server did not
    # offer it: somebody has taken it out of the list.
    assert not imap_scram(server, user, "SCRAM-SHA-256", "y,,",
                          lambda _: b"")


def test_tls_scram_refuses_a_wrong_password_and_unknown_users(server, user):
    assert not imap_scram(server, user, "SCRAM-SHA-256", "n,,",
                          lambda _: b"", password="wrong")
    assert not imap_scram(server, user, "SCRAM-SHA-256", "n,,",
                          lambda _: b"", name="nobody-at-all@" + DOMAIN)


def raw_scram(server, user, listener, mechanism, header, binding):
    """SCRAM over SMTP or POP3."""
    more = b"334 " if listener == "submissions" else b"+ "
    with server.raw(listener) as c:
        c.line()
        if listener == "submissions":
            c.ask("EHLO client.example")
        state = {"first": True}

        def ask(text):
            encoded = base64.b64encode(text.encode()).decode()
            if state.pop("first", False):
                encoded = f"AUTH {mechanism} {encoded}"
            c.send(encoded + "\r\n")
            line = c.line()
            if not line.startswith(more):
                return None
            return base64.b64decode(line[len(more):]).decode()
        if not scram(ask, user, mechanism, header,
                     binding(c.sock.getpeercert(True))):
            return False
        c.send("\r\n")
        return c.line().startswith((b"235", b"+OK"))


@pytest.mark.parametrize("listener", ["submissions", "pop3s"])
def test_tls_scram_plus_over_smtp_and_pop3(server, user, listener):
    assert raw_scram(server, user, listener, "SCRAM-SHA-256-PLUS",
                     "p=tls-server-end-point,,", end_point)


def test_tls_scram_plus_is_not_announced_by_smtp(server, user):
    # mutt would choose it, and cannot; who can may say so, or not.
    with server.submission() as s:
        s.ehlo()
        assert "SCRAM-SHA-256" in s.esmtp_features["auth"].split()
        assert "PLUS" not in s.esmtp_features["auth"]
    assert raw_scram(server, user, "submissions", "SCRAM-SHA-256", "y,,",
                     lambda _: b"")
    p = server.pop3()
    assert "SCRAM-SHA-256-PLUS" in p.capa()["SASL"]
    p.quit()


def test_tls_mail_travels_whole_through_starttls(server, user):
    message = mail(body=os.urandom(300_000).hex() + "\r\n")
    with server.smtp() as s:
        s.starttls(context=server.tls())
        s.sendmail("carol@elsewhere.example", [user.address], message)
    assert server.inbox(user)[0].endswith(message)
