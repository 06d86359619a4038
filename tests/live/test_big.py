"""Large messages: 30 MiB in and out by every way there is."""
import random

import pytest

from imapwire import Client
from kp import mail, ok

SIZE = 30 << 20


@pytest.fixture(scope="module")
def big():
    """Lines with dots at their starts, and two with none of the usual."""
    line = b".every line starts with a dot, and no line is like another: "
    rng = random.Random(1)
    block = b"".join(line + b"%016x\r\n" % rng.getrandbits(64)
                     for _ in range(1024))
    body = block * (SIZE // len(block) + 1)
    return mail(body=body[:SIZE - 2] + b"\r\n")


def by_pop3(server, user):
    p = server.pop3(user)
    lines = p.retr(1)[1]
    p.quit()
    return b"\r\n".join(lines) + b"\r\n"


def test_big_message_by_data_and_pop3(server, user, big):
    with server.smtp() as s:
        s.sendmail("carol@elsewhere.example", [user.address], big)
    assert by_pop3(server, user).endswith(big)


def test_big_message_by_submission_under_tls_and_imap(server, user, big):
    message = big.replace(b"carol@elsewhere.example",
                          user.address.encode(), 1)
    with server.submission(user) as s:
        s.sendmail(user.address, [user.address], message)
    with server.imap(user, mailbox="INBOX") as c:
        stored = ok(c.fetch("1", "(BODY.PEEK[])"))[0][1]
        assert stored.endswith(message)
        # In pieces, as Thunderbird asks.
        pieces, at, step = [], 0, 4 << 20
        while at < len(stored):
            pieces.append(ok(c.fetch(
                "1", f"(BODY.PEEK[]<{at}.{step}>)"))[0][1])
            at += step
        assert b"".join(pieces) == stored


def test_big_message_by_chunks(server, user, big):
    with server.raw("smtp") as c:
        c.reply()
        c.ask("EHLO client.example")
        c.ask("MAIL FROM:<carol@elsewhere.example> SIZE=%d" % len(big))
        c.ask(f"RCPT TO:<{user.address}>")
        step = 1_000_003
        for at in range(0, len(big), step):
            part = big[at:at + step]
            last = b" LAST" if at + step >= len(big) else b""
            c.send(b"BDAT %d%s\r\n" % (len(part), last) + part)
            assert c.reply().startswith("250")
    assert server.inbox(user)[0].endswith(big)


@pytest.mark.parametrize("sync", [True, False])
def test_big_message_by_append_and_copy(server, user, big, sync):
    c = Client(server.raw("imaps").sock)
    c.login(user.address, user.password)
    assert c.append("INBOX", big, sync=sync)[0] == "OK"
    c.select("INBOX")
    c.ok("COPY 1 Archive")
    c.select("Archive")
    assert c.fetch("1", "(RFC822.SIZE)")[1]["RFC822.SIZE"] == len(big)
    assert c.fetch("1", "(BODY.PEEK[])")[1]["BODY[]"] == big
    c.logout()


def test_message_over_the_limit_is_refused_and_nothing_is_kept(server, user):
    over = (50 << 20) + 1000
    body = b"x" * 78 + b"\r\n"
    message = mail(body=body * (over // len(body)))
    with server.smtp() as s:
        s.ehlo()
        s.mail("carol@elsewhere.example")
        s.rcpt(user.address)
        code, text = s.data(message)
        assert code == 552 and text.startswith(b"5.3.4")
        assert s.noop()[0] == 250
    c = Client(server.raw("imap").sock)
    c.login(user.address, user.password)
    status, code, _ = c.append("INBOX", message)
    assert (status, code) == ("NO", "TOOBIG")
    status, code, _ = c.append("INBOX", b"x" * 1000)
    assert status == "OK"
    c.select("INBOX")
    assert len(c.messages) == 1
    c.logout()
