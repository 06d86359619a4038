"""IMAP clients at random on the same mailboxes, with SMTP and POP3 beside.

Each client keeps its own picture of its mailbox from untagged responses alone
(imapwire.py); some speak CONDSTORE or QRESYNC, come back with what they
remember, and hold the server to its HIGHESTMODSEQ (resync.py); some speak
IMAP4rev2, UIDONLY or NOTIFY (dialect.py). Meanwhile the server is restarted,
and killed; the clients connect again. Every few seconds all pause, and the
pictures must be what a fresh client sees.

STRESS_SECONDS  how long (40)
STRESS_SEED     of the random numbers; a failure names it
"""
import hashlib
import itertools
import os
import poplib
import random
import threading
import time

import kp
from dialect import DialectClient
from imapwire import Broken, Client, expand
from kp import mail
from resync import ResyncClient

SECONDS = float(os.environ.get("STRESS_SECONDS", "40"))
SEED = int(os.environ.get("STRESS_SEED", "0")) or random.randrange(1 << 30)
ROUND_S = 4
# What each client enables.
CLIENTS = (None,) * 3 + ("CONDSTORE",) + ("QRESYNC",) * 3 + (
    "IMAP4rev2", "UIDONLY", "IMAP4rev2 UIDONLY", "NOTIFY SELECTED",
    "NOTIFY SELECTED-DELAYED", "IMAP4rev2 NOTIFY SELECTED-DELAYED",
    "UIDONLY NOTIFY SELECTED")
STATUS = "(MESSAGES UIDNEXT UIDVALIDITY UNSEEN)"
HEARS_S = 30        # at most, until news of a mailbox are there
MAILBOXES = ("INBOX", "Archive", "Work")
FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft",
         "$One", "two", "Three")
CROWDED = 150       # messages; then more is taken away than is added


class Shared:
    """What all clients must agree on."""

    def __init__(self, server, user):
        self.server = server
        self.user = user
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.bodies = {}        # (UIDVALIDITY, UID) -> hash
        self.failures = []
        self.counts = {}
        self.ends = 0           # of the server, begun
        self.is_up = threading.Event()
        self.is_up.set()

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def when_up(self):
        """Waits until the server is there; what survives() wants to know."""
        while True:
            self.is_up.wait()
            ends = self.ends
            if self.is_up.is_set():     # cleared before an end is counted
                return ends

    def survives(self, since):
        """Whether trouble may be the server's end; waits until it is back."""
        if self.ends == since:
            return False
        self.is_up.wait()
        return True

    def see_body(self, key, body):
        digest = hashlib.sha256(body).digest()
        with self.lock:
            if self.bodies.setdefault(key, digest) != digest:
                raise Broken(f"the bytes of {key} have changed")


