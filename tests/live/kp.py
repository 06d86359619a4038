"""A Kingpost of its own for each test module, and clients that talk to it.

A server lives in a folder of its own under the temporary one: made by
`kingpost init`, moved to free ports of 127.0.0.1 and ::1, run as `nobody`
where the tests run as root, and stopped by its pid. Stopping is a test too:
it must end by itself within ten seconds, with status 0 and without a word
from the sanitizers.

KINGPOST is the program to be tested.
"""
import base64
import glob
import imaplib
import json
import os
import poplib
import pwd
import random
import re
import resource
import shutil
import signal
import smtplib
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import time

T = 60          # seconds that anything may take: generous, never measured
STOP_S = 10     # seconds that a server may take to end
DOMAIN = "example.test"
HOST = "localhost"
IS_ROOT = os.geteuid() == 0

LISTENERS = ("smtp", "submission", "submissions", "pop3", "pop3s", "imap",
             "imaps")

# What a sanitizer, an assert or the log's worst level leaves behind.
REPORT = re.compile(
    r"(ERROR|WARNING|SUMMARY): \w*Sanitizer|runtime error:"
    r"|Assertion .* failed|^\S+Z error ", re.M)

imaplib._MAXLINE = 100_000_000      # SEARCH of a large mailbox is one line
poplib._MAXLINE = 1_000_000


class Failure(Exception):
    """A command or a server that did not do what it should."""


def source_binary():
    path = os.environ.get("KINGPOST")
    if not path:
        top = os.path.dirname(os.path.dirname(os.path.dirname(
            os.path.abspath(__file__))))
        found = [p for b in ("build-tests", "build") for p in glob.glob(
            os.path.join(top, b, "server", "kingpost"))]
        path = found[0] if found else "kingpost"
    return os.path.abspath(path)


_base = None


def base_dir():
    """A folder that every user may pass, with a copy of the program."""
    global _base
    if _base is None:
        _base = tempfile.mkdtemp(prefix="kingpost-live.")
        os.chmod(_base, 0o755)
        shutil.copy(source_binary(), os.path.join(_base, "kingpost"))
        os.chmod(os.path.join(_base, "kingpost"), 0o755)
    return _base


def remove_base_dir():
    global _base
    if _base:
        shutil.rmtree(_base, ignore_errors=True)
    _base = None


def binary():
    return os.path.join(base_dir(), "kingpost")


def nobody():
    """Keyword arguments that make a subprocess run without rights."""
    if not IS_ROOT:
        return {}
    pw = pwd.getpwnam("nobody")
    return {"user": pw.pw_uid, "group": pw.pw_gid, "extra_groups": []}


def new_dir(prefix):
    path = tempfile.mkdtemp(prefix=prefix + ".", dir=base_dir())
    os.chmod(path, 0o755)
    if IS_ROOT:
        pw = pwd.getpwnam("nobody")
        os.chown(path, pw.pw_uid, pw.pw_gid)
    return path


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


ADDRESSES = ["127.0.0.1"] + (["::1"] if has_ipv6() else [])


def is_port_free(port):
    for address in ADDRESSES:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((address, port))
            except OSError:
                return False
    return True


def free_ports(count):
    """Below those that the kernel gives to outgoing connections."""
    ports = set()
    while len(ports) < count:
        port = random.randrange(20000, 32000)
        if is_port_free(port):
            ports.add(port)
    return sorted(ports)


def sanitizer_env():
    env = dict(os.environ)
    env.setdefault("ASAN_OPTIONS",
                   "detect_leaks=1:abort_on_error=0:exitcode=99")
    env.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")
    env.pop("KINGPOST_CONFIG", None)
    env["LC_ALL"] = "C.UTF-8"
    return env


def wait_until(question, what, seconds=T):
    """Asks again and again until the answer is true, and returns it."""
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Failure(f"not within {seconds} s: {what}")
        time.sleep(0.02)


class Account:
    def __init__(self, address, password):
        self.address = address
        self.password = password

    def __repr__(self):
        return f"<{self.address}>"


