"""SORT and THREAD by imaplib, against the words of RFC 5256 put into Python."""
import random
import re

import pytest

from kp import ok

DAY = 1_700_000_000


class Message:
    """What is known of a message, and its place in a tree."""

    def __init__(self, number, mid=None, refs=(), subject="", sent=0,
                 arrived=0, sender=""):
        self.number, self.mid, self.refs = number, mid, list(refs)
        self.subject, self.sent, self.arrived = subject, sent, arrived
        self.sender = sender
        self.parent, self.children = None, []

    @property
    def dummy(self):
        return self.number is None

    @property
    def base(self):
        return re.sub(r"^(re: )+", "", self.subject, flags=re.I).lower()

    @property
    def is_reply(self):
        return self.subject.lower().startswith("re: ")

    def date(self):
        return (self.sent, self.number) if not self.dummy else \
            min(c.date() for c in self.children)

    def adopt(self, child):
        if child.parent:
            child.parent.children.remove(child)
        child.parent = self
        self.children.append(child)

    def is_below(self, other):
        while self and self is not other:
            self = self.parent
        return self is other

    def all(self):
        yield self
        for c in self.children:
            yield from c.all()


def link(messages):
    """Steps 1 and 2."""
    ids, root = {}, Message(None)
    for m in messages:
        if m.mid and m.mid not in ids:
            ids[m.mid] = m
        else:
            m.mid = None
    for m in messages:
        last = None
        for r in m.refs:
            node = ids.setdefault(r, Message(None, r))
            if last and not node.parent and not last.is_below(node):
                last.adopt(node)
            last = node
        if m.parent:
            m.parent.children.remove(m)
            m.parent = None
        if last and not last.is_below(m):
            last.adopt(m)
    for node in list(messages) + list(ids.values()):
        if not node.parent:
            root.adopt(node)
    return root


def prune(node, root):
    """Step 3."""
    for c in list(node.children):
        prune(c, root)
    for c in list(node.children):
        if c.dummy and (not c.children or node is not root or
                        len(c.children) == 1):
            node.children.remove(c)
            for grandchild in list(c.children):
                node.adopt(grandchild)


def order(node):
    for c in node.children:
        order(c)
    node.children.sort(key=Message.date)


def merge(root):
    """Step 5."""
    def subject(m):
        return m.children[0].base if m.dummy else m.base

    table = {}
    for m in root.children:
        s = subject(m)
        if s and (s not in table or (not table[s].dummy and (
                m.dummy or (table[s].is_reply and not m.is_reply)))):
            table[s] = m
    for m in list(root.children):
        s = subject(m)
        t = table.get(s)
        if not s or t is m:
            continue
        if m.dummy and t.dummy:
            for c in list(m.children):
                t.adopt(c)
            root.children.remove(m)
        elif t.dummy or (m.is_reply and not t.is_reply):
            t.adopt(m)
        else:
            new = Message(None)
            root.adopt(new)
            new.adopt(t)
            new.adopt(m)
            table[s] = new


def references(messages):
    root = link(messages)
    prune(root, root)
    order(root)
    merge(root)
    order(root)
    return root


def refs(messages):
    root = link(messages)
    prune(root, root)
    order(root)

    def last(thread):
        there = [m for m in thread.all() if not m.dummy]
        return (max(m.arrived for m in there), min(m.number for m in there))

    root.children.sort(key=last)
    return root


def ordered_subject(messages):
    root, threads = Message(None), {}
    for m in sorted(messages, key=Message.date):
        threads.setdefault(m.base, m)
        (root if threads[m.base] is m else threads[m.base]).adopt(m)
    return root


def text(node):
    """The answer to THREAD."""
    def line(m):
        words = "" if m.dummy else str(m.number)
        if len(m.children) == 1:
            return words + " " + line(m.children[0])
        below = "".join(f"({line(c)})" for c in m.children)
        return " ".join(w for w in (words, below) if w)

    return "".join(f"({line(c)})" for c in node.children)


def make(seed, count):
    rnd = random.Random(seed)
    made = []
    for n in range(1, count + 1):
        known = [f"<{rnd.randrange(count // 2 + 3)}@x>" for _ in range(
            rnd.choice((0, 0, 1, 1, 2, 3)))]
        made.append(Message(
            n, rnd.choice((None, f"<{n // 2}@x>", f"<{n}@x>")), known,
            rnd.choice(("", "Re: ", "Re: Re: ")) + rnd.choice(
                ("", "apple", "Bean", "CORN", f"s{rnd.randrange(count)}")),
            DAY + 60 * rnd.randrange(count), DAY + 60 * rnd.randrange(count),
            rnd.choice(("zoe", "Adam", "bob", "Bob", "_x"))))
    return made