class Actor:
    """One client that does one thing after the other."""

    uids_only = False           # no sequence numbers in commands

    def __init__(self, shared, seed):
        self.shared = shared
        self.rng = random.Random(seed)
        self.c = None
        self.ends = 0               # of the server, before it connected
        self.connect()

    def client(self, sock):
        return Client(sock)

    def connect(self):
        self.ends = self.shared.when_up()
        listener = self.rng.choice(["imap", "imap", "imaps"])
        user = self.shared.user
        self.c = self.client(self.shared.server.raw(listener).sock)
        self.c.login(user.address, user.password)
        if self.rng.random() < 0.4:
            self.c.compress()
        self.select()

    def reconnect(self):
        """The server has ended under us."""
        while True:
            try:
                self.connect()
                return
            except (OSError, Broken):
                if not self.shared.survives(self.ends):
                    raise

    def select(self):
        self.c.select(self.rng.choice(MAILBOXES),
                      read_only=self.rng.random() < 0.1)

    # ---- what to speak of

    def numbers(self, uid):
        """A set of sequence numbers or UIDs, as text; None: there is none."""
        messages = self.c.messages
        if not messages:
            return None
        n = len(messages)
        picked = sorted(self.rng.sample(range(n),
                                        self.rng.randint(1, min(n, 5))))
        if not uid:
            if self.rng.random() < 0.3:
                a, b = self.rng.randint(1, n), self.rng.randint(1, n)
                return f"{a}:{b}"
            return ",".join(str(i + 1) for i in picked)
        uids = [str(messages[i].uid) for i in picked if messages[i].uid]
        if self.rng.random() < 0.2:
            uids.append("*")
        return ",".join(uids) or None

    def meant(self, numbers, uid):
        """The messages that a set may mean."""
        if "*" in numbers:
            return list(self.c.messages)
        wanted = set(expand(numbers))
        return [m for n, m in enumerate(self.c.messages, 1)
                if (m.uid is None or m.uid in wanted if uid
                    else n in wanted)]

    def by_uid(self):
        return self.uids_only or self.rng.random() < 0.5

    def flags(self):
        return " ".join(self.rng.sample(FLAGS, self.rng.randint(1, 3)))

    def mailbox(self):
        return self.rng.choice(MAILBOXES)

    # ---- the things to do

    def try_(self, text, uid=False, holds=False):
        """A command that may meet what is gone: NO is an answer, BAD not."""
        full = f"{'UID ' if uid else ''}{text}"
        status, code, words = self.c.command(full, uid=uid, holds=holds)
        if status == "BAD":
            raise Broken(f"{full}: {words}")
        return status, code

    def do_noop(self):
        self.c.ok(self.rng.choice(["NOOP", "CHECK"]))

    def do_fetch(self):
        uid = self.by_uid()
        numbers = self.numbers(uid)
        if numbers:
            items = self.rng.choice([
                "(FLAGS)", "(UID FLAGS)", "ALL", "FULL",
                "(UID RFC822.SIZE INTERNALDATE)", "(BODYSTRUCTURE UID)"])
            self.try_(f"FETCH {numbers} {items}", uid, not uid)

    def do_fetch_all(self):
        if self.c.messages:
            self.try_("FETCH 1:* (UID FLAGS)", self.uids_only,
                      not self.uids_only)

    def do_fetch_body(self):
        uid = self.by_uid()
        numbers = self.numbers(uid)
        if not numbers:
            return
        section = self.rng.choice(["BODY.PEEK[]", "BODY[]", "RFC822"])
        self.try_(f"FETCH {numbers} (UID {section})", uid, not uid)
        # One by one: between two answers numbers may have moved.
        for items in [u[2] for u in self.c.untagged
                      if u[0] in ("FETCH", "UIDFETCH")]:
            body = items.get("BODY[]") or items.get("RFC822")
            if body:
                self.shared.see_body((self.c.uidvalidity, items["UID"]),
                                     body)

    def do_store(self):
        uid = self.by_uid()
        numbers = self.numbers(uid)
        if not numbers:
            return
        sign = self.rng.choice(["+", "+", "-", ""])
        silent = self.rng.choice(["", "", ".SILENT"])
        touched = self.meant(numbers, uid)
        self.try_(f"STORE {numbers} {sign}FLAGS{silent} ({self.flags()})",
                  uid, not uid)
        if silent:
            # What came in between may be older than our own change.
            self.c.forget_flags(touched)

    def do_expunge(self):
        self.try_("EXPUNGE")

    def do_uid_expunge(self):
        numbers = self.numbers(True)
        if numbers:
            self.try_(f"EXPUNGE {numbers}", uid=True)

    def do_append(self):
        message = mail(body="".join(
            self.rng.choice("abcdefgh \r\n.")
            for _ in range(self.rng.randint(0, 2000))).replace(
                "\r", "").replace("\n", "\r\n") + "\r\n")
        box = self.mailbox()
        status, code, text = self.c.append(
            box, message, self.flags() if self.rng.random() < 0.5 else "",
            self.rng.random() < 0.5)
        if status != "OK" or not code.startswith("APPENDUID "):
            raise Broken(f"APPEND: {status} {code} {text}")
        validity, number = code.split()[1:]
        self.shared.see_body((int(validity), int(number)), message)
        self.has_changed(box)

    def has_changed(self, box):
        """By what the client itself has done."""

    def do_copy(self):
        self.copy_or_move("COPY")

    def do_move(self):
        self.copy_or_move("MOVE")

    def copy_or_move(self, verb):
        uid = self.by_uid()
        numbers = self.numbers(uid)
        if not numbers:
            return
        validity = self.c.uidvalidity
        box = self.mailbox()
        status, code = self.try_(f"{verb} {numbers} {box}", uid)
        codes = [u[1] for u in self.c.untagged if u[0] == "OK"] + [code]
        for code in codes:
            if status == "OK" and code and code.startswith("COPYUID "):
                self.note_copies(validity, *code.split()[1:])
        self.has_changed(box)

    def note_copies(self, validity, to_validity, source, target):
        source, target = expand(source), expand(target)
        if len(source) != len(target):
            raise Broken(f"COPYUID {source} {target}")
        with self.shared.lock:
            for a, b in zip(source, target):
                digest = self.shared.bodies.get((validity, a))
                old = self.shared.bodies.get((int(to_validity), b))
                if digest and old and digest != old:
                    raise Broken(f"the copy {b} is not like {a}")
                if digest:
                    self.shared.bodies[(int(to_validity), b)] = digest

    def do_search(self):
        uid = self.by_uid()
        key = self.rng.choice([
            "ALL", "UNSEEN", "DELETED", "KEYWORD two", "SUBJECT message",
            "UID 1:20", "NOT FLAGGED", "RECENT", "BODY abc",
            "OR SEEN DRAFT"])
        status, _ = self.try_(f"SEARCH {key}", uid, not uid)
        found = self.found(uid) if status == "OK" else []
        if not uid and found and max(found) > len(self.c.messages):
            raise Broken(f"SEARCH found {max(found)}")

    def found(self, uid):
        return [u[1] for u in self.c.untagged if u[0] == "SEARCH"][0]

    def do_pipeline(self):
        """Several at once, the first of them with sequence numbers."""
        commands = []
        sets = {uid: self.numbers(uid) for uid in (False, True)}
        for uid in (self.uids_only,) * 2 + (True,) * 2:
            numbers = sets[uid]
            if not numbers:
                continue
            text = self.rng.choice([
                f"FETCH {numbers} (UID BODY[])", f"FETCH {numbers} (FLAGS)",
                f"FETCH {numbers} (FLAGS)", "SEARCH SEEN",
                f"STORE {numbers} +FLAGS ({self.flags()})"])
            commands.append((("UID " if uid else "") + text, uid, not uid))
        for answer in self.c.pipeline(commands):
            if answer[0] == "BAD":
                raise Broken(f"{commands}: {answer}")

    def do_idle(self):
        self.c.idle(self.rng.uniform(0.01, 0.2))

    def do_select(self):
        if self.rng.random() < 0.3:
            self.c.ok(self.rng.choice(["CLOSE", "UNSELECT"]))
            self.c.messages = None
        self.select()

    def do_status(self):
        self.c.ok(f"STATUS {self.mailbox()} (MESSAGES UNSEEN UIDNEXT "
                  "RECENT UIDVALIDITY)")

    def do_connect(self):
        if self.rng.random() < 0.5:
            self.c.logout()
        else:
            self.c.close()
        self.connect()

    # ---- one after the other

    COMMON = (["noop"] * 4 + ["fetch"] * 8 + ["fetch_all"] * 2 +
              ["fetch_body"] * 5 + ["store"] * 10 + ["append"] * 4 +
              ["copy"] * 2 + ["move"] * 2 + ["search"] * 4 + ["idle"] * 3 +
              ["pipeline"] * 6 +
              ["select"] * 2 + ["status"] * 2 + ["expunge"] * 2 +
              ["uid_expunge"] * 2 + ["connect"])
    CROWD = ["store"] * 4 + ["expunge"] * 4 + ["uid_expunge"] * 2 + ["noop"]

    def act(self):
        crowded = self.c.messages and len(self.c.messages) > CROWDED
        what = self.rng.choice(self.CROWD if crowded else self.COMMON)
        try:
            getattr(self, "do_" + what)()
        except OSError:
            if not self.shared.survives(self.ends):
                raise
            self.reconnect()
            what = "reconnect"
        self.shared.count(what)

    def run(self):
        try:
            while not self.shared.stop.is_set():
                self.act()
        except Exception as e:      # told at the end
            self.shared.failures.append((e, list(self.c.trace)))
            self.shared.stop.set()

    # ---- what it knows

    def picture(self):
        return [(m.uid, m.flags) for m in self.c.messages]

    def compare(self, truth):
        """What it knows, and what it is told when it asks."""
        assert len(self.c.messages) == len(truth), self.c.trace
        self.compare_known(truth)
        if truth:
            self.c.fetch("1:*", "(UID FLAGS)", uid=self.uids_only)
        assert self.picture() == truth

    def compare_known(self, truth):
        for n, ((uid, flags), real) in enumerate(
                zip(self.picture(), truth), 1):
            assert uid in (None, real[0]), n
            assert flags in (None, real[1]), (n, flags, real, self.c.trace)

    def compare_status(self, fresh):
        """With what a fresh client was told of each mailbox."""