class Server:
    """
    users: local parts to be made before the first start.
    top: values of the configuration's first part, by key.
    limits: the lines of the limits section; None leaves init's.
    extra: sections to be added at the end.
    fds: how many descriptors the process may have.
    args: options of `serve`.
    runs_as: the user the process is started as; None: as we are.
    """

    def __init__(self, users=("alice", "bob"), top=None, limits=None,
                 extra="", hostname=HOST, fds=None, runs_as="nobody",
                 root=None, args=()):
        self.root = root or new_dir("server")
        self.args = args
        self.etc = os.path.join(self.root, "etc")
        self.conf = os.path.join(self.etc, "kingpost.conf")
        self.data = os.path.join(self.etc, "data")
        self.db = os.path.join(self.data, "mail.db")
        self.cert = os.path.join(self.etc, "tls", "cert.pem")
        self.stderr = os.path.join(self.root, "stderr")
        self.hostname = hostname
        self.fds = fds
        self.runs_as = runs_as
        self.process = None
        self.log_from = 0
        self.accounts = {}
        self.counter = 0
        self.expected_errors = False    # error lines in the log are meant
        self.ports = dict(zip(LISTENERS, free_ports(len(LISTENERS))))
        self.run("init", "--domain", DOMAIN, "--hostname", hostname,
                 "--postmaster", "alice@" + DOMAIN, self.etc,
                 has_config=False)
        self.configure(top or {}, limits, extra)
        for name in users:
            self.add_user(name)

    # ---- configuration

    def configure(self, top, limits, extra):
        with open(self.conf) as f:
            text = f.read()
        # The second submission port is like the first.
        text = re.sub(r"listener submission-2525 \{.*?\n\}\n", "", text,
                      flags=re.S)
        for name, port in self.ports.items():
            text = re.sub(r"(listener %s \{.*?\n\tport = )\d+" % name,
                          r"\g<1>%d" % port, text, flags=re.S)
        quoted = ", ".join('"%s"' % a for a in ADDRESSES)
        text = text.replace('{"::", "0.0.0.0"}', "{%s}" % quoted)
        values = {"plaintext_auth": "loopback", "reserve": '"1M"',
                  "user": '"nobody"'}
        values.update(top)
        for key, value in values.items():
            text, n = re.subn(r"^%s = [^\t\n]*" % key,
                              "%s = %s" % (key, value), text, flags=re.M)
            if n == 0:
                text = "%s = %s\n" % (key, value) + text
        if limits is not None:
            text = re.sub(r"limits \{.*?\n\}\n",
                          "limits {\n%s\n}\n" % limits, text, flags=re.S)
        # The cheapest hashes: here it is not passwords that are guarded.
        text += ("\npassword {\n\targon2_passes = 1\n"
                 "\targon2_memory = \"8192\"\n"
                 "\tscram_iterations = 4096\n}\n" + extra)
        self.write_conf(text)

    def read_conf(self):
        with open(self.conf) as f:
            return f.read()

    def write_conf(self, text):
        with open(self.conf, "w") as f:
            f.write(text)

    # ---- the command line

    def run(self, *args, input=None, check=True, has_config=True, env=None,
            as_root=False, cwd=None):
        """Runs a command to its end; returns it with text output."""
        line = [binary()]
        if has_config:
            line += ["--config", self.conf]
        done = subprocess.run(
            line + list(args), input=input, text=True, capture_output=True,
            timeout=T, env=env or sanitizer_env(), cwd=cwd or self.root,
            start_new_session=True,     # no terminal to ask at
            **({} if as_root else nobody()))
        if re.search(r"Sanitizer|runtime error:|Assertion", done.stderr):
            raise Failure(f"{args}: {done.stderr}")
        if check and done.returncode != 0:
            raise Failure(f"{args}: status {done.returncode}: "
                          f"{done.stdout}{done.stderr}")
        return done

    def rows(self, *args, **kw):
        """The rows of a command's answer."""
        lines = self.run("--json", *args, **kw).stdout.splitlines()
        return [json.loads(s)["row"] for s in lines if '"row"' in s]

    def add_user(self, name, password=None):
        address = name if "@" in name else f"{name}@{DOMAIN}"
        account = Account(address, password or f"secret of {name}")
        self.run("user", "add", address, "--password-stdin",
                 input=account.password + "\n")
        self.accounts[name] = account
        return account

    def new_user(self, prefix="user"):
        self.counter += 1
        return self.add_user(f"{prefix}{self.counter}")

    def __getitem__(self, name):
        return self.accounts[name]

    # ---- the process

    def spawn(self):
        def limit():
            if self.fds:
                resource.setrlimit(resource.RLIMIT_NOFILE,
                                   (self.fds, self.fds))
        err = open(self.stderr, "ab")
        self.log_from = err.tell()
        self.process = subprocess.Popen(
            [binary(), "--config", self.conf, "serve", *self.args],
            stdin=subprocess.DEVNULL, stdout=err, stderr=err,
            cwd=self.root, env=sanitizer_env(), start_new_session=True,
            preexec_fn=limit if self.fds else None,
            **(nobody() if self.runs_as else {}))
        err.close()

    def start(self):
        self.spawn()

        def is_ready():
            if self.process.poll() is not None:
                raise Failure(f"did not start: {self.log()}")
            return " server ready " in self.log()
        wait_until(is_ready, "server ready")
        return self

    def log(self):
        """What was logged since the last start."""
        with open(self.stderr, errors="replace") as f:
            f.seek(self.log_from)
            return f.read()

    def wait_log(self, text):
        wait_until(lambda: text in self.log(), f"{text!r} in the log")

    @property
    def pid(self):
        return self.process.pid

    def hup(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self, check=True):
        """SIGTERM; asserts that it ends as it should."""
        if not self.process:
            return
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(STOP_S + (0 if check else T))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise Failure(f"no end within {STOP_S} s: {self.tail()}")
        if not check:
            return
        report = REPORT.search(self.log())
        if report and self.expected_errors and \
                "Z error" in report.group() and \
                not re.search(r"Sanitizer|runtime error|Assertion",
                              self.log()):
            report = None
        if status != 0 or report:
            raise Failure(f"status {status}: {self.tail(30000)}")

    def kill(self):
        """kill -9, as a power cut would."""
        process, self.process = self.process, None
        process.kill()
        process.wait()

    def tail(self, size=5000):
        return self.log()[-size:]

    def check_store(self):
        """What must hold of the database of a server that has stopped."""
        with tempfile.TemporaryDirectory() as tmp:
            # A copy: files that SQLite makes beside it would be ours.
            for end in ("", "-wal"):
                if os.path.exists(self.db + end):
                    shutil.copy(self.db + end, tmp)
            db = sqlite3.connect(os.path.join(tmp, "mail.db"))
            check_database(db)
            db.close()

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if kind:
            print(self.tail())
        self.stop(check=not kind)
        if not kind:
            self.check_store()
            self.remove()

    # ---- clients

    def tls(self, **kw):
        context = ssl.create_default_context(cafile=self.cert)
        for key, value in kw.items():
            setattr(context, key, value)
        return context

    def connect(self, listener, address="127.0.0.1"):
        return socket.create_connection((address, self.ports[listener]), T)

    def raw(self, listener, address="127.0.0.1"):
        """A connection without a protocol; under TLS where that is due."""
        sock = self.connect(listener, address)
        if listener in ("submissions", "pop3s", "imaps"):
            sock = self.tls().wrap_socket(sock, server_hostname=self.hostname)
        return Raw(sock)

    def smtp(self):
        return smtplib.SMTP(HOST, self.ports["smtp"], "client.example",
                            timeout=T)

    def submission(self, account=None, how="tls"):
        """how: tls, starttls or plain."""
        if how == "tls":
            s = smtplib.SMTP_SSL(HOST, self.ports["submissions"],
                                 "client.example", timeout=T,
                                 context=self.tls())
        else:
            s = smtplib.SMTP(HOST, self.ports["submission"],
                             "client.example", timeout=T)
            if how == "starttls":
                s.starttls(context=self.tls())
        if account:
            s.login(account.address, account.password)
        return s

    def pop3(self, account=None, how="tls"):
        if how == "tls":
            p = poplib.POP3_SSL(HOST, self.ports["pop3s"], timeout=T,
                                context=self.tls())
        else:
            p = poplib.POP3(HOST, self.ports["pop3"], timeout=T)
            if how == "starttls":
                p.stls(context=self.tls())
        if account:
            p.user(account.address)
            p.pass_(account.password)
        return p

    def imap(self, account=None, how="tls", mailbox=None):
        if how == "tls":
            c = imaplib.IMAP4_SSL(HOST, self.ports["imaps"], timeout=T,
                                  ssl_context=self.tls())
        else:
            c = imaplib.IMAP4(HOST, self.ports["imap"], timeout=T)
            if how == "starttls":
                c.starttls(ssl_context=self.tls())
        if account:
            c.login(account.address, account.password)
        if mailbox:
            ok(c.select(mailbox))
        return c

    def deliver(self, to, message=None, sender="carol@elsewhere.example"):
        """From outside, on port 25; returns the bytes sent."""
        message = message or mail()
        with self.smtp() as s:
            refused = s.sendmail(sender, getattr(to, "address", to), message)
            assert refused == {}
        return message

    def inbox(self, account):
        """All messages of INBOX as they are stored, by IMAP."""
        with self.imap(account, "plain", "INBOX") as c:
            if c.untagged_responses["EXISTS"][-1] == b"0":
                return []
            data = ok(c.fetch("1:*", "(BODY.PEEK[])"))
            return [part[1] for part in data if isinstance(part, tuple)]


