"""
Mail that leaves: a host written here plays the smarthost, and dkimpy, which
nobody here wrote, says whether the signatures are good.
"""
import base64
import email
import email.policy
import smtplib
import socket
import threading

import dkim
import pytest

import kp


class Host(threading.Thread):
    """Takes mail on 127.0.0.1, one connection after the other."""

    def __init__(self, offers):
        super().__init__(daemon=True)
        self.offers = list(offers)
        self.messages = []              # (lines of the envelope, bytes)
        self.logins = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.is_open = True
        self.start()

    def run(self):
        while self.is_open:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            with peer, peer.makefile("rwb") as f:
                self.serve(f)

    def say(self, f, *lines):
        for i, line in enumerate(lines):
            mark = " " if i == len(lines) - 1 else "-"
            f.write((line[:3] + mark + line[4:] + "\r\n").encode())
        f.flush()

    def serve(self, f):
        envelope = []
        chunks = b""
        self.say(f, "220 sink.test ready")
        for line in f:
            text = line.decode().rstrip("\r\n")
            verb = text.split(" ")[0].upper()
            if verb == "EHLO":
                self.say(f, "250 sink.test",
                         *["250 " + o for o in self.offers])
            elif verb == "AUTH":
                self.logins.append(text)
                self.say(f, "235 2.7.0 welcome")
            elif verb == "DATA":
                self.say(f, "354 go on")
                self.take(f, envelope, self.read_data(f))
                envelope = []
            elif verb == "BDAT":
                chunks += f.read(int(text.split(" ")[1]))
                if text.endswith("LAST"):
                    self.take(f, envelope, chunks)
                    envelope, chunks = [], b""
                else:
                    self.say(f, "250 2.0.0 more")
            elif verb == "QUIT":
                self.say(f, "221 2.0.0 bye")
                return
            else:
                if verb in ("MAIL", "RCPT"):
                    envelope.append(text)
                self.say(f, "250 2.0.0 fine")

    def read_data(self, f):
        data = b""
        for line in f:
            if line == b".\r\n":
                return data
            data += line[1:] if line.startswith(b".") else line
        return data

    def take(self, f, envelope, data):
        self.messages.append((envelope, data))
        self.say(f, "250 2.6.0 kept")

    def wait(self, count=1):
        kp.wait_until(lambda: len(self.messages) >= count, "a message")
        return self.messages[count - 1]

    def close(self):
        self.is_open = False
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


@pytest.fixture
def world():
    made = []

    def make(offers, route=""):
        host = Host(offers)
        server = kp.Server(extra='\nroute "*" {\n\thost = "[127.0.0.1]"\n'
                           f"\tport = {host.port}\n\ttls = never\n{route}}}\n")
        made.extend((server, host))
        server.start()
        return server, host
    yield make
    for thing in made:
        (thing.stop if isinstance(thing, kp.Server) else thing.close)()


def submit(server, message, to="joe@elsewhere.test", options=()):
    with smtplib.SMTP("127.0.0.1", server.ports["submission"],
                      timeout=kp.T) as s:
        s.ehlo()
        alice = server["alice"]
        s.login(alice.address, alice.password)
        s.sendmail(alice.address, [to], message, mail_options=options)


def records(server):
    """The DKIM records of the domain, as dkimpy wants to be given them."""
    rows = kp.wait_until(lambda: server.rows("domain", "dkim", kp.DOMAIN),
                         "a key")
    assert rows[0]["name"].endswith(f"._domainkey.{kp.DOMAIN}")
    return {row["name"] + ".": row["value"].encode() for row in rows}


def is_signed(server, data):
    known = records(server)
    return dkim.verify(data, dnsfunc=lambda name, timeout=5:
                       known.get(name.decode() if isinstance(name, bytes)
                                 else name))


PLAIN = (b"From: Alice <alice@example.test>\r\nTo: joe@elsewhere.test\r\n"
         b"Bcc: eve@elsewhere.test\r\nSubject: over there\r\n\r\n"
         b".a line with a dot\r\n..\r\nand  spaces \r\n\r\n\r\n")
