"""kill -9 of the whole server under load, and what must hold afterwards.

A ledger says what was tried and what was acknowledged. After each kill the
server is started again, with nothing done in between, and the mailbox must
have each acknowledged message exactly once and each other at most once.

CRASH_ROUNDS: how many kills (6).
"""
import os
import random
import re
import smtplib
import threading
import time

import kp
from imapwire import Broken, Client
from kp import message_id

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "6"))
GONE = (OSError, smtplib.SMTPException, ConnectionError)


class Ledger:
    """Message-IDs by what became of them. One lock for all threads."""

    def __init__(self):
        self.lock = threading.Lock()
        self.tried = set()
        self.acknowledged = set()
        self.expunged = set()       # the server said so
        self.maybe_gone = set()     # asked for, and no answer came
        self.broken = []

    def try_(self, name):
        with self.lock:
            self.tried.add(name)

    def acknowledge(self, name):
        with self.lock:
            self.acknowledged.add(name)

    def check(self, stored):
        """stored: the Message-IDs in the mailbox, with repetitions."""
        counts = {}
        for name in stored:
            counts[name] = counts.get(name, 0) + 1
        twice = {n for n, c in counts.items() if c > 1}
        assert not twice, f"twice: {twice}"
        strange = set(counts) - self.tried
        assert not strange, f"never sent: {strange}"
        lost = self.acknowledged - self.expunged - self.maybe_gone - \
            set(counts)
        assert not lost, f"acknowledged and lost: {lost}"
        back = self.expunged & set(counts)
        assert not back, f"expunged and back: {back}"


def body(rng):
    """Small ones mostly, and some that are staged in chunks."""
    size = rng.choice([100, 1000, 5000, 60_000, 300_000, 700_000])
    return ("%08x " % rng.getrandbits(32)) * (size // 9) + "\r\n"


def deliver(server, user, ledger, stop, rng):
    while not stop.is_set():
        try:
            with server.smtp() as s:
                for _ in range(20):
                    message = kp.mail(body=body(rng))
                    name = message_id(message)
                    ledger.try_(name)
                    s.sendmail("carol@elsewhere.example", [user.address],
                               message)
                    ledger.acknowledge(name)
        except GONE:
            time.sleep(0.01)        # until the round ends


def append(server, user, ledger, stop, rng):
    while not stop.is_set():
        try:
            with Client(server.raw("imap").sock) as c:
                c.login(user.address, user.password)
                for _ in range(20):
                    message = kp.mail(body=body(rng))
                    name = message_id(message)
                    ledger.try_(name)
                    if c.append("INBOX", message)[0] == "OK":
                        ledger.acknowledge(name)
        except GONE:
            time.sleep(0.01)


def names_of(c):
    """{uid: Message-ID} of the selected mailbox."""
    if not c.messages:
        return {}
    items = "(UID BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
    names = {}
    for got in c.fetch("1:*", items).values():
        text = [v for k, v in got.items() if k.startswith("BODY[")]
        if text:
            names[got["UID"]] = re.search(rb"<([^>]+)>",
                                          text[0]).group(1).decode()
    return names


def expunge(server, user, ledger, stop, rng):
    """Deletes a few; what was said to be gone stays gone."""
    while not stop.is_set():
        chosen = {}
        try:
            with Client(server.raw("imap").sock) as c:
                c.login(user.address, user.password)
                while not stop.is_set():
                    c.select("INBOX")
                    names = names_of(c)
                    chosen = dict(rng.sample(sorted(names.items()),
                                             min(3, len(names))))
                    if not chosen:
                        continue
                    with ledger.lock:
                        ledger.maybe_gone |= set(chosen.values())
                    uids = ",".join(map(str, chosen))
                    c.ok(f"UID STORE {uids} +FLAGS.SILENT (\\Deleted)",
                         uid=True)
                    c.ok(f"UID EXPUNGE {uids}", uid=True)
                    with ledger.lock:
                        ledger.expunged |= set(chosen.values())
                    time.sleep(0.05)
        except Broken as e:
            ledger.broken.append(e)
            return
        except GONE:
            time.sleep(0.01)


def start_threads(server, user, ledger, stop, seed):
    threads = []
    for n, work in enumerate([deliver] * 4 + [append] * 2 + [expunge]):
        threads.append(threading.Thread(
            target=work, args=(server, user, ledger, stop,
                               random.Random(seed * 100 + n))))
        threads[-1].start()
    return threads


def stored_names(server, user):
    with Client(server.raw("imap").sock) as c:
        c.login(user.address, user.password)
        c.select("INBOX")
        return list(names_of(c).values())


def test_kill_under_load_loses_nothing_and_needs_no_repair():
    rng = random.Random(1)
    ledger = Ledger()
    server = kp.Server()
    user = server["alice"]
    server.start()
    for n in range(ROUNDS):
        stop = threading.Event()
        before = len(ledger.acknowledged)
        threads = start_threads(server, user, ledger, stop, n)
        try:
            kp.wait_until(lambda: len(ledger.acknowledged) >= before + 20,
                          "deliveries")
            time.sleep(rng.uniform(0, 0.5))
        finally:
            server.kill()
            stop.set()
            for t in threads:
                t.join()
        assert ledger.broken == []
        server.start()
        ledger.check(stored_names(server, user))
    server.stop()
    server.check_store()
    server.start()
    ledger.check(stored_names(server, user))
    server.stop()
    server.remove()


def test_end_under_load_loses_nothing():
    """SIGTERM while everybody writes: the same ledger, and no hurry."""
    ledger = Ledger()
    server = kp.Server()
    user = server["alice"]
    for n in range(2):
        server.start()
        stop = threading.Event()
        before = len(ledger.acknowledged)
        threads = start_threads(server, user, ledger, stop, 1000 + n)
        try:
            kp.wait_until(lambda: len(ledger.acknowledged) >= before + 20,
                          "deliveries")
            server.stop()
        finally:
            stop.set()
            for t in threads:
                t.join()
        assert ledger.broken == []
        server.check_store()
        server.start()
        ledger.check(stored_names(server, user))
        server.stop()
    server.remove()


def test_kill_at_the_first_start_and_at_the_last_moment():
    """In the middle of starting and of ending there is nothing to repair."""
    server = kp.Server()
    server.start()
    sent = server.deliver(server["alice"])
    server.stop()
    for delay in (0.0, 0.01, 0.03, 0.1):
        server.spawn()
        time.sleep(delay)
        server.kill()
    server.start()
    for delay in (0.0, 0.005, 0.02):
        server.process.terminate()
        time.sleep(delay)
        server.kill()
        server.start()
    assert server.inbox(server["alice"])[0].endswith(sent)
    server.stop()
    server.check_store()
    server.remove()