class Raw:
    """Bytes in, lines out."""

    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""

    def send(self, data):
        if isinstance(data, str):
            data = data.encode()
        self.sock.sendall(data)

    def fill(self):
        got = self.sock.recv(65536)
        self.buffer += got
        return len(got) > 0

    def line(self):
        """One line without its CR LF; b"" at the end of the connection."""
        while b"\n" not in self.buffer:
            if not self.fill():
                assert self.buffer == b"", self.buffer
                return b""
        line, self.buffer = self.buffer.split(b"\n", 1)
        assert line.endswith(b"\r"), line
        return line[:-1]

    def read(self, count):
        while len(self.buffer) < count:
            assert self.fill(), "the connection ended"
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def reply(self):
        """An SMTP reply of any number of lines, as text."""
        lines = []
        while True:
            line = self.line()
            assert re.match(rb"\d\d\d[ -]", line), line
            lines.append(line.decode())
            if line[3:4] == b" ":
                return "\n".join(lines)

    def ask(self, command):
        """An SMTP command and its reply."""
        self.send(command + "\r\n" if isinstance(command, str)
                  else command + b"\r\n")
        return self.reply()

    def dots(self):
        """The lines of a POP3 answer, up to the dot, unstuffed."""
        lines = []
        while (line := self.line()) != b".":
            lines.append(line[1:] if line.startswith(b".") else line)
        return lines

    def tagged(self, command, tag="t"):
        """An IMAP command: (untagged lines, the tagged one)."""
        self.send(f"{tag} {command}\r\n")
        return self.until(tag)

    def until(self, tag):
        lines = []
        while True:
            line = self.line()
            assert line, f"the connection ended after {lines}"
            if line.startswith(tag.encode() + b" "):
                return lines, line.decode()
            lines.append(line)

    def start_tls(self, context, hostname=HOST):
        assert self.buffer == b"", self.buffer
        self.sock = context.wrap_socket(self.sock, server_hostname=hostname)

    def rest(self):
        """Everything up to the end of the connection."""
        try:
            while self.fill():
                pass
        except ConnectionError:
            pass
        data, self.buffer = self.buffer, b""
        return data

    def is_closed(self):
        """Whether the peer hangs up; reads what it says before that."""
        self.rest()
        return True     # or recv timed out and raised

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# ---- small things