class Resyncer(Actor):
    """Comes back to each mailbox with what it remembers of it."""

    def __init__(self, shared, seed, extension):
        self.extension = extension
        self.memories = {}          # by mailbox
        self.box = None
        super().__init__(shared, seed)

    def client(self, sock):
        return ResyncClient(sock, self.extension)

    def try_(self, text, uid=False, holds=False):
        if text.startswith("FETCH"):
            text = text.replace("FLAGS)", "FLAGS MODSEQ)")
        return super().try_(text, uid, holds)

    def keep(self):
        if self.c.memory:
            self.memories[self.box] = self.c.memory

    def select(self):
        box = self.mailbox()
        memory = self.memories.get(box)
        if self.rng.random() < 0.1:
            memory = None
        self.c.resync(box, memory, read_only=self.rng.random() < 0.1)
        self.box = box
        self.shared.count("resync" if memory else "sync")

    def look_around(self):
        """Else there is seldom a whole picture to remember."""
        if self.c.messages and not all(m.uid for m in self.c.messages):
            self.c.ok("FETCH 1:* (UID FLAGS MODSEQ)", holds=True)
        self.keep()

    def do_select(self):
        self.look_around()
        super().do_select()

    def do_connect(self):
        self.look_around()
        super().do_connect()

    def reconnect(self):
        self.keep()
        super().reconnect()

    def do_noop(self):
        super().do_noop()
        if self.rng.random() < 0.3:
            self.look_around()

    def do_fetch_all(self):
        if self.c.messages and self.c.claim and self.rng.random() < 0.7:
            self.c.changed_since(self.c.claim)
            self.shared.count("CHANGEDSINCE")
        else:
            super().do_fetch_all()

    def do_store(self):
        numbers = self.numbers(True)
        if not numbers or self.rng.random() < 0.7:
            super().do_store()
            return
        modseq = max(0, self.c.claim - self.rng.choice([0, 0, 5]))
        self.try_(f"STORE {numbers} (UNCHANGEDSINCE {modseq}) "
                  f"+FLAGS ({self.flags()})", uid=True)