def store(c, messages):
    for m in messages:
        fields = [f"From: {m.sender}@example.org", f"Subject: {m.subject}",
                  "Date: " + rfc5322(m.sent)]
        if m.mid:
            fields.append(f"Message-ID: {m.mid}")
        if m.refs:
            fields.append("References: " + "\r\n ".join(m.refs))
        body = "\r\n".join(fields) + "\r\n\r\n" + "x" * (m.sent % 97)
        ok(c.append("INBOX", None, m.arrived, body.encode()))
    ok(c.select())


def rfc5322(seconds):
    from email.utils import formatdate
    return formatdate(seconds)


@pytest.mark.parametrize("seed", range(4))
def test_threads_are_those_of_the_rfc(server, user, seed):
    with server.imap(user) as c:
        store(c, make(seed, 60))
        for name, model in (("REFERENCES", references), ("REFS", refs),
                            ("ORDEREDSUBJECT", ordered_subject)):
            data, = ok(c.thread(name, "UTF-8", "ALL"))
            assert data.decode() == text(model(make(seed, 60))), name


def test_sorted_messages_are_in_order(server, user):
    messages = make(7, 80)
    keys = {
        "SUBJECT": lambda m: m.base.upper(),
        "DATE": lambda m: m.sent,
        "ARRIVAL": lambda m: m.arrived,
        "FROM": lambda m: m.sender.upper(),
    }
    with server.imap(user) as c:
        store(c, messages)
        for name, key in keys.items():
            for reverse in (False, True):
                want = sorted(messages, key=key, reverse=reverse)
                program = f"({'REVERSE ' * reverse}{name})"
                data, = ok(c.sort(program, "UTF-8", "ALL"))
                assert data.split() == [
                    b"%d" % m.number for m in want], program
        want = sorted(messages, key=lambda m: (m.base.upper(), -m.sent))
        data, = ok(c.uid("SORT", "(SUBJECT REVERSE DATE)", "UTF-8", "ALL"))
        assert data.split() == [b"%d" % m.number for m in want]
        data, = ok(c.sort("(DATE)", "UTF-8", "SUBJECT", "apple"))
        assert data.split() == [b"%d" % m.number for m in sorted(
            messages, key=lambda m: m.sent) if "apple" in m.subject]


def apply_updates(results, line):
    """What an ESEARCH line of a context does to a list of UIDs."""
    for how, pairs in re.findall(r"(ADDTO|REMOVEFROM) \(([^)]*)\)", line):
        words = pairs.split()
        for pos, uids in zip(words[::2], words[1::2]):
            new = [n for r in uids.split(",") for n in range(
                int(r.split(":")[0]), int(r.split(":")[-1]) + 1)]
            at = int(pos) - 1
            if how == "ADDTO":
                results[at:at] = new
            else:
                assert results[at:at + len(new)] == new
                del results[at:at + len(new)]


def test_sorted_contexts_stay_in_order(server, user):
    """RFC 5267: a client that follows the updates has what SORT says."""
    rnd = random.Random(11)
    messages = make(11, 60)
    program = "(SUBJECT REVERSE DATE) UTF-8 UNDELETED"
    with server.imap(user) as other, server.raw("imap") as c:
        store(other, messages[:30])
        c.line()
        c.tagged(f'LOGIN {user.address} "{user.password}"')
        c.tagged("SELECT INBOX")
        results = []
        lines, _ = c.tagged(f"UID SORT RETURN (UPDATE ALL) {program}", "ctx")
        apply_updates(results, lines[-1].decode().strip().replace(
            "ALL ", "ADDTO (1 ") + ")")
        for m in messages[30:]:
            picked = ",".join(str(rnd.randrange(1, 61)) for _ in range(3))
            ok(other.uid("STORE", picked, rnd.choice("+-") + "FLAGS.SILENT",
                         "(\\Deleted)"))
            if m.number % 5 == 0:
                ok(other.uid("EXPUNGE", f"{m.number // 3}:{m.number // 2}"))
            ok(other.append("INBOX", None, m.arrived,
                            f"Subject: {m.subject}\r\nDate: "
                            f"{rfc5322(m.sent)}\r\n\r\n".encode()))
            for line in map(bytes.decode, c.tagged("NOOP")[0]):
                if "ESEARCH" in line:
                    assert '(TAG "ctx") UID' in line
                    apply_updates(results, line)
            lines, _ = c.tagged(f"UID SORT {program}")
            want, = [w for w in lines if w.startswith(b"* SORT")]
            assert results == [int(n) for n in want.split()[2:]]
        assert results