def quote(s):
    """imaplib quotes passwords and nothing else."""
    return '"' + s.replace("\\", "\\\\").replace('"', '\\"') + '"'


def base64_plain(account):
    """The message of AUTH PLAIN."""
    text = f"\0{account.address}\0{account.password}"
    return base64.b64encode(text.encode()).decode()


def ok(answer):
    """What an imaplib command brought; fails unless it was OK."""
    status, data = answer
    assert status == "OK", answer
    return data


_serial = 0


def mail(subject=None, body="Hello.\r\n", sender="carol@elsewhere.example",
         to="alice@" + DOMAIN, extra=""):
    """A message with a Message-ID of its own, as bytes."""
    global _serial
    _serial += 1
    head = (f"From: Carol <{sender}>\r\nTo: <{to}>\r\n"
            f"Subject: {subject or 'Message %d' % _serial}\r\n"
            "Date: Mon, 01 Jan 2024 12:00:00 +0000\r\n"
            f"Message-ID: <{_serial}.{os.getpid()}@elsewhere.example>\r\n"
            f"{extra}\r\n")
    if isinstance(body, bytes):
        return head.encode() + body
    return (head + body).encode()


def message_id(message):
    found = re.search(rb"(?im)^message-id:\s*<([^>]+)>", message)
    return found.group(1).decode()


