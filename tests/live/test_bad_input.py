"""IMAP's limits, each by going over it: what is said, and what it costs."""
import glob
import os
import socket
import threading
import time

import pytest

import kp
from kp import mail

MIB = 1024 * 1024
MAY_GROW = 8 * MIB


class Talker:
    """One connection, logged in; says lines and hears tagged answers."""

    def __init__(self, server, user, mailbox="INBOX"):
        self.raw = server.raw("imap")
        self.raw.line()
        self.ok(f'LOGIN {user.address} "{user.password}"')
        if mailbox:
            self.ok(f"SELECT {mailbox}")

    def ask(self, command):
        if isinstance(command, str):
            command = command.encode()
        self.raw.send(b"t " + command + b"\r\n")
        while True:
            line = self.raw.line()
            if line.startswith((b"t ", b"* BYE")):
                return line.decode().strip()

    def ok(self, command):
        answer = self.ask(command)
        assert answer.startswith("t OK"), answer

    def refused(self, command, why):
        answer = self.ask(command)
        assert answer.startswith(("t BAD", "t NO")), answer
        assert why in answer, answer
        self.ok("NOOP")

    def close(self):
        self.raw.close()


def numbers(n, step=2):
    return ",".join(str(i * step + 1) for i in range(n))


# Each goes over limits and hears why.

def literals(t):
    t.refused(b"SEARCH TEXT {70000+}\r\n" + b"x" * 70000, "[TOOBIG]")
    part = b" {60000+}\r\n" + b"x" * 60000
    t.refused(b"LIST" + part * 5, "[TOOBIG]")
    t.refused(b"ID (" + b" {1+}\r\nx" * 501 + b")", "literals")
    t.refused("SEARCH TEXT " + "y" * 70000, "too long")
    t.refused("SEARCH TEXT {70000}", "[TOOBIG]")


def nesting(t):
    t.ok("SEARCH " + "(" * 60 + "ALL" + ")" * 60)
    t.refused("SEARCH " + "(" * 30000 + "ALL" + ")" * 30000, "too deep")
    t.refused("SEARCH " + "NOT " * 10000 + "ALL", "too deep")
    t.refused("SEARCH " + "OR ALL " * 9000 + "ALL", "too deep")
    t.refused("FETCH 1 BODY[" + "1." * 30000 + "1]", "part numbers")


def lists(t):
    t.refused("SEARCH " + "SEEN " * 2100 + "ALL", "too many search keys")
    t.refused("FETCH 1 (" + " ".join(["BODY.PEEK[1]"] * 300) + ")",
              "too many sections")
    t.refused("FETCH 1 BODY.PEEK[HEADER.FIELDS (" +
              " ".join(["x"] * 5000) + ")]", "too many field names")
    t.refused("STORE 1 +FLAGS (" + " ".join(["a"] * 300) + ")",
              "too many flags")
    t.refused('LIST "" (' + " ".join(["a"] * 3000) + ")",
              "too many patterns")
    t.refused("ENABLE " + "X " * 40 + "X", "too many words")
    t.refused("LANGUAGE " + "de " * 40 + "de", "too many languages")
    t.refused("ID (" + " ".join(['"a" "b"'] * 40) + ")", "ID fields")
    t.refused("NOTIFY SET " + " ".join(["(personal NONE)"] * 100),
              "too many groups")
    t.refused("NOTIFY SET (mailboxes (" + " ".join(["a"] * 3000) +
              ") NONE)", "too many mailboxes")
    t.refused(b"APPEND INBOX" + b" {8+}\r\na: b\r\n\r\n" * 101, "")


def keywords(t):
    t.refused("STORE 1 +FLAGS (" + "k" * 101 + ")", "too long")
    for n in range(60):
        answer = t.ask(f"STORE 1 +FLAGS.SILENT (key{n})")
    assert answer.startswith("t NO [LIMIT]"), answer


def names(t):
    t.refused("CREATE " + "x" * 501, "[LIMIT]")
    t.refused("CREATE " + "x" * 30000, "[LIMIT]")
    t.refused("CREATE " + "/".join("a" * 17), "[LIMIT]")
    t.refused("CREATE " + "/".join("a" * 20000), "[LIMIT]")
    t.refused('CREATE "a//b"', "[CANNOT]")
    t.refused("CREATE &Jjo!", "[CANNOT]")
    t.refused('LIST "' + "r" * 900 + '" ' + "p" * 900, "[LIMIT]")


def many_mailboxes(t):
    t.raw.send(b"".join(b"m%d CREATE m%d\r\n" % (n, n) for n in range(1010)))
    said = b""
    while b"m1009 " not in said[-200:]:
        said += t.raw.line()
    assert b"m1009 NO [LIMIT]" in said
    t.raw.send(b"".join(b"d%d DELETE m%d\r\n" % (n, n) for n in range(1010)))
    while not t.raw.line().startswith(b"d1009 "):
        pass


