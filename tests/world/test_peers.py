"""Postfix and OpenSMTPD, in both directions."""
import re

import pytest

import kp
import servers
import world as world_module

MESSAGE = ("From: carol@{domain}\r\nTo: alice@example.test\r\n"
           "Subject: {subject}\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\n"
           "Message-ID: <{subject}@{domain}>\r\n\r\nFrom outside.\r\n"
           ".and a line that begins with a dot\r\n")


@pytest.fixture(scope="module", params=[servers.Postfix, servers.OpenSMTPD],
                ids=["postfix", "opensmtpd"])
def peer(world, request):
    with request.param(world, request.param.kind + ".example") as server:
        world.publish()
        yield server


@pytest.fixture(scope="module")
def server(world):
    world.record("mail.example.test", "A", world_module.KINGPOST)
    world.domain("example.test", "mail.example.test")
    world.publish()
    with world.kingpost() as s:
        yield s


def inbox_has(server, subject):
    def find():
        with server.imap(server["alice"], mailbox="INBOX") as m:
            _, data = m.search(None, "SUBJECT", subject)
            if not data[0].split():
                return None
            _, parts = m.fetch(data[0].split()[-1], "(BODY.PEEK[])")
            return parts[0][1]
    return kp.wait_until(find, f"{subject!r} in the INBOX")


def test_a_peer_of_the_world_delivers_its_own_mail(peer):
    subject = "own-" + peer.kind
    peer.send("dave@elsewhere.example", ["carol@" + peer.domain],
              MESSAGE.format(domain=peer.domain, subject=subject))
    assert b"From outside." in peer.wait_for(subject)


def test_mail_comes_in_from_a_peer(server, peer):
    """Found by MX, over TLS, dots and all."""
    subject = "in-" + peer.kind
    peer.send("carol@" + peer.domain, ["alice@example.test"],
              MESSAGE.format(domain=peer.domain, subject=subject))
    message = inbox_has(server, subject)
    assert message.endswith(b"From outside.\r\n"
                            b".and a line that begins with a dot\r\n")
    ours = re.search(rb"Received: from (mx\.\S+).*?\r\n(?=\S)", message,
                     re.S).group()
    assert peer.name.encode() in ours and b"ESMTPS" in ours
