#!/usr/bin/env python3
"""Everything at once on one server, for ThreadSanitizer.

usage: load.py KINGPOST [SECONDS]

Starts the server a few times; each time clients of all protocols, plain and
TLS, admin commands, backups, certificates and SIGHUP run side by side until
SIGTERM comes in the middle of it. Clients may meet any refusal; what counts
is what the sanitizer says, and that the server ends.
"""
import collections
import contextlib
import imaplib
import os
import poplib
import random
import shutil
import signal
import smtplib
import ssl
import subprocess
import sys
import tempfile
import threading
import time

PASSWORD = "race-password"
PEOPLE = ["ann@example.test", "ben@example.test", "cid@example.test"]
BOXES = ["INBOX", "Archive", "Drafts", "Sent", "Trash"]
PORTS = {"smtp": 14025, "submission": 14587, "submissions": 14465,
         "pop3": 14110, "pop3s": 14995, "imap": 14143, "imaps": 14993,
         "submission-2525": 14525}
EXPECTED = (OSError, EOFError, imaplib.IMAP4.error, poplib.error_proto,
            smtplib.SMTPException)
NO_CHECK = ssl.create_default_context()
NO_CHECK.check_hostname = False
NO_CHECK.verify_mode = ssl.CERT_NONE


def letter(n, size):
    body = b"a line of text with some words in it\r\n" * (size // 38)
    return (b"From: <ann@example.test>\r\nTo: <ben@example.test>\r\n"
            b"Subject: race %d\r\nMessage-ID: <%d@example.test>\r\n\r\n%s"
            % (n, n, body))


class Race:
    """One life of the server, and everybody who bothers it."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.server = None
        # The server drops from root to another user; so do we at once.
        self.user = {"user": "nobody", "group": "nogroup",
                     "extra_groups": []} if os.geteuid() == 0 else {}
        self.conf = os.path.join(folder, "etc", "kingpost.conf")
        self.stopping = threading.Event()
        self.counts = {}
        self.refused = collections.Counter()

    def command(self, *args, given=None):
        return subprocess.run(
            [self.program, "--config", self.conf, *args], text=True,
            input=given, capture_output=True, timeout=120, check=False,
            **self.user)

    def prepare(self):
        etc = os.path.dirname(self.conf)
        made = subprocess.run([self.program, "init", "--domain",
                               "example.test", etc], capture_output=True,
                              text=True, check=False, **self.user)
        assert made.returncode == 0, made.stderr
        with open(self.conf, encoding="utf-8") as f:
            text = f.read()
        text = text.replace('{"::", "0.0.0.0"}', '{"127.0.0.1"}')
        text = text.replace("plaintext_auth = never",
                            "plaintext_auth = loopback")
        lines, name = [], None
        for line in text.splitlines():
            words = line.split()
            if words[:1] == ["listener"]:
                name = words[1]
            if words[:2] == ["port", "="] and name in PORTS:
                line = f"\tport = {PORTS[name]}"
            lines.append(line)
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write("\n".join(lines) + "\n")
        for person in PEOPLE:
            done = self.command("user", "add", person, "--password-stdin",
                                given=PASSWORD + "\n")
            assert done.returncode == 0, done.stderr

    def start(self):
        self.log = open(os.path.join(self.folder, "log"), "ab")
        options = "halt_on_error=0:second_deadlock_stack=1:exitcode=66"
        self.server = subprocess.Popen(
            [self.program, "--config", self.conf, "serve"], stderr=self.log,
            env=dict(os.environ, TSAN_OPTIONS=options), **self.user)
        for _ in range(300):
            with contextlib.suppress(OSError):
                imaplib.IMAP4("127.0.0.1", PORTS["imap"]).shutdown()
                return
            time.sleep(0.1)
        raise SystemExit("the server does not start")

    # ---- clients ----

    def imap(self, dice):
        tls = dice.random() < 0.4
        if tls:
            c = imaplib.IMAP4_SSL("127.0.0.1", PORTS["imaps"],
                                  ssl_context=NO_CHECK, timeout=60)
        else:
            c = imaplib.IMAP4("127.0.0.1", PORTS["imap"], timeout=60)
            if dice.random() < 0.3:
                c.starttls(NO_CHECK)
        with c:
            c.login(dice.choice(PEOPLE), PASSWORD)
            c.select(dice.choice(BOXES), readonly=dice.random() < 0.1)
            for _ in range(dice.randrange(3, 30)):
                if self.stopping.is_set():
                    return
                self.imap_step(c, dice)

    def imap_step(self, c, dice):
        a = dice.randrange(1, 30)
        span = f"{a}:{a + dice.randrange(1, 20)}"
        steps = [
            lambda: c.noop(),
            lambda: c.uid("FETCH", "1:*", "(FLAGS)"),
            lambda: c.uid("FETCH", span, "(ENVELOPE BODYSTRUCTURE)"),
            lambda: c.uid("FETCH", span, "(BODY[])"),
            lambda: c.uid("FETCH", span, "(BODY.PEEK[TEXT]<100.2000>)"),
            lambda: c.uid("STORE", span, "+FLAGS", r"(\Flagged)"),
            lambda: c.uid("STORE", span, "-FLAGS", r"(\Seen kw)"),
            lambda: c.uid("STORE", f"{a}", "+FLAGS", r"(\Deleted)"),
            lambda: c.expunge(),
            lambda: c.uid("COPY", span, dice.choice(BOXES)),
            lambda: c.uid("MOVE", f"{a}", dice.choice(BOXES)),
            lambda: c.uid("SEARCH", "TEXT", "words"),
            lambda: c.uid("SEARCH", "UNSEEN"),
            lambda: c.append(dice.choice(BOXES), "", None, letter(a, 2000)),
            lambda: c.append("Drafts", r"(\Draft)", None,
                             letter(a, 400000)),
            lambda: c.select(dice.choice(BOXES)),
            lambda: c.status("INBOX", "(MESSAGES UNSEEN)"),
            lambda: c.list(),
            lambda: c.create(f"box{a % 5}"),
            lambda: c.delete(f"box{a % 5}"),
            lambda: self.idle(c),
        ]
        dice.choice(steps)()

    @staticmethod
    def idle(c):
        c.send(b"x IDLE\r\n")
        c.readline()
        time.sleep(0.2)
        c.send(b"DONE\r\n")
        while (line := c.readline()) and not line.startswith(b"x "):
            pass

    def smtp(self, dice):
        way = dice.randrange(3)
        if way == 0:
            c = smtplib.SMTP("127.0.0.1", PORTS["smtp"], timeout=60)
        elif way == 1:
            c = smtplib.SMTP("127.0.0.1", PORTS["submission"], timeout=60)
            c.starttls(context=NO_CHECK)
            c.login(PEOPLE[0], PASSWORD)
        else:
            c = smtplib.SMTP_SSL("127.0.0.1", PORTS["submissions"],
                                 context=NO_CHECK, timeout=60)
            c.login(PEOPLE[0], PASSWORD)
        with c:
            for n in range(dice.randrange(1, 10)):
                size = 1000000 if dice.random() < 0.05 else 3000
                to = dice.sample(PEOPLE, dice.randrange(1, 4))
                c.sendmail(PEOPLE[0], to, letter(n, size))

    def pop3(self, dice):
        if dice.random() < 0.5:
            c = poplib.POP3_SSL("127.0.0.1", PORTS["pop3s"],
                                context=NO_CHECK, timeout=60)
        else:
            c = poplib.POP3("127.0.0.1", PORTS["pop3"], timeout=60)
        c.user(dice.choice(PEOPLE))
        c.pass_(PASSWORD)
        count = len(c.list()[1])
        for n in range(1, min(count, 10) + 1):
            c.retr(n)
        if count and dice.random() < 0.5:
            c.dele(1)
        c.quit()

    def admin(self, dice):
        etc = os.path.dirname(self.conf)
        n = dice.randrange(4)
        commands = [
            (["status"], None),
            (["--json", "status"], None),
            (["user", "list"], None),
            (["user", "add", f"u{n}@example.test", "--password-stdin"],
             PASSWORD + "\n"),
            (["user", "del", f"u{n}@example.test", "--yes"], None),
            (["user", "enable", PEOPLE[2]], None),
            (["device", "add", PEOPLE[0], f"phone{n}"], None),
            (["device", "list", PEOPLE[0]], None),
            (["device", "del", PEOPLE[0], f"phone{n}"], None),
            (["alias", "add", f"a{n}@example.test", PEOPLE[0]], None),
            (["alias", "del", f"a{n}@example.test"], None),
            (["cert", "load", f"{etc}/tls/cert.pem", f"{etc}/tls/key.pem"],
             None),
            (["backup", os.path.join(self.folder, "backup.db")], None),
        ]
        unkind = [  # these end sessions
            (["user", "disable", PEOPLE[2]], None),
            (["user", "passwd", PEOPLE[1], "--password-stdin"],
             PASSWORD + "\n"),
        ]
        args, given = dice.choice(unkind if dice.random() < 0.02 else
                                  commands)
        if args[0] == "backup":
            with contextlib.suppress(FileNotFoundError):
                os.unlink(args[1])
        self.command(*args, given=given)

    def hangup(self, _dice):
        self.server.send_signal(signal.SIGHUP)
        time.sleep(0.5)

    # ---- together ----

    def keep_at_it(self, what, seed):
        dice = random.Random(seed)
        while not self.stopping.is_set() and self.server.poll() is None:
            try:
                what(dice)
                self.counts[what.__name__] = \
                    self.counts.get(what.__name__, 0) + 1
            except EXPECTED as e:
                self.refused[f"{what.__name__}: {e!r}"[:100]] += 1
                time.sleep(0.05)

    def run(self, seconds, seed):
        self.start()
        crowd = [self.imap] * 8 + [self.smtp] * 4 + [self.pop3] * 3 + \
            [self.admin] * 2 + [self.hangup]
        threads = [threading.Thread(target=self.keep_at_it,
                                    args=(what, seed + i), daemon=True)
                   for i, what in enumerate(crowd)]
        for t in threads:
            t.start()
        time.sleep(seconds)
        self.server.send_signal(signal.SIGTERM)
        try:
            status = self.server.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.server.send_signal(signal.SIGABRT)
            status = self.server.wait()
        self.stopping.set()
        for t in threads:
            t.join(timeout=130)
        print(f"ended with {status}, did {self.counts}")
        return status


def main():
    program = sys.argv[1]
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 60
    folder = tempfile.mkdtemp(prefix="kingpost-races.")
    os.chmod(folder, 0o755)
    copy = shutil.copy(program, os.path.join(folder, "kingpost"))
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody", "nogroup")
    race = Race(copy, folder)
    race.prepare()
    bad = 0
    try:
        for life in range(3):
            race.stopping.clear()
            bad += race.run(seconds / 3, life * 1000) != 0
    finally:
        if race.server and race.server.poll() is None:
            race.server.kill()
    with open(os.path.join(folder, "log"), encoding="utf-8",
              errors="replace") as f:
        log = f.read()
    said = log.count("WARNING: ThreadSanitizer")
    for why, times in race.refused.most_common(10):
        print(f"{times} times {why}")
    print(f"{said} reports of the sanitizer, {bad} bad ends; log: "
          f"{folder}/log")
    if said == 0 and bad == 0:
        shutil.rmtree(folder)
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
