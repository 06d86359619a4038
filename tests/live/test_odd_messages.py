"""What FETCH says of odd messages, read strictly and compared with the bytes.

Messages are made by chance from a fixed seed: broken addresses, groups, bare
eight-bit bytes, boundaries that never come or come twice, parts without
headers, headers without bodies, and bytes lost anywhere. Whatever is in them,
ENVELOPE and BODYSTRUCTURE must be what RFC 3501 section 9 says, sizes must be
those of the bytes, and the pieces must add up to the whole.
"""
import random

from imapwire import Client, LITERAL, Reader

COUNT = 600
BATCH = 50
SEED = 20240501

ADDRESSES = [
    "ann@example.org", "Ann <ann@example.org>", "<ann@example.org>",
    '"Ann \\"A\\" \\\\ B" <ann@example.org>', "ann", "<ann>", "@", "<@>",
    "<>", "Team: ann@example.org, Bob <bob@example.org>;", "Empty:;",
    "Open: ann@example.org", ";", ":;", "A: B: c@d;;", "a@b, , ,c@d",
    '"unterminated <ann@example.org>', "Ann (comment (nested) <x@y>",
    "(only a comment)", "ann@example.org (Ann)", "<@a,@b:ann@example.org>",
    "=?utf-8?q?J=C3=BCrgen?= <j@example.org>", "=?utf-8?b?w?= <x@y>",
    "J\u00fcrgen <j@example.org>", "j\u00fcrgen@b\u00fccher.example",
    "a@[127.0.0.1]", '"a b"@example.org', '""@example.org', "a@b@c",
    "ann @ example . org", "<ann@example.org", "ann@example.org>", "\\",
    '"', "(", "<", "a" * 400 + "@example.org", ", ".join(
        "u%d@example.org" % i for i in range(40)),
]
TEXTS = [
    "Hello", "", " ", "=?utf-8?q?h=C3=A9?=", "=?utf-8?b?4pi?= =?utf-8?b?gw==?=",
    "caf\u00e9", "a\r\n b", "\r\n\t", '"quoted"', "{5}", "x" * 1200, "NIL",
    "(", ")", "\\", "a\tb", "\x01\x7f", "[x]", "*", "%",
]
TYPES = [
    "text/plain", "text/html; charset=utf-8", "text", "TEXT/PLAIN", "/",
    "text/plain; charset", "text/plain; name=\"a\\\"b\"", "", "image/png",
    "text/plain; name*=utf-8''%e2%82%ac.txt", "application/octet-stream",
    "text/plain; name*0=\"a\"; name*1=\"b\"", "text/plain; name=caf\u00e9",
    "text/plain; =x; ;; charset=us-ascii", "message/rfc822", "message/global",
    "message/partial; id=x", "message/delivery-status", "multipart/mixed",
    "multipart/mixed; boundary=\"\"", "multipart/alternative; boundary=x",
    "multipart/digest; boundary=\"a b\"", "t\u00e9xt/pl\u00e4in", "a/b/c",
    "text/plain; " + "; ".join("p%d=%d" % (i, i) for i in range(80)),
]
FIELDS = [
    ("Content-Transfer-Encoding", ["7bit", "base64", "quoted-printable",
     "8BIT", "x-odd", "", "(c) 7bit", "b\u00e4se64"]),
    ("Content-Disposition", ["inline", "attachment; filename=\"a b.txt\"",
     "attachment; filename*=utf-8''%f0%9f%98%80", "", ";", "\u00e4",
     "attachment; filename=\u00e4.txt"]),
    ("Content-ID", ["<a@b>", "", "x", "<\u00e4@b>"]),
    ("Content-Description", TEXTS),
    ("Content-MD5", ["Q2hlY2sgSW50ZWdyaXR5IQ==", ""]),
    ("Content-Language", ["en", "en, de", "", ",", "en,\u00e4"]),
    ("Content-Location", ["http://example.org/", "", "a b"]),
    ("MIME-Version", ["1.0", "2.0", ""]),
]


def some(rng, values, chance=0.5):
    return rng.choice(values) if rng.random() < chance else None