def exists(client):
    """How many messages imaplib's mailbox has now."""
    client.noop()
    return int(client.untagged_responses["EXISTS"][-1])


def flags_of(client, number, uid=False):
    data = ok(client.uid("FETCH", str(number), "(FLAGS)") if uid else
              client.fetch(str(number), "(FLAGS)"))
    found = re.search(rb"FLAGS \(([^)]*)\)", data[-1])
    return set(found.group(1).decode().split()) - {"\\Recent"}


# What must be empty: sums that the store keeps and that are not right, and
# rows that lead nowhere.
FAULTS = (
    """SELECT 'counters of mailbox', id, messages, n, unseen, u, bytes, b
       FROM mailbox JOIN (
         SELECT mailbox AS m, count(*) AS n, sum(NOT flags & 1) AS u,
         sum(size) AS b FROM msg GROUP BY mailbox) ON m = id
       WHERE name IS NOT NULL AND
       (messages <> n OR unseen <> u OR bytes <> b)""",
    """SELECT 'counters of empty mailbox', id FROM mailbox
       WHERE name IS NOT NULL AND (messages <> 0 OR unseen <> 0 OR
       bytes <> 0) AND id NOT IN (SELECT mailbox FROM msg)""",
    """SELECT 'uidnext', id FROM mailbox JOIN (
         SELECT mailbox AS m, max(uid) AS top FROM msg GROUP BY mailbox)
       ON m = id WHERE uidnext <= top""",
    """SELECT 'refs of body', id, refs, n FROM body LEFT JOIN (
         SELECT body AS b, count(*) AS n FROM (
           SELECT body FROM msg UNION ALL SELECT body FROM expunged
           UNION ALL SELECT body FROM queue)
         GROUP BY body) ON b = id WHERE refs <> coalesce(n, 0)""",
    """SELECT 'refs of content', id, refs, n FROM content LEFT JOIN (
         SELECT content AS c, count(*) AS n FROM body GROUP BY content)
       ON c = id WHERE refs <> coalesce(n, 0)""",
    """SELECT 'message without body', mailbox, uid FROM msg
       WHERE body NOT IN (SELECT id FROM body)""",
    """SELECT 'body without content', id FROM body
       WHERE content NOT IN (SELECT id FROM content)""",
    """SELECT 'content without bytes', id FROM content
       WHERE length > 0 AND NOT EXISTS (
         SELECT 1 FROM chunk WHERE chunk.id = content.id << 12)""",
    """SELECT 'account', id, messages, n FROM account JOIN (
         SELECT account AS a, sum(messages) AS n FROM mailbox
         WHERE name IS NOT NULL GROUP BY account) ON a = id
       WHERE state < 2 AND messages <> n""",
)


def check_database(db):
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    for sql in FAULTS:
        assert db.execute(sql).fetchall() == []
