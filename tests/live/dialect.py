"""A client that speaks IMAP4rev2 (RFC 9051), UIDONLY (RFC 9586) or NOTIFY
(RFC 5465), each with the others or alone.

What an extension takes away must not come any more, and what it adds is part
of the picture.
"""
from imapwire import Client, flags_told


class DialectClient(Client):
    """
    extensions: words, "IMAP4rev2" and "UIDONLY" are enabled after log-in;
    after "NOTIFY" comes how the selected mailbox is watched.
    Under UIDONLY those messages whose UID is not known are the last, and
    stand for any.
    """

    def __init__(self, sock, extensions):
        words = extensions.split()
        self.is_rev2 = "IMAP4rev2" in words
        self.is_uidonly = "UIDONLY" in words
        self.notify = words[-1] if "NOTIFY" in words else None
        self.awaited = None     # the tag
        self.gone = set()       # (UIDVALIDITY, UID)
        super().__init__(sock)

    def login(self, name, password):
        super().login(name, password)
        words = ["IMAP4rev2"] * self.is_rev2 + ["UIDONLY"] * self.is_uidonly
        if words:
            self.ok("ENABLE " + " ".join(words))

    def watch(self):
        """Everything there is, and the state of it to begin with."""
        self.ok(f"NOTIFY SET STATUS ({self.notify} (MessageNew (UID FLAGS) "
                "MessageExpunge FlagChange)) (PERSONAL (MessageNew "
                "MessageExpunge FlagChange MailboxName))")

    def finish(self, tag):
        self.awaited = tag
        return super().finish(tag)

    def select(self, mailbox, read_only=False):
        if self.messages is not None and self.notify and not self.is_rev2:
            # There is no CLOSED: else news may be of the one or the other.
            self.ok("UNSELECT")
            self.messages = None
        if self.messages is None or not self.is_rev2:
            super().select(mailbox, read_only)
            return
        # RFC 9051 6.3.2: what comes before CLOSED is of the old one.
        self.uidvalidity = None
        word = "EXAMINE" if read_only else "SELECT"
        self.ok(f'{word} "{mailbox}"')
        if not any(u[1:2] == ("CLOSED",) for u in self.untagged):
            self.fail("no CLOSED")

    # ---- what comes

    def read_text(self, r):
        code, text = super().read_text(r)
        if code == "CLOSED":
            self.messages = []
        elif code == "NOTIFICATIONOVERFLOW":
            self.fail(code)
        return code, text

    def read_untagged(self, r):
        answer = super().read_untagged(r)
        if self.is_rev2 and answer[0] in ("SEARCH", "RECENT"):
            self.fail(f"{answer[0]} after ENABLE IMAP4rev2")
        if answer[0] == "ESEARCH" and answer[1] != self.awaited:
            self.fail(f"ESEARCH for {answer[1]}")
        return answer

    def see_fetch(self, n, items):
        if self.is_uidonly:
            self.fail("FETCH after ENABLE UIDONLY")
        # RFC 9051 7.5.2, RFC 5465 5.1: a number alone says too little.
        if (self.is_rev2 or self.notify) and not self.holds_expunge and \
                "UID" not in items:
            self.fail(f"no UID in {items}")
        self.check_recent(items)
        super().see_fetch(n, items)

    def check_recent(self, items):
        if self.is_rev2 and "\\Recent" in items.get("FLAGS", []):
            self.fail("\\Recent after ENABLE IMAP4rev2")

    def see_expunge(self, n):
        if self.is_uidonly:
            self.fail("EXPUNGE after ENABLE UIDONLY")
        super().see_expunge(n)

    # ---- without numbers

    def find(self, uid):
        """The message, or one that it may be."""
        for m in self.picture():
            if m.uid in (uid, None):
                return m
        return self.fail(f"{uid} is none of {len(self.messages)}")

    def see_uidfetch(self, uid, items):
        if not self.is_uidonly:
            super().see_uidfetch(uid, items)
        if items.get("UID", uid) != uid:
            self.fail(f"UID {items['UID']} of {uid}")
        if (self.uidvalidity, uid) in self.gone:
            self.fail(f"{uid} had vanished")
        self.check_recent(items)
        m = self.find(uid)
        if not m.uid:
            m.uid = uid
            self.messages.sort(key=lambda m: m.uid or 1 << 32)
        if "FLAGS" in items:
            m.flags = flags_told(items)

    def see_vanished(self, earlier, uids):
        if not self.is_uidonly or earlier:
            super().see_vanished(earlier, uids)
        for uid in uids:
            self.messages.remove(self.find(uid))
            self.gone.add((self.uidvalidity, uid))
