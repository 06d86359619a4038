"""A client that speaks CONDSTORE or QRESYNC (RFC 7162) and holds the server to
what it claims.

HIGHESTMODSEQ is a promise: whatever has changed up to it has been told. So a
client checks each answer against what it knows, remembers its picture with the
last promise, and comes back later with both.
"""
from imapwire import Client


class Memory:
    """What a client keeps of a mailbox while it is away."""

    def __init__(self, uidvalidity, modseq, flags):
        self.uidvalidity = uidvalidity
        self.modseq = modseq
        self.flags = flags      # by UID; None: not known


class ResyncClient(Client):
    """
    extension: "CONDSTORE" or "QRESYNC", enabled after log-in.
    claim: what the server has promised, as of the last command that ended.
    memory: a Memory as of then; None without a mailbox or a full picture.
    """

    def __init__(self, sock, extension):
        self.extension = extension
        self.is_enabled = False
        self.heard = 0          # the highest promise so far in this command
        self.claim = 0
        self.memory = None
        self.returning = None   # a Memory: the server is telling what is new
        self.earlier = set()    # UIDs of VANISHED (EARLIER) meanwhile
        self.has_count = False
        super().__init__(sock)

    def login(self, name, password):
        super().login(name, password)
        self.ok("ENABLE " + self.extension)
        self.is_enabled = True

    # ---- promises

    def see_code(self, code):
        if code and code.startswith("HIGHESTMODSEQ "):
            self.heard = int(code.split()[1])
        elif code == "NOMODSEQ":
            self.fail("NOMODSEQ")
        elif code == "CLOSED":
            self.messages = []
            self.has_count = False

    def read_text(self, r):
        code, text = super().read_text(r)
        self.see_code(code)
        return code, text

    def finish(self, tag):
        answer = super().finish(tag)
        self.merge()
        self.remember()
        return answer

    def remember(self):
        """A command has ended: what was heard counts."""
        self.claim = self.heard
        self.memory = None
        if self.messages is None or not self.claim:
            return
        if all(m.uid for m in self.messages):
            self.memory = Memory(self.uidvalidity, self.claim,
                                 {m.uid: m.flags for m in self.messages})

    def see_fetch(self, n, items):
        m = self.messages[n - 1] if self.messages and \
            n <= len(self.messages) else None
        before = m.flags if m else None
        super().see_fetch(n, items)
        if "FLAGS" not in items or "MODSEQ" not in items:
            return              # an answer to who has not asked for it
        modseq = int(items["MODSEQ"][0])
        if before not in (None, m.flags) and modseq <= self.claim:
            self.fail(f"message {n}: {set(before)} became {set(m.flags)} at "
                      f"{modseq}, and up to {self.claim} all was told")
        if not self.returning:
            self.heard = max(self.heard, modseq)

    def forget_flags(self, messages):
        super().forget_flags(messages)
        remembered = self.memory.flags if self.memory else {}
        for m in messages:
            if m.uid in remembered:
                remembered[m.uid] = None

    def see_exists(self, n):
        if self.has_count:
            self.merge()        # news, no part of the answer
        self.has_count = True
        super().see_exists(n)

    # ---- what has gone

    def see_expunge(self, n):
        if self.is_enabled and self.extension == "QRESYNC":
            self.fail("EXPUNGE after ENABLE QRESYNC")
        super().see_expunge(n)

    def see_vanished(self, earlier, numbers):
        if self.extension != "QRESYNC":
            self.fail("VANISHED")
        if earlier:
            if self.returning:
                self.earlier.update(numbers)
                return
            for m in self.picture():
                if m.uid in numbers:
                    self.fail(f"{m.uid} has vanished earlier")
            return
        if self.holds_expunge:
            self.fail("VANISHED during a command with numbers")
        if self.has_count:
            self.merge()
        for uid in numbers:
            self.vanish(uid)

    def vanish(self, uid):
        """Takes it out; one whose UID is not known may be any in its place."""
        messages = self.picture()
        places = []
        for i, m in enumerate(messages):
            if m.uid == uid:
                places = [i]
                break
            if m.uid and m.uid > uid:
                break
            if m.uid is None:
                places.append(i)
            else:
                places.clear()
        if not places:
            self.fail(f"{uid} vanished and was not there")
        for i in places:
            messages[i].flags = None
        del messages[places[-1]]

    # ---- coming back

    def select(self, mailbox, read_only=False):
        self.claim = self.heard = 0
        if self.extension != "QRESYNC":
            super().select(mailbox, read_only)
            return
        self.leave_for(mailbox, read_only, "")

    def leave_for(self, mailbox, read_only, how):
        """RFC 7162 3.2.11: what comes before CLOSED is of the old one."""
        was_selected = self.messages is not None
        if not was_selected:
            self.messages = []
        self.uidvalidity = None
        word = "EXAMINE" if read_only else "SELECT"
        self.ok(f'{word} "{mailbox}"{how}')
        if not self.uidvalidity or not self.heard:
            self.fail("no UIDVALIDITY or no HIGHESTMODSEQ")
        if was_selected and not any(u[1:2] == ("CLOSED",)
                                    for u in self.untagged):
            self.fail("no CLOSED")

    def resync(self, mailbox, memory, read_only=False):
        """SELECT with what is remembered; the picture must come out whole."""
        if not memory:
            return self.select(mailbox, read_only)
        if self.extension == "CONDSTORE":
            return self.catch_up(mailbox, memory, read_only)
        self.returning, self.earlier = memory, set()
        self.has_count = False
        self.claim = self.heard = 0
        self.leave_for(mailbox, read_only, f" (QRESYNC "
                       f"({memory.uidvalidity} {memory.modseq}))")

    def merge(self):
        """What is remembered, and what came since, is all that is there."""
        memory, self.returning = self.returning, None
        if not memory or self.uidvalidity != memory.uidvalidity:
            return
        known = {uid: flags for uid, flags in memory.flags.items()
                 if uid not in self.earlier}
        known.update((m.uid, m.flags) for m in self.messages if m.uid)
        if len(known) != len(self.messages):
            self.fail(f"{len(known)} messages by {memory.modseq} and what "
                      f"came since, and {len(self.messages)} are there")
        for m, uid in zip(self.messages, sorted(known)):
            if m.uid not in (None, uid):
                self.fail(f"UID {m.uid} where {uid} is")
            m.uid, m.flags = uid, known[uid]

    def catch_up(self, mailbox, memory, read_only):
        """RFC 7162 3.1.3 and 6: without QRESYNC, in three commands."""
        self.select(mailbox, read_only)
        if self.uidvalidity != memory.uidvalidity:
            return
        self.ok("UID SEARCH ALL")
        found = [u[1] for u in self.untagged if u[0] == "SEARCH"][0]
        news = any(u[0] in ("EXISTS", "EXPUNGE") for u in self.untagged)
        if news or len(found) != len(self.messages):
            return          # not a quiet moment: everything is unknown
        for m, uid in zip(self.messages, found):
            m.uid = uid
            m.flags = memory.flags.get(uid)
        # What is remembered may be older than the promise of this SELECT.
        self.claim = self.heard = memory.modseq
        self.changed_since(memory.modseq)

    def changed_since(self, modseq):
        """Asks for what has changed, and for nothing else."""
        vanished = " VANISHED" if self.extension == "QRESYNC" else ""
        self.ok(f"UID FETCH 1:* (FLAGS) (CHANGEDSINCE {modseq}{vanished})",
                uid=True)
        for u in self.untagged:
            if u[0] == "FETCH" and "FLAGS" in u[2] and \
                    int(u[2]["MODSEQ"][0]) <= modseq:
                self.fail(f"{u} has not changed since {modseq}")