class Dialectician(Actor):
    """Speaks IMAP4rev2, UIDONLY or NOTIFY, or several of them."""

    def __init__(self, shared, seed, extensions):
        self.extensions = extensions
        self.box = None
        self.uids_only = "UIDONLY" in extensions or \
            extensions.endswith(" SELECTED")
        if "UIDONLY" in extensions:
            self.COMMON = self.COMMON + ["number"]
        if "NOTIFY" in extensions:
            self.COMMON = self.COMMON + ["listen"] * 6
        super().__init__(shared, seed)

    def client(self, sock):
        self.box = None
        return DialectClient(sock, self.extensions)

    def select(self):
        if self.c.notify and not self.c.status:
            self.c.watch()
            assert set(MAILBOXES) <= set(self.c.status), self.c.status
        before, self.box = self.box, self.mailbox()
        self.c.select(self.box, read_only=self.rng.random() < 0.1)
        # While it was selected there was no STATUS of it.
        if before:
            self.has_changed(before)

    def has_changed(self, box):
        # RFC 5465 section 5: what a client does itself is no news to it.
        if self.c.notify:
            self.c.ok(f"STATUS {box} {STATUS}")

    def do_number(self):
        """RFC 9586 section 3.2."""
        text = self.rng.choice(["FETCH 1 (FLAGS)", "STORE 1 FLAGS ()",
                                "SEARCH ALL", "COPY 1 INBOX", "MOVE 1 INBOX"])
        status, code, _ = self.c.command(text)
        if (status, code) != ("BAD", "UIDREQUIRED"):
            raise Broken(f"{text}: {status} {code}")

    def do_listen(self):
        """News come without a command, but no EXPUNGE if it is delayed."""
        self.c.expect(True, self.c.notify == "SELECTED-DELAYED")
        self.c.listen(self.rng.uniform(0.01, 0.2))
        if self.c.untagged:
            self.shared.count("news")

    def found(self, uid):
        if not self.c.is_rev2:
            return super().found(uid)
        [(_, _, by_uid, results)] = [u for u in self.c.untagged
                                     if u[0] == "ESEARCH"]
        if by_uid != uid:
            raise Broken(f"ESEARCH by UID: {by_uid}")
        return expand(results["ALL"]) if results else []

    def compare_known(self, truth):
        if not self.c.is_uidonly:
            super().compare_known(truth)
            return
        real = dict(truth)
        for uid, flags in self.picture():
            if uid:
                assert flags in (None, real[uid]), (uid, self.c.trace)

    def disagreements(self, fresh):
        return [(box, self.c.status[box], fresh[box]) for box in MAILBOXES
                if box != self.box and
                not self.c.status[box].items() <= fresh[box].items()]

    def compare_status(self, fresh):
        """Each mailbox but the selected one, as soon as news are there."""
        if not self.c.notify:
            return
        for status in self.c.status.values():
            status.pop("HIGHESTMODSEQ", None)   # nobody has asked for it
            status.pop("RECENT", None)          # this is each client's own
        end = time.monotonic() + HEARS_S
        while self.disagreements(fresh):
            assert time.monotonic() < end, \
                (self.disagreements(fresh), self.c.trace)
            self.c.ok("NOOP")
            time.sleep(0.05)


