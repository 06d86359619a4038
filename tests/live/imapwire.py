"""A strict IMAP client: it reads what the server sends by the grammar of
RFC 3501 section 9 and keeps a picture of its mailbox from the untagged
responses alone. What it cannot understand, or what contradicts the picture,
is a Broken.
"""
import collections
import re
import socket
import zlib

ATOM = rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]'
NUMBER = re.compile(rb"(0|[1-9]\d*)")
FLAG = re.compile(rb"\\\*|\\?" + ATOM + rb"+")
# section and partial belong to the name: BODY[HEADER.FIELDS (A B)]<0>
ITEM = re.compile(rb"[A-Z0-9.]+(\[[^\]]*\](<\d+>)?)?")
QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00\x80-\xff]|\\["\\])*)"')
LITERAL = re.compile(rb"\{(\d+)\}\r\n")
WORD = re.compile(ATOM + rb"+")
CODE = re.compile(rb"\[([^\]]*)\] ")
STATUS = (b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH")


class Broken(AssertionError):
    """The server broke the grammar or its word."""


class Reader:
    """A position in one response."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def fail(self, why):
        raise Broken(f"{why} at {self.at} in {self.data!r}")

    def skip(self, text):
        if not self.data.startswith(text, self.at):
            self.fail(f"no {text!r}")
        self.at += len(text)

    def has(self, text):
        return self.data.startswith(text, self.at)

    def match(self, pattern, what):
        found = pattern.match(self.data, self.at)
        if not found:
            self.fail(f"no {what}")
        self.at = found.end()
        return found

    def end(self):
        if self.at != len(self.data):
            self.fail("something is left")

    def number(self):
        return int(self.match(NUMBER, "number").group(1))

    def word(self):
        return self.match(WORD, "word").group()

    def literal(self):
        size = int(self.match(LITERAL, "literal").group(1))
        if self.at + size > len(self.data):
            self.fail("a short literal")
        data = self.data[self.at:self.at + size]
        self.at += size
        return data

    def nstring(self):
        if self.has(b"NIL"):
            self.at += 3
            return None
        if self.has(b"{"):
            return self.literal()
        found = self.match(QUOTED, "string").group(1)
        return re.sub(rb"\\(.)", rb"\1", found)

    def astring(self):
        if self.has(b'"') or self.has(b"{"):
            return self.nstring()
        return self.word()

    def flags(self):
        self.skip(b"(")
        flags = []
        while not self.has(b")"):
            if flags:
                self.skip(b" ")
            flags.append(self.match(FLAG, "flag").group().decode())
        self.skip(b")")
        return flags

    def value(self):
        """A string, NIL, number, or a list of such, as Python has them."""
        if not self.has(b"("):
            if self.has(b'"') or self.has(b"{") or self.has(b"NIL"):
                return self.nstring()
            if self.data[self.at:self.at + 1].isdigit():
                return self.number()
            return self.match(FLAG, "value").group().decode()
        self.skip(b"(")
        values = []
        while not self.has(b")"):
            # Lists of addresses and of parts stand side by side.
            if values and not (isinstance(values[-1], list) and
                               self.has(b"(")):
                self.skip(b" ")
            values.append(self.value())
        self.skip(b")")
        return values

    def fetch(self):
        """The parenthesised part of a FETCH response, as a dict."""
        items = {}
        self.skip(b"(")
        while not self.has(b")"):
            if items:
                self.skip(b" ")
            name = self.match(ITEM, "item").group().decode()
            self.skip(b" ")
            if name in items:
                self.fail("an item twice")
            if name == "FLAGS":
                items[name] = self.flags()
            elif name in ("UID", "RFC822.SIZE"):
                items[name] = self.number()
            elif name == "INTERNALDATE" or "[" in name or name.startswith(
                    "RFC822"):
                items[name] = self.nstring()
            else:
                items[name] = self.value()
        self.skip(b")")
        return items

    def esearch(self):
        """RFC 4731 after the name: (tag or None, by UID, results)."""
        tag, by_uid, results = None, False, {}
        if self.has(b" (TAG "):
            self.skip(b" (TAG ")
            tag = self.nstring().decode()
            self.skip(b")")
        if self.has(b" UID"):
            self.skip(b" UID")
            by_uid = True
        while self.at < len(self.data):
            self.skip(b" ")
            name = self.word().decode()
            self.skip(b" ")
            results[name] = self.word().decode()
        return tag, by_uid, results


def flags_told(items):
    """The flags of a FETCH that all clients see alike."""
    return frozenset(f.lower() for f in items["FLAGS"]) - {"\\recent"}


def expand(numbers):
    """[1, 2, 3, 7] of 1:3,7"""
    found = []
    for part in numbers.split(","):
        ends = [int(n) for n in part.split(":")]
        found += range(min(ends), max(ends) + 1)
    return found


class Message:
    """What the client knows of one: None is unknown."""
    __slots__ = ("uid", "flags")

    def __init__(self):
        self.uid = None
        self.flags = None


class Deflated:
    """A socket under COMPRESS=DEFLATE (RFC 4978)."""

    def __init__(self, sock):
        self.sock = sock
        self.out = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        self.into = zlib.decompressobj(-zlib.MAX_WBITS)
        self.received = 0

    def pack(self, data, flush=zlib.Z_SYNC_FLUSH):
        return self.out.compress(data) + self.out.flush(flush)

    def sendall(self, data):
        self.sock.sendall(self.pack(data))

    def recv(self, count):
        while True:
            got = self.sock.recv(count)
            self.received += len(got)
            plain = self.into.decompress(got)
            if plain or not got:
                return plain

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def close(self):
        self.sock.close()


class Client:
    """
    untagged: what came since the last command, as (name, value) pairs.
    messages: the picture, in the order of sequence numbers.
    status: what is known of each mailbox, by name and item.
    """

    def __init__(self, sock, timeout=120):
        self.sock = sock
        self.sock.settimeout(timeout)
        self.timeout = timeout
        self.buffer = b""
        self.trace = collections.deque(maxlen=200)  # for who has to look
        self.number = 0
        self.messages = None    # None: no mailbox is selected
        self.uidvalidity = None
        self.status = {}
        self.untagged = []
        self.holds_expunge = False
        self.is_uid_command = False
        self.bye = False
        if self.read()[0] != "OK":
            raise Broken("no greeting")

    def fail(self, why):
        raise Broken(f"{why} (untagged: {self.untagged[-5:]})")

    # ---- bytes

    def fill(self):
        got = self.sock.recv(65536)
        if not got:
            raise ConnectionError("the connection ended")
        self.buffer += got

    def take(self, size):
        while len(self.buffer) < size:
            self.fill()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def take_line(self):
        while (at := self.buffer.find(b"\n")) < 0:
            self.fill()
        return self.take(at + 1)

    def response(self):
        """One response with its literals, without the last CR LF."""
        data = self.take_line()
        words = data.split(b" ", 2)
        is_text = data.startswith(b"+ ") or len(words) > 1 and \
            words[1] in STATUS
        while not is_text and (found := re.search(rb"\{(\d+)\}\r\n$", data)):
            data += self.take(int(found.group(1)))
            data += self.take_line()
        if not data.endswith(b"\r\n"):
            self.fail(f"a line without CR LF: {data!r}")
        self.trace.append(b"S: " + data[:200])
        return data[:-2]

    # ---- responses

    def read(self):
        """Reads one; returns (what, ...) and moves the picture."""
        data = self.response()
        r = Reader(data)
        if r.has(b"+"):
            return ("+", data[1:].strip())
        if r.has(b"* "):
            r.skip(b"* ")
            return self.read_untagged(r)
        tag = r.word().decode()
        r.skip(b" ")
        status = r.word().decode()
        if status not in ("OK", "NO", "BAD"):
            r.fail("no status")
        r.skip(b" ")
        return ("tagged", tag, status, self.read_text(r))

    def read_text(self, r):
        """resp-text: a code, and words that must be there."""
        code = None
        found = CODE.match(r.data, r.at)
        if found:
            code = found.group(1).decode()
            r.at = found.end()
        text = r.data[r.at:]
        if not text or re.search(rb"[\x00\r\n\x80-\xff]", text):
            r.fail("no text")
        return code, text.decode()

    def read_untagged(self, r):
        if r.data[r.at:r.at + 1].isdigit():
            return self.read_numbered(r)
        name = r.word()
        if name in STATUS:
            r.skip(b" ")
            code, text = self.read_text(r)
            if name == b"BYE":
                self.bye = True
            if code and code.startswith("UIDVALIDITY "):
                self.uidvalidity = int(code.split()[1])
            answer = (name.decode(), code, text)
        elif name == b"FLAGS":
            r.skip(b" ")
            answer = ("FLAGS", r.flags())
            r.end()
        elif name == b"SEARCH":
            numbers = []
            while r.at < len(r.data):
                r.skip(b" ")
                numbers.append(r.number())
            answer = ("SEARCH", numbers)
        elif name == b"VANISHED":
            r.skip(b" ")
            earlier = r.has(b"(EARLIER) ")
            if earlier:
                r.skip(b"(EARLIER) ")
            uids = set(expand(r.word().decode()))
            r.end()
            self.see_vanished(earlier, uids)
            answer = ("VANISHED", earlier, uids)
        elif name in (b"LIST", b"LSUB", b"XLIST"):
            r.skip(b" ")
            flags = r.flags()
            r.skip(b" ")
            separator = r.nstring()
            r.skip(b" ")
            answer = (name.decode(), flags, separator, r.astring())
            r.end()
        elif name == b"STATUS":
            r.skip(b" ")
            mailbox = r.astring()
            r.skip(b" ")
            answer = ("STATUS", mailbox, r.value())
            r.end()
            self.see_status(mailbox.decode(), answer[2])
        elif name == b"ESEARCH":
            answer = ("ESEARCH",) + r.esearch()
        else:
            # CAPABILITY, ID, NAMESPACE, ENABLED
            answer = (name.decode(), r.data[r.at + 1:])
        self.untagged.append(answer)
        return answer

    def read_numbered(self, r):
        n = r.number()
        r.skip(b" ")
        name = r.word().decode()
        if name in ("FETCH", "UIDFETCH"):
            r.skip(b" ")
            items = r.fetch()
            r.end()
            if name == "FETCH":
                self.see_fetch(n, items)
            else:
                self.see_uidfetch(n, items)
            answer = (name, n, items)
        else:
            r.end()
            if name == "EXISTS":
                self.see_exists(n)
            elif name == "EXPUNGE":
                self.see_expunge(n)
            elif name != "RECENT":
                r.fail("unknown response")
            answer = (name, n)
        self.untagged.append(answer)
        return answer

    def compress(self):
        self.ok("COMPRESS DEFLATE")
        self.sock = Deflated(self.sock)

    # ---- the picture

    def picture(self):
        if self.messages is None:
            self.fail("news of a mailbox, and none is selected")
        return self.messages

    def see_exists(self, n):
        messages = self.picture()
        if n < len(messages):
            self.fail(f"EXISTS {n} after {len(messages)}")
        while len(messages) < n:
            messages.append(Message())

    def see_expunge(self, n):
        messages = self.picture()
        if self.holds_expunge:
            self.fail(f"EXPUNGE {n} during a command with numbers")
        if not 1 <= n <= len(messages):
            self.fail(f"EXPUNGE {n} of {len(messages)}")
        del messages[n - 1]

    def see_vanished(self, earlier, uids):
        self.fail("VANISHED, and nobody enabled QRESYNC")

    def see_uidfetch(self, uid, items):
        self.fail("UIDFETCH, and nobody enabled UIDONLY")

    def see_status(self, mailbox, items):
        """UIDNEXT never goes back; UNSEEN is as old as what it came with."""
        told = dict(zip(items[::2], items[1::2]))
        known = self.status.setdefault(mailbox, {})
        if told.get("UIDVALIDITY", known.get("UIDVALIDITY")) == \
                known.get("UIDVALIDITY") and \
                told.get("UIDNEXT", 1 << 32) < known.get("UIDNEXT", 0):
            self.fail(f"{mailbox}: {told} after {known}")
        known.pop("UNSEEN", None)
        known.update(told)

    def see_fetch(self, n, items):
        messages = self.picture()
        if not 1 <= n <= len(messages):
            self.fail(f"FETCH {n} of {len(messages)}")
        m = messages[n - 1]
        if self.is_uid_command and "UID" not in items:
            self.fail(f"no UID in {items}")
        if "UID" in items:
            uid = items["UID"]
            if m.uid not in (None, uid):
                self.fail(f"message {n} had UID {m.uid} and has {uid}")
            m.uid = uid
            for at in (n - 2, n):
                if 0 <= at < len(messages) and messages[at].uid and \
                        (messages[at].uid < uid) != (at < n - 1):
                    self.fail(f"UIDs do not rise at {n}")
        if "FLAGS" in items:
            m.flags = flags_told(items)

    def forget_flags(self, messages):
        """They have been changed, and nobody has told how."""
        for m in messages:
            m.flags = None

    # ---- commands

    def send(self, data):
        self.trace.append(b"C: " + data[:200])
        self.sock.sendall(data)

    def start(self, command, uid=False, holds=False):
        """Sends a command line; the tag to wait for."""
        self.number += 1
        tag = f"T{self.number}"
        self.expect(uid, holds)
        self.send(f"{tag} {command}".encode())
        return tag

    def expect(self, uid, holds):
        """What goes for the command that is answered next."""
        self.is_uid_command = uid
        self.holds_expunge = holds
        self.untagged = []

    def pipeline(self, commands):
        """
        Sends (text, uid, holds) all at once; returns the statuses. Those with
        sequence numbers must come first, for the others may expunge.
        """
        tags = []
        for text, _, _ in commands:
            self.number += 1
            tags.append(f"T{self.number}")
        self.send("".join(f"{tag} {c[0]}\r\n" for tag, c in
                          zip(tags, commands)).encode())
        answers = []
        for tag, (_, uid, holds) in zip(tags, commands):
            self.expect(uid, holds)
            answers.append(self.finish(tag))
        return answers

    def finish(self, tag):
        """Reads up to the tagged response: (status, code, text)."""
        try:
            while True:
                got = self.read()
                if got[0] == "+":
                    self.fail("a continuation that nobody asked for")
                if got[0] == "tagged":
                    if got[1] != tag:
                        self.fail(f"tag {got[1]} instead of {tag}")
                    return (got[2],) + got[3]
        finally:
            self.holds_expunge = self.is_uid_command = False

    def command(self, text, uid=False, holds=False):
        return self.finish(self.start(text + "\r\n", uid, holds))

    def ok(self, text, **kw):
        status, code, words = self.command(text, **kw)
        if status != "OK":
            self.fail(f"{text}: {status} {words}")
        return code

    def login(self, name, password):
        self.ok(f'LOGIN "{name}" "{password}"')

    def select(self, mailbox, read_only=False):
        # RFC 3501 6.3.1: the old one is gone whatever comes.
        self.messages = []
        self.uidvalidity = None
        word = "EXAMINE" if read_only else "SELECT"
        self.ok(f'{word} "{mailbox}"')
        if not self.uidvalidity:
            self.fail("no UIDVALIDITY")

    def fetch(self, numbers, items, uid=False):
        """{number: items}"""
        what = f"{'UID ' if uid else ''}FETCH {numbers} {items}"
        self.ok(what, uid=uid, holds=not uid)
        return self.fetched()

    def fetched(self):
        answers = {}
        for u in self.untagged:
            if u[0] == "FETCH":
                answers.setdefault(u[1], {}).update(u[2])
        return answers

    def append(self, mailbox, message, flags="", sync=True):
        """Returns (status, code, text)."""
        plus = "" if sync else "+"
        tag = self.start(f'APPEND "{mailbox}" ({flags}) '
                         f"{{{len(message)}{plus}}}\r\n")
        while sync:
            got = self.read()
            if got[0] == "+":
                break
            if got[0] == "tagged":
                return (got[2],) + got[3]
        self.send(message + b"\r\n")
        return self.finish(tag)

    def idle(self, seconds):
        """Listens for a while; returns what came."""
        tag = self.start("IDLE\r\n")
        while (got := self.read())[0] != "+":
            if got[0] == "tagged":
                self.fail(f"no IDLE: {got}")
        self.listen(seconds)
        heard = list(self.untagged)
        self.send(b"DONE\r\n")
        status = self.finish(tag)
        if status[0] != "OK":
            self.fail(f"IDLE: {status}")
        return heard

    def listen(self, seconds):
        """Reads what comes by itself."""
        self.sock.settimeout(seconds)
        try:
            # A time-out keeps what has come of a response in the buffer,
            # and only whole lines are taken: no news has a literal.
            while True:
                while b"\n" not in self.buffer:
                    self.fill()
                self.read()
        except socket.timeout:
            pass
        finally:
            self.sock.settimeout(self.timeout)

    def names(self):
        """The names of what came untagged, in order."""
        return [u[0] for u in self.untagged]

    def logout(self):
        self.ok("LOGOUT")
        if not self.bye:
            self.fail("LOGOUT without BYE")
        self.sock.close()

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