UTF8 = ("From: alice@example.test\r\nTo: joe@elsewhere.test\r\n"
        "Subject: over there\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\nGr\u00fc\u00dfe \r\n"
        "--b\r\nContent-Type: application/octet-stream\r\n"
        "Content-Transfer-Encoding: 8bit\r\n\r\n\u00e4\u00f6\r\n"
        "--b--\r\n").encode()


@pytest.mark.parametrize("offers", [
    [], ["PIPELINING", "SIZE 1000000", "8BITMIME", "DSN"],
    ["PIPELINING", "CHUNKING", "8BITMIME", "ENHANCEDSTATUSCODES"]])
def test_what_leaves_is_signed(world, offers):
    server, host = world(offers)
    records(server)
    submit(server, PLAIN)
    envelope, data = host.wait()
    assert envelope[0].startswith("MAIL FROM:<alice@example.test>")
    assert envelope[1].startswith("RCPT TO:<joe@elsewhere.test>")
    assert data.startswith(b"DKIM-Signature: ")
    assert data.endswith(PLAIN.split(b"\r\n\r\n", 1)[1])
    assert b"Bcc:" not in data and b"eve@" not in data
    assert is_signed(server, data)
    assert not is_signed(server, data.replace(b"a line", b"a lie"))
    assert not is_signed(server, data.replace(b"over there", b"here"))
    # An added line of a name that is signed breaks it as well.
    assert not is_signed(server, data.replace(
        b"Subject:", b"Subject: another\r\nSubject:"))


def test_eight_bits_become_seven_and_stay_signed(world):
    server, host = world(["PIPELINING"])
    records(server)
    submit(server, UTF8, options=["BODY=8BITMIME"])
    _, data = host.wait()
    assert data.isascii()
    assert is_signed(server, data)
    message = email.message_from_bytes(data, policy=email.policy.SMTP)
    text, other = message.iter_parts()
    assert text.get_content() == "Gr\u00fc\u00dfe \n" or \
        text.get_content() == "Gr\u00fc\u00dfe "
    assert other.get_payload(decode=True) == "\u00e4\u00f6".encode()


def test_long_lines_are_cut_and_stay_signed(world):
    server, host = world(["PIPELINING", "8BITMIME", "CHUNKING"])
    records(server)
    submit(server, b"From: alice@example.test\r\nSubject: long\r\n\r\n" +
           b"x" * 3000 + b"\r\n")
    _, data = host.wait()
    assert max(len(line) for line in data.split(b"\r\n")) <= 998
    assert is_signed(server, data)
    message = email.message_from_bytes(data, policy=email.policy.SMTP)
    assert message.get_payload(decode=True).strip() == b"x" * 3000


def test_a_large_message_arrives_whole(world):
    server, host = world(["PIPELINING", "CHUNKING", "8BITMIME"])
    records(server)
    body = b"".join(b"%d .\r\n" % i for i in range(150000))
    submit(server, b"From: alice@example.test\r\nSubject: big\r\n\r\n" + body)
    _, data = host.wait()
    assert data.split(b"\r\n\r\n", 1)[1] == body
    assert is_signed(server, data)


def test_a_smarthost_gets_a_log_in(world):
    server, host = world(["AUTH PLAIN LOGIN"],
                         '\tuser = "us"\n\tpassword = "secret"\n')
    submit(server, PLAIN)
    host.wait()
    assert host.logins == ["AUTH PLAIN " + base64.b64encode(
        b"\0us\0secret").decode()]


def test_the_hosts_own_mail_is_signed_as_well(world):
    server, host = world(["PIPELINING"])
    records(server)
    server.run("send", "alice@example.test", "joe@elsewhere.test",
               input="From: alice@example.test\nBcc: eve@elsewhere.test\n"
               "Subject: from cron\n\nall is well\n")
    _, data = host.wait()
    assert b"eve@" not in data
    assert is_signed(server, data)