def content_fields(rng, depth):
    lines, boundary = [], None
    kind = rng.choice(TYPES)
    if depth < 6 and rng.random() < 0.45:
        boundary = rng.choice(["b", "b%d" % depth, "bound-%d" % rng.randrange(9)])
        kind = "multipart/%s; boundary=%s" % (
            rng.choice(["mixed", "alternative", "digest", "x-odd"]), boundary)
    if rng.random() < 0.85:
        lines.append("Content-Type: " + kind)
    for name, values in FIELDS:
        if rng.random() < 0.2:
            lines.append(f"{name}: {rng.choice(values)}")
    rng.shuffle(lines)
    return lines, kind, boundary


def top_fields(rng):
    lines = []
    for name in ("From", "To", "Cc", "Bcc", "Sender", "Reply-To"):
        for _ in range(rng.choice([0, 1, 1, 1, 2])):
            lines.append(f"{name}: {rng.choice(ADDRESSES)}")
    for name in ("Subject", "Message-ID", "In-Reply-To", "References"):
        value = some(rng, TEXTS)
        if value is not None:
            lines.append(f"{name}: {value}")
    lines.append("Date: " + rng.choice([
        "Wed, 1 May 2024 10:00:00 +0000", "", "yesterday", "1 May 24"]))
    if rng.random() < 0.1:
        lines.insert(rng.randrange(len(lines)), rng.choice(
            ["no colon here", ": no name", " folded first", "From x y"]))
    return lines


def leaf(rng):
    return rng.choice(["", "\r\n", "text\r\n", "no end", "a\r\n" * 50,
                       "caf\u00e9 \x00 zero\r\n", "--b\r\n", "\r\n--b--\r\n",
                       "YWJj\r\n", "=3D\r\n.\r\n", "y" * 3000])


def entity(rng, depth, lines=()):
    fields, kind, boundary = content_fields(rng, depth)
    out = "".join(line + "\r\n" for line in [*lines, *fields])
    if rng.random() < 0.95:
        out += "\r\n"
    if boundary is None and kind.startswith("message/") and depth < 6:
        return out + entity(rng, depth + 1, top_fields(rng))
    if boundary is None:
        return out + leaf(rng)
    if rng.random() < 0.3:
        out += "preamble\r\n"
    for _ in range(rng.choice([0, 1, 2, 2, 3, 8])):
        out += f"--{boundary}" + rng.choice(["\r\n", "\r\n", " \t\r\n", "\n"])
        out += entity(rng, depth + 1)
        out += rng.choice(["\r\n", "\r\n", "\r\n", "\n", ""])
    if rng.random() < 0.8:
        out += f"--{boundary}--" + rng.choice(["\r\n", "", "--\r\n"])
    if rng.random() < 0.3:
        out += "epilogue\r\n"
    return out


def odd_message(rng):
    data = entity(rng, 0, top_fields(rng)).encode(
        rng.choice(["utf-8", "latin-1"]), "replace")
    for _ in range(rng.choice([0, 0, 0, 1, 5])):
        at = rng.randrange(len(data) + 1)
        data = data[:at] + rng.choice(
            [b"", b"\r\n", b"\n", b"\r", b'"', b"\xff", b"\r\n\r\n", b" "]
        ) + data[at + rng.randrange(4):]
    return data or b"\r\n"


# ---- RFC 3501 section 9, read to the letter