def sets(t):
    for verb in ("UID FETCH %s (FLAGS)", "UID STORE %s +FLAGS.SILENT (x)",
                 "UID SEARCH UID %s", "UID COPY %s Nowhere"):
        t.ask(verb % numbers(9000))
        t.ask(verb % ",".join(["4294967295:1"] * 4000))
        t.ask(verb % ",".join(f"{n}:{n + 1}" for n in range(9000, 1, -3)))
    t.refused("FETCH 4294967296 FLAGS", "32 bits")
    t.refused("FETCH 0 FLAGS", "0 is no number")
    t.refused("FETCH 1:4294967295 FLAGS", "no message with such a number")
    t.refused("FETCH 1,,2 FLAGS", "message numbers")


def pipelined(t):
    """More commands than are taken in before their answers are."""
    t.raw.sock.settimeout(0.5)
    sent = 0
    try:
        for _ in range(400):
            sent += t.raw.sock.send(b"p UID FETCH 1:* (UID FLAGS)\r\n" * 500)
    except socket.timeout:
        pass
    assert sent > 0


def unread(t):
    """A large FETCH by somebody who reads nothing of it."""
    t.raw.send(b"".join(b"u FETCH 1:* (BODY.PEEK[])\r\n" for _ in range(50)))
    time.sleep(0.3)


ATTACKS = [literals, nesting, lists, keywords, names, many_mailboxes, sets,
           pipelined, unread]


@pytest.fixture(scope="module")
def frugal():
    """A server whose allocator gives back what is freed, at once."""
    given = os.environ.get("ASAN_OPTIONS")
    os.environ["ASAN_OPTIONS"] = (
        "detect_leaks=1:exitcode=99:quarantine_size_mb=0:"
        "thread_local_quarantine_size_kb=0:"
        "allocator_release_to_os_interval_ms=0")
    try:
        with kp.Server() as server:
            yield server
    finally:
        if given is None:
            del os.environ["ASAN_OPTIONS"]
        else:
            os.environ["ASAN_OPTIONS"] = given


def rss(server):
    with open(f"/proc/{server.pid}/status") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    return 0


def attack(server, user, what):
    t = Talker(server, user)
    try:
        what(t)
        # Others are served meanwhile.
        other = Talker(server, server["bob"])
        other.ok("NOOP")
        other.close()
    finally:
        t.close()


@pytest.mark.parametrize("what", ATTACKS, ids=lambda f: f.__name__)
def test_bad_input_is_answered_and_costs_nothing(frugal, what):
    user = frugal.new_user()
    for _ in range(3):
        frugal.deliver(user, mail(body=(b"z" * 998 + b"\r\n") * 1000))
    attack(frugal, user, what)      # caches and arenas have their size now
    before = rss(frugal)
    for _ in range(1 if what is many_mailboxes else 3):
        attack(frugal, user, what)

    def has_given_back():
        return rss(frugal) <= before + MAY_GROW
    kp.wait_until(has_given_back, f"memory as before {what.__name__}", 10)


def pour(server, user, connections):
    """A hundred messages by each connection, all said in one breath."""
    message = mail(body=b"w" * 900 + b"\r\n")
    one = (f"MAIL FROM:<>\r\nRCPT TO:<{user.address}>\r\n"
           f"BDAT {len(message)} LAST\r\n").encode() + message
    for _ in range(connections):
        with server.raw("smtp") as c:
            c.reply()
            c.ask("EHLO client.example")
            c.send(one * 100)
            for _ in range(300):
                assert c.reply().startswith("250")


def test_log_stays_small_beside_a_client_that_never_reads(server):
    user = server.new_user()
    server.deliver(user, mail(body=(b"z" * 998 + b"\r\n") * 3000))
    idle = Talker(server, user)
    idle.raw.send(b"i IDLE\r\n")
    unread = Talker(server, user)
    unread.raw.send(b"u FETCH 1 (BODY.PEEK[])\r\n" * 20)
    threads = [threading.Thread(target=pour, args=(server, user, 25))
               for _ in range(4)]
    for t in threads:
        t.start()
    largest = 0
    while any(t.is_alive() for t in threads):
        largest = max([largest] + [os.path.getsize(p) for p in
                                   glob.glob(server.db + "-wal")])
        time.sleep(0.05)
    for t in threads:
        t.join()
    assert 0 < largest < 64 * MIB
    with server.imap(user, mailbox="INBOX") as c:
        assert kp.exists(c) == 10_001
    idle.close()
    unread.close()