def make_actor(shared, seed, extensions):
    if not extensions:
        return Actor(shared, seed)
    if extensions in ("CONDSTORE", "QRESYNC"):
        return Resyncer(shared, seed, extensions)
    return Dialectician(shared, seed, extensions)


def again_and_again(shared, what, step, pause_s):
    """A thread beside the clients; the server's end is no fault of its own."""
    while not shared.stop.is_set():
        ends = shared.when_up()
        try:
            step()
            shared.count(what)
        except Exception as e:
            if not shared.survives(ends):
                shared.failures.append((e, []))
                shared.stop.set()
        time.sleep(pause_s)


def deliver(shared):
    again_and_again(shared, "SMTP", lambda: shared.server.deliver(
        shared.user, mail(body="z" * 500 + "\r\n")), 0.02)


def read_by_pop3(shared):
    rng = random.Random(SEED)

    def session():
        p = shared.server.pop3(shared.user, "plain")
        count = p.stat()[0]
        for n in rng.sample(range(1, count + 1), min(count, 3)):
            try:
                p.retr(n)
            except poplib.error_proto as e:
                if "EOF" in str(e):
                    raise
            if rng.random() < 0.3:
                p.dele(n)
        if rng.random() < 0.8:
            p.quit()
        else:
            p.close()
    again_and_again(shared, "POP3", session, 0.05)