class Strict(Reader):
    def string(self):
        value = self.nstring()
        if value is None:
            self.fail("NIL where a string must be")
        return value

    def nstring(self):
        literal = LITERAL.match(self.data, self.at)
        value = super().nstring()
        if literal and b"\0" in value:
            self.fail("NUL in a literal")
        return value

    def listed(self, one, separator=b" "):
        """(one one ...), at least one; or NIL."""
        if self.has(b"NIL"):
            self.at += 3
            return []
        self.skip(b"(")
        values = [one()]
        while not self.has(b")"):
            self.skip(separator)
            values.append(one())
        self.skip(b")")
        return values

    def address(self):
        self.skip(b"(")
        values = [self.nstring()]
        for _ in range(3):
            self.skip(b" ")
            values.append(self.nstring())
        self.skip(b")")
        name, route, mailbox, host = values
        if host is None and (name is not None or route is not None):
            self.fail("a group with a name or a route")
        return values

    def addresses(self):
        values = self.listed(self.address, b"")
        is_open = False
        for _, _, mailbox, host in values:
            if host is not None:
                if mailbox is None:
                    self.fail("an address without a mailbox")
            elif (mailbox is None) != is_open:
                self.fail("groups that do not match")
            else:
                is_open = not is_open
        if is_open:
            self.fail("a group without an end")
        return values

    def envelope(self):
        self.skip(b"(")
        values = []
        for i in range(10):
            if i:
                self.skip(b" ")
            values.append(self.addresses() if 2 <= i < 8 else self.nstring())
        self.skip(b")")
        return values

    def param(self):
        name = self.string()
        self.skip(b" ")
        return name.lower(), self.string()

    def disposition(self):
        if self.has(b"NIL"):
            self.at += 3
            return
        self.skip(b"(")
        self.string()
        self.skip(b" ")
        self.listed(self.param)
        self.skip(b")")

    def extensions(self):
        self.skip(b" ")
        self.disposition()
        self.skip(b" ")
        if self.has(b"("):
            self.listed(self.string)
        else:
            self.nstring()
        self.skip(b" ")
        self.nstring()

    def body(self, extended, path=()):
        """
        Returns (path, kind, octets, lines) of each part; the path of a
        multipart is what its parts' begin with.
        """
        if not self.has(b"(("):
            return self.one_part(extended, path)
        self.skip(b"(")
        parts, number = [], 0
        while self.has(b"("):
            number += 1
            parts += self.body(extended, path + (number,))
        self.skip(b" ")
        self.string()
        if extended:
            self.skip(b" ")
            self.listed(self.param)
            self.extensions()
        self.skip(b")")
        return [(path, b"multipart", None, None)] + parts

    def whole(self, extended, path=()):
        """The structure of a message: the path of its only part ends in 1."""
        if self.has(b"(("):
            return [p for p in self.body(extended, path) if p[0] != path]
        return self.one_part(extended, path + (1,))

    def one_part(self, extended, path):
        self.skip(b"(")
        kind = self.string().lower()
        self.skip(b" ")
        kind += b"/" + self.string().lower()
        self.skip(b" ")
        self.listed(self.param)
        for _ in range(2):
            self.skip(b" ")
            self.nstring()
        self.skip(b" ")
        self.string()
        self.skip(b" ")
        octets, lines, below = self.number(), None, []
        if kind == b"message/rfc822":
            self.skip(b" ")
            self.envelope()
            self.skip(b" ")
            below = self.whole(extended, path)
        if kind == b"message/rfc822" or kind.startswith(b"text/"):
            self.skip(b" ")
            lines = self.number()
        if extended:
            self.skip(b" ")
            self.nstring()
            self.extensions()
        self.skip(b")")
        return [(path, kind, octets, lines)] + below


class OddClient(Client):
    """Keeps the responses as they came: it has a reader of its own."""

    def raw_fetch(self, numbers, items):
        self.number += 1
        tag = b"T%d" % self.number
        self.send(tag + b" UID FETCH " + numbers + b" " + items + b"\r\n")
        answers = []
        while not (got := self.response()).startswith(tag):
            answers.append(got)
        if not got.startswith(tag + b" OK"):
            self.fail(got)
        return answers


def read_fetch(data):
    r = Strict(data)
    r.skip(b"* ")
    r.number()
    r.skip(b" FETCH (")
    items = {}
    while not r.has(b")"):
        if items:
            r.skip(b" ")
        at = r.at
        depth = 0
        while r.data[r.at:r.at + 1] not in (b" ", b")") or depth:
            depth += {b"[": 1, b"]": -1}.get(r.data[r.at:r.at + 1], 0)
            r.at += 1
        name = r.data[at:r.at].decode()
        r.skip(b" ")
        if name in ("UID", "RFC822.SIZE"):
            items[name] = r.number()
        elif name == "ENVELOPE":
            items[name] = r.envelope()
        elif name in ("BODY", "BODYSTRUCTURE"):
            items[name] = r.whole(name != "BODY")
        else:
            items[name] = r.nstring()
    r.skip(b")")
    r.end()
    return items


def append_all(c, messages):
    for at in range(0, len(messages), BATCH):
        batch = messages[at:at + BATCH]
        c.number += 1
        tag = b"T%d" % c.number
        c.send(tag + b" APPEND INBOX" + b"".join(
            b" {%d+}\r\n" % len(m) + m for m in batch) + b"\r\n")
        while not (got := c.response()).startswith(tag):
            pass
        assert got.startswith(tag + b" OK"), got


WHOLE = (b"(RFC822.SIZE ENVELOPE BODY BODYSTRUCTURE BODY.PEEK[] "
         b"BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[]<7.100> "
         b"BODY.PEEK[]<100000000.5> BODY.PEEK[HEADER.FIELDS (Subject \"to\")] "
         b"BODY.PEEK[HEADER.FIELDS.NOT (Subject To)] BODY.PEEK[99])")


def look_at_whole(m):
    whole = m["BODY[]"]
    assert m["RFC822.SIZE"] == len(whole)
    assert m["BODY[]<7>"] == whole[7:107]
    assert m["BODY[]<100000000>"] == b""
    if not any(b > 127 for b in m["BODY[HEADER]"] + whole):
        assert m["BODY[HEADER]"] + m["BODY[TEXT]"] == whole
    assert whole.endswith(m["BODY[TEXT]"])
    assert m["BODY[HEADER.FIELDS (Subject to)]"].endswith(b"\r\n")
    assert m["BODY[99]"] is None
    # BODY is BODYSTRUCTURE without the extensions.
    assert m["BODY"] == m["BODYSTRUCTURE"]


def name_of(path):
    return ".".join(map(str, path))


def look_at_parts(c, uid, m):
    parts = m["BODYSTRUCTURE"]
    if not parts:
        return
    asked = []
    for path, kind, _, _ in parts:
        asked.append(f"BODY.PEEK[{name_of(path)}]")
        asked.append(f"BODY.PEEK[{name_of(path)}.MIME]")
        if kind == b"message/rfc822":
            asked += [f"BODY.PEEK[{name_of(path)}.HEADER]",
                      f"BODY.PEEK[{name_of(path)}.TEXT]"]
    got = {}
    for at in range(0, len(asked), 150):
        answer, = c.raw_fetch(b"%d" % uid, (
            "(" + " ".join(asked[at:at + 150]) + ")").encode())
        got.update(read_fetch(answer))
    for path, kind, octets, lines in parts:
        n = name_of(path)
        body = got[f"BODY[{n}]"]
        assert body is not None, f"no part {n}"
        assert got[f"BODY[{n}.MIME]"] is not None, f"no header of {n}"
        if octets is None:
            continue
        assert octets == len(body), f"part {n}"
        if lines is not None:
            assert lines - body.count(b"\n") in (0, 1), f"lines of {n}"
        if kind == b"message/rfc822":
            inner = got[f"BODY[{n}.HEADER]"] + got[f"BODY[{n}.TEXT]"]
            assert inner == body or any(b > 127 for b in body), n


def look_at_all(server, user, seed, count):
    rng = random.Random(seed)
    # RFC 9755 section 4: headers with 8-bit text only come from such a client.
    with OddClient(server.connect("imap")) as c:
        c.login(user.address, user.password)
        c.command("ENABLE UTF8=ACCEPT")
        append_all(c, [odd_message(rng) for _ in range(count)])
    with OddClient(server.connect("imap")) as c:
        c.login(user.address, user.password)
        c.select("INBOX")
        answers = c.raw_fetch(b"1:*", WHOLE)
        assert len(answers) == count
        for answer in answers:
            m = read_fetch(answer)
            try:
                look_at_whole(m)
                look_at_parts(c, m["UID"], m)
            except AssertionError as e:
                raise AssertionError(
                    f"UID {m['UID']}: {e}: {m['BODY[]']!r}") from e


def test_odd_messages_are_told_by_the_grammar(server, user):
    look_at_all(server, user, SEED, COUNT)