def end_the_server(shared, how):
    """In the middle of everything; back at once."""
    if shared.stop.wait(ROUND_S / 3):
        return
    shared.is_up.clear()
    shared.ends += 1
    try:
        if how == "kill":
            shared.server.kill()
        else:
            shared.server.stop()
        shared.server.start()
        shared.count(how)
    except Exception as e:
        shared.failures.append((e, []))
        shared.stop.set()
    shared.is_up.set()


def compare(shared, actors):
    """Every picture with what a fresh client sees."""
    user = shared.user
    for box in MAILBOXES:
        fresh = Client(shared.server.raw("imap").sock)
        fresh.login(user.address, user.password)
        fresh.select(box, read_only=True)
        if fresh.messages:
            fresh.fetch("1:*", "(UID FLAGS)")
        truth = [(m.uid, m.flags) for m in fresh.messages]
        assert all(uid and flags is not None for uid, flags in truth)
        for actor in actors:
            if actor.c.uidvalidity != fresh.uidvalidity:
                continue
            actor.c.ok("NOOP")
            actor.compare(truth)
        fresh.logout()


def compare_status(shared, actors, last):
    """What is known of mailboxes after one last change in each of them."""
    user = shared.user
    writer = Client(shared.server.raw("imap").sock)
    writer.login(user.address, user.password)
    for box in MAILBOXES:
        writer.select(box)
        writer.append(box, mail())
        writer.ok("STORE * +FLAGS (\\Deleted)", holds=True)
        for actor in actors:
            actor.c.ok("NOOP")
        last(writer)
    writer.ok("UNSELECT")
    for box in MAILBOXES:
        writer.ok(f"STATUS {box} {STATUS}")
    for actor in actors:
        actor.compare_status(writer.status)
    writer.logout()


LAST = (lambda c: c.ok("EXPUNGE"),
        lambda c: c.ok("STORE * FLAGS (\\Seen)", holds=True),
        lambda c: c.append("INBOX", mail()),
        lambda c: c.ok("MOVE * Work"))


def run_round(shared, actors, seconds, how):
    """how the server ends in between: "stop", "kill" or None."""
    shared.stop.clear()
    threads = [threading.Thread(target=a.run) for a in actors] + [
        threading.Thread(target=deliver, args=(shared,)),
        threading.Thread(target=read_by_pop3, args=(shared,))]
    if how:
        threads.append(threading.Thread(target=end_the_server,
                                        args=(shared, how)))
    for t in threads:
        t.start()
    shared.stop.wait(seconds)
    shared.stop.set()
    for t in threads:
        t.join()
    for e, trace in shared.failures[:1]:
        print(f"STRESS_SEED={SEED}", shared.counts)
        for line in trace[-60:]:
            print(line)
        raise e


def test_stress_leaves_every_picture_true(server):
    user = server.new_user()
    shared = Shared(server, user)
    with server.imap(user) as c:
        kp.ok(c.create("Work"))
    actors = [make_actor(shared, SEED + n, extensions)
              for n, extensions in enumerate(CLIENTS)]
    end = time.monotonic() + SECONDS
    ways = itertools.cycle([None, "kill", "stop"])
    last = itertools.cycle(LAST)
    while time.monotonic() < end:
        run_round(shared, actors, ROUND_S, next(ways))
        compare(shared, actors)
        compare_status(shared, actors, next(last))
    print(f"STRESS_SEED={SEED}", shared.counts)
    assert shared.counts["SMTP"] > 0 and shared.counts["POP3"] > 0
    assert shared.counts["resync"] > 0 and shared.counts["news"] > 0
    assert shared.counts["kill"] > 0 and shared.counts["stop"] > 0
    for actor in actors:
        actor.c.logout()
