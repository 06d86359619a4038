"""IMAP by imaplib and by a strict client of our own, often two at once."""
import base64
import email
import imaplib
import re
import smtplib
import zlib

import pytest

import kp
from imapwire import Client
from kp import exists, flags_of, mail, ok


@pytest.fixture
def full(server, user):
    """An account with four messages; what was sent is in user.sent."""
    user.sent = [server.deliver(user, mail(f"Number {i}"))
                 for i in range(1, 5)]
    return user


def wire(server, user, mailbox="INBOX", listener="imap"):
    c = Client(server.raw(listener).sock)
    c.login(user.address, user.password)
    if mailbox:
        c.select(mailbox)
    return c


@pytest.mark.parametrize("how", ["tls", "starttls", "plain"])
def test_messages_are_read_as_they_were_sent(server, full, how):
    with server.imap(full, how) as c:
        assert ok(c.select()) == [b"4"]
        data = ok(c.fetch("1:4", "(RFC822.SIZE BODY.PEEK[])"))
        parts = [d for d in data if isinstance(d, tuple)]
        for (head, text), sent in zip(parts, full.sent):
            assert text.endswith(sent)
            assert f"RFC822.SIZE {len(text)}".encode() in head
        assert flags_of(c, 1) == set()
        ok(c.fetch("1", "(BODY[TEXT])"))
        assert flags_of(c, 1) == {"\\Seen"}


def test_capability_is_in_greeting_and_log_in(server, user):
    with server.raw("imap") as c:
        greeting = c.line().decode()
        assert greeting.startswith("* OK [CAPABILITY IMAP4rev1")
        assert "STARTTLS" in greeting
        lines, done = c.tagged(
            f'LOGIN {user.address} "{user.password}"')
        assert "[CAPABILITY IMAP4rev1" in done
        for name in ("LITERAL+", "SASL-IR", "ID", "ENABLE", "IDLE",
                     "NAMESPACE", "CHILDREN", "UNSELECT", "UIDPLUS", "MOVE",
                     "SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS",
                     "ESEARCH", "XLIST"):
            assert f" {name}" in done, name
        assert "APPENDLIMIT=%d" % (50 << 20) in done


def test_wrong_password_is_refused(server, user):
    with server.imap() as c:
        with pytest.raises(imaplib.IMAP4.error) as e:
            c.login(user.address, "wrong")
        assert "AUTHENTICATIONFAILED" in str(e.value)
        c.login(user.address, user.password)
        ok(c.select())


def test_authenticate_plain(server, user):
    with server.imap() as c:
        c.authenticate("PLAIN", lambda _: f"\0{user.address}\0"
                       f"{user.password}".encode())
        ok(c.select())


def test_folders_of_a_new_account(server, user):
    with wire(server, user, None) as c:
        c.ok('LIST "" "*"')
        listed = {u[3].decode(): u[1] for u in c.untagged}
        assert set(listed) == {"INBOX", "Drafts", "Sent", "Junk", "Trash",
                               "Archive"}
        for name in listed:
            if name != "INBOX":
                assert "\\" + name in listed[name]
        c.ok('LSUB "" "*"')
        assert {u[3].decode() for u in c.untagged} >= {"Sent", "Trash"}
        c.ok('LIST (SPECIAL-USE) "" "*"')
        assert len(c.untagged) == 5
        c.ok('LIST "" "%" RETURN (STATUS (MESSAGES UIDNEXT))')
        assert c.names().count("STATUS") == 6


def test_select_tells_all(server, full):
    with wire(server, full) as c:
        codes = [u[1] for u in c.untagged if u[0] == "OK" and u[1]]
        assert ("EXISTS", 4) in c.untagged
        assert any(u[0] == "RECENT" for u in c.untagged)
        assert any(code.startswith("UIDNEXT ") for code in codes)
        assert any(code.startswith("PERMANENTFLAGS (") and "\\*" in code
                   for code in codes)
        assert any(code.startswith("UNSEEN 1") for code in codes)


def test_append_with_flags_and_date(server, user):
    message = mail()
    with server.imap(user) as c:
        answer = ok(c.append("Drafts", "(\\Draft \\Seen)",
                             '" 1-Feb-2020 03:04:05 +0100"', message))
        assert re.search(rb"\[APPENDUID \d+ 1\]", answer[0])
        ok(c.select("Drafts"))
        assert flags_of(c, 1) == {"\\Draft", "\\Seen"}
        data = ok(c.fetch("1", "(INTERNALDATE BODY.PEEK[])"))
        assert b'" 1-Feb-2020 0' in data[0][0]
        assert data[0][1] == message
        status, text = c.append(kp.quote("No such"), None, None, message)
        assert status == "NO" and b"[TRYCREATE]" in text[0]


def test_a_message_with_nul_comes_back_whole(server, user):
    body = bytes(range(256)) * 4096
    message = mail(body=b"").replace(
        b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: binary\r\n\r\n") + body
    with server.imap(user) as c:
        tag = c._new_tag()
        c.send(tag + b" APPEND INBOX ~{%d+}\r\n" % len(message) + message +
               b"\r\n")
        assert c._command_complete("APPEND", tag)[0] == "OK"
        ok(c.select())
        shown = ok(c.fetch("1", "(RFC822.SIZE BODY.PEEK[])"))[0]
        assert b"RFC822.SIZE %d " % len(shown[1]) in shown[0]
        assert email.message_from_bytes(shown[1]).get_payload(
            decode=True) == body
        # imaplib reads {n} and not ~{n}: the same literal, but for its name
        for item, want in (("BINARY.PEEK[]", message),
                           ("BINARY.PEEK[1]", body),
                           ("BINARY.PEEK[1]<1000.70000>",
                            body[1000:71000])):
            assert ok(c.fetch("1", item))[0][1] == want


def test_append_takes_several_shapes_of_literal(server, user):
    message = mail()
    with wire(server, user) as c:
        assert c.append("INBOX", message)[0] == "OK"
        assert c.append("inbox", message, sync=False)[0] == "OK"
        assert len(c.messages) == 2
        assert c.fetch("1:2", "(BODY.PEEK[])")[2]["BODY[]"] == message


def test_copy_and_move_tell_uids(server, full):
    with wire(server, full) as c:
        code = c.ok("COPY 1:2 Archive")
        assert re.fullmatch(r"COPYUID \d+ 1:2 1:2", code)
        c.ok("UID MOVE 3:4 Archive", uid=True)
        copied = [u[1] for u in c.untagged
                  if u[0] == "OK" and u[1] and u[1].startswith("COPYUID")]
        assert re.fullmatch(r"COPYUID \d+ 3:4 3:4", copied[0])
        assert c.names().count("EXPUNGE") == 2
        assert len(c.messages) == 2
        c.ok("UID MOVE 99 Archive", uid=True)   # gone already: not an error
        c.select("Archive")
        got = c.fetch("1:*", "(BODY.PEEK[] FLAGS)")
        assert [got[n]["BODY[]"].endswith(s) for n, s in
                enumerate(full.sent, 1)] == [True] * 4


def test_expunge_and_uid_expunge(server, full):
    with wire(server, full) as c:
        c.ok("STORE 1,3,4 +FLAGS (\\Deleted)", holds=True)
        c.ok("UID EXPUNGE 3:4", uid=True)
        assert [u for u in c.untagged if u[0] == "EXPUNGE"] in (
            [("EXPUNGE", 3), ("EXPUNGE", 3)],
            [("EXPUNGE", 4), ("EXPUNGE", 3)])
        c.ok("EXPUNGE")
        assert ("EXPUNGE", 1) in c.untagged
        got = c.fetch("1:*", "(UID)")
        assert got == {1: {"UID": 2}}


def test_close_expunges_quietly_and_unselect_does_not(server, full):
    with wire(server, full) as c:
        c.ok("STORE 1 +FLAGS (\\Deleted)", holds=True)
        c.ok("UNSELECT")
        c.select("INBOX")
        assert len(c.messages) == 4
        c.ok("CLOSE")
        assert "EXPUNGE" not in c.names()
        c.select("INBOX")
        assert len(c.messages) == 3


def test_flags_and_keywords(server, full):
    with wire(server, full) as one, wire(server, full) as two:
        one.ok("STORE 1:2 FLAGS (\\Flagged $Label1 Own)", holds=True)
        assert one.messages[0].flags == {"\\flagged", "$label1", "own"}
        two.ok("NOOP")
        assert two.messages[1].flags == {"\\flagged", "$label1", "own"}
        one.ok("STORE 2 -FLAGS (\\Flagged)", holds=True)
        one.ok("STORE 1 +FLAGS.SILENT (\\Seen)", holds=True)
        assert "FETCH" not in one.names()
        two.ok("NOOP")
        assert two.messages[0].flags >= {"\\seen"}
        assert two.messages[1].flags == {"$label1", "own"}
        one.ok("SEARCH KEYWORD own", holds=True)
        assert ("SEARCH", [1, 2]) in one.untagged


def test_idle_hears_of_delivery_flags_and_expunge(server, full):
    with wire(server, full) as one, wire(server, full) as two:
        tag = one.start("IDLE\r\n")
        assert one.read()[0] == "+"
        server.deliver(full)
        while ("EXISTS", 5) not in one.untagged:
            one.read()
        two.ok("NOOP")
        two.ok("STORE 2 +FLAGS (\\Deleted)", holds=True)
        while one.messages[1].flags is None:
            one.read()
        assert one.messages[1].flags == {"\\deleted"}
        two.ok("EXPUNGE")
        while ("EXPUNGE", 2) not in one.untagged:
            one.read()
        one.send(b"DONE\r\n")
        assert one.finish(tag)[0] == "OK"
        assert len(one.messages) == 4


def test_commands_may_follow_done_at_once(server, full):
    # A phone does not wait, and wants its answers in order.
    with wire(server, full) as c:
        c.send(b"a IDLE\r\nDONE\r\nb NOOP\r\nc IDLE\r\nDONE\r\n"
               b"d NAMESPACE\r\ne LIST \"\" \"*\" RETURN (SPECIAL-USE)\r\n")
        tags = []
        while len(tags) < 5:
            got = c.read()
            if got[0] == "tagged":
                assert got[2] == "OK"
                tags.append(got[1])
        assert tags == ["a", "b", "c", "d", "e"]


def test_expunge_waits_for_commands_with_numbers(server, full):
    with wire(server, full) as one, wire(server, full) as two:
        two.ok("STORE 2 +FLAGS.SILENT (\\Deleted)", holds=True)
        two.ok("EXPUNGE")
        got = one.fetch("3", "(UID)")       # holds: an EXPUNGE would fail
        assert got[3]["UID"] == 3
        one.ok("SEARCH ALL", holds=True)
        assert ("SEARCH", [1, 2, 3, 4]) in one.untagged or \
            ("SEARCH", [1, 3, 4]) in one.untagged
        one.ok("STORE 4 +FLAGS (\\Seen)", holds=True)
        one.ok("NOOP")
        assert ("EXPUNGE", 2) in one.untagged
        assert one.fetch("2", "(UID)")[2]["UID"] == 3


def test_message_gone_is_still_read_by_those_who_have_it(server, full):
    with wire(server, full) as one, wire(server, full) as two:
        two.ok("STORE 1 +FLAGS.SILENT (\\Deleted)", holds=True)
        two.ok("EXPUNGE")
        text = one.fetch("1", "(BODY.PEEK[])")[1]["BODY[]"]
        assert text is None or text.endswith(full.sent[0])


def test_search_knows_charsets_and_encodings(server, user):
    head = ("Subject: =?iso-8859-1?Q?Gr=FC=DFe?=\r\n"
            "Content-Type: text/plain; charset=koi8-r\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n")
    body = base64.encodebytes("Привет, мир\r\n".encode("koi8-r"))
    with server.imap(user) as c:
        ok(c.append("INBOX", None, None,
                    head.encode() + body.replace(b"\n", b"\r\n")))
        ok(c.select())
        for key, words, found in (("SUBJECT", "GRÜSSE", True),
                                  ("SUBJECT", "grüße", True),
                                  ("BODY", "пРИВЕТ", True),
                                  ("TEXT", "мир", True),
                                  ("BODY", "война", False)):
            c.literal = words.encode()
            data = ok(c.uid("SEARCH", "CHARSET", "UTF-8", key))
            assert data == ([b"1"] if found else [b""]) or \
                data == ([b"1"] if found else [None]), (key, words)


def test_search_by_date_size_flag_and_uid(server, full):
    with server.imap(full, mailbox="INBOX") as c:
        ok(c.store("2", "+FLAGS", "\\Answered"))
        for keys, found in (
                ("ALL", b"1 2 3 4"), ("ANSWERED", b"2"),
                ("NOT ANSWERED", b"1 3 4"), ("SENTON 1-Jan-2024",
                                             b"1 2 3 4"),
                ("SENTBEFORE 1-Jan-2024", b""), ("SMALLER 10", b""),
                ("LARGER 10 SUBJECT \"number 3\"", b"3"),
                ("OR SUBJECT \"number 1\" UID 4", b"1 4"),
                ("2:3 UNSEEN", b"2 3"), ("UID 3:*", b"3 4"),
                ("FROM elsewhere.example HEADER Message-ID \"\"",
                 b"1 2 3 4")):
            data = ok(c.search(None, keys))
            assert (data[0] or b"") == found, keys
        with pytest.raises(imaplib.IMAP4.error):
            c.search(None, "NONSENSE")


def test_esearch(server, full):
    with wire(server, full) as c:
        c.ok("SEARCH RETURN (MIN MAX COUNT ALL) ALL", holds=True)
        (tag, by_uid, found), = [u[1:] for u in c.untagged
                                 if u[0] == "ESEARCH"]
        assert tag and not by_uid
        assert found == {"MIN": "1", "MAX": "4", "COUNT": "4", "ALL": "1:4"}


def test_envelope_and_bodystructure_of_nested_mail(server, user):
    message = (
        'From: "A \\"Q\\" B" <a@x.example>, c@x.example\r\n'
        "To: group: d@x.example, e@x.example;\r\nSubject: nested\r\n"
        "Date: Mon, 01 Jan 2024 12:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="b1"\r\n\r\n'
        "--b1\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
        "--b1\r\nContent-Type: message/rfc822\r\n\r\n"
        "Subject: inner\r\n\r\ninner text\r\n"
        '--b1\r\nContent-Type: image/png; name="p.png"\r\n'
        "Content-Transfer-Encoding: base64\r\n"
        'Content-Disposition: attachment; filename="p.png"\r\n\r\n'
        "AAAA\r\n--b1--\r\n").encode()
    with wire(server, user) as c:
        assert c.append("INBOX", message)[0] == "OK"
        got = c.fetch("1", "(ENVELOPE BODYSTRUCTURE BODY)")[1]
        envelope = got["ENVELOPE"]
        assert envelope[1] == b"nested"
        assert envelope[2][0] == [b'A "Q" B', None, b"a", b"x.example"]
        assert len(envelope[2]) == 2 and len(envelope[5]) == 4
        structure = got["BODYSTRUCTURE"]
        assert structure[0][:2] == [b"text", b"plain"] or \
            structure[0][0].lower() == b"text"
        assert structure[1][7][1] == b"inner"
        assert structure[3].lower() == b"mixed"
        flat = str(structure).lower()
        assert "attachment" in flat and "p.png" in flat
        got = c.fetch("1", "(BODY.PEEK[1] BODY.PEEK[2.HEADER] "
                      "BODY.PEEK[2.1] BODY.PEEK[3.MIME] "
                      "BODY.PEEK[3]<1.2> BODY.PEEK[9])")[1]
        assert got["BODY[1]"] == b"plain"
        assert got["BODY[2.HEADER]"] == b"Subject: inner\r\n\r\n"
        assert got["BODY[2.1]"] == b"inner text"
        assert got["BODY[3]<1>"] == b"AA"
        assert got["BODY[3.MIME]"].endswith(b'"p.png"\r\n\r\n')
        assert got["BODY[9]"] in (None, b"")


def test_header_fields_are_named_as_they_were_asked_for(server, full):
    with wire(server, full) as c:
        got = c.fetch("1", "(BODY.PEEK[HEADER.FIELDS (From subject "
                      "X-None)])")[1]
        assert got["BODY[HEADER.FIELDS (From subject X-None)]"] == (
            b"From: Carol <carol@elsewhere.example>\r\n"
            b"Subject: Number 1\r\n\r\n") or list(got)[0].upper() == \
            "BODY[HEADER.FIELDS (FROM SUBJECT X-NONE)]"


def test_mailboxes_are_made_renamed_and_deleted(server, user):
    with server.imap(user) as c:
        ok(c.create("Work"))
        ok(c.create("Work/2024/May"))
        ok(c.create('"Entw&APw-rfe"'))
        assert c.create("Work")[0] == "NO"
        assert c.create("inbox")[0] == "NO"
        ok(c.append("Work/2024/May", None, None, mail()))
        ok(c.rename("Work/2024", "Old"))
        names = [line.split(b" ")[-1].strip(b'"') for line in ok(c.list())]
        assert {b"Work", b"Old", b"Old/May", b"Entw&APw-rfe"} <= set(names)
        assert b"Work/2024/May" not in names
        assert ok(c.select("Old/May")) == [b"1"]
        ok(c.select())
        ok(c.delete("Old/May"))
        assert c.select("Old/May")[0] == "NO"
        assert c.delete("INBOX")[0] == "NO"


def test_deleted_mailbox_never_gets_its_uidvalidity_back(server, user):
    with wire(server, user) as c:
        c.ok("CREATE M")
        c.select("M")
        first = c.uidvalidity
        c.select("INBOX")
        c.ok("DELETE M")
        c.ok("CREATE M")
        c.select("M")
        assert c.uidvalidity > first


def test_rename_of_inbox_moves_its_messages(server, full):
    with wire(server, full) as c:
        c.ok("RENAME INBOX Saved")
        c.select("Saved")
        assert len(c.messages) == 4
        c.select("INBOX")
        assert len(c.messages) == 0


def test_status_counts(server, full):
    with server.imap(full) as c:
        data = ok(c.status("INBOX", "(MESSAGES UIDNEXT UNSEEN RECENT "
                           "UIDVALIDITY)"))[0].decode()
        assert "MESSAGES 4" in data and "UNSEEN 4" in data
        assert "UIDNEXT 5" in data


def test_examine_changes_nothing(server, full):
    with wire(server, full, None) as c:
        c.select("INBOX", read_only=True)
        c.fetch("1", "(BODY[])")
        assert c.command("STORE 1 +FLAGS (\\Seen)", holds=True)[0] == "NO"
        assert c.command("EXPUNGE")[0] == "NO"
    with server.imap(full, mailbox="INBOX") as c:
        assert flags_of(c, 1) == set()


def test_mailbox_of_another_is_not_there(server, full):
    other = server.new_user()
    with server.imap(other) as c:
        ok(c.create("Private"))
        ok(c.append("Private", None, None, mail()))
    with server.imap(full) as c:
        for name in ("Private", f"user/{other.address}/Private",
                     f"{other.address}/INBOX", "../INBOX"):
            assert c.select(kp.quote(name))[0] == "NO"
        assert exists_nowhere(c, b"Private")


def exists_nowhere(client, name):
    return all(name not in line for line in ok(client.list()))


def test_deleted_mailbox_under_a_session(server, user):
    with wire(server, user, None) as one, wire(server, user, None) as two:
        two.ok("CREATE M")
        assert two.append("M", mail())[0] == "OK"
        one.select("M")
        two.ok("DELETE M")
        # RFC 2180 3.2: there is no mailbox to speak of any more.
        with pytest.raises(ConnectionError):
            while True:
                one.command("NOOP")
        assert one.bye
        two.ok("NOOP")


def test_pipelined_commands_are_answered_in_order(server, full):
    with wire(server, full) as c:
        lines = [b"p%d FETCH 1:4 (FLAGS UID BODY.PEEK[])\r\n" % i if i % 3
                 else b"p%d UID STORE %d +FLAGS (k%d)\r\n" % (i, i % 4 + 1, i)
                 for i in range(30)]
        c.send(b"".join(lines))
        tags = []
        while len(tags) < 30:
            got = c.read()
            if got[0] == "tagged":
                assert got[2] == "OK", got
                tags.append(got[1])
        assert tags == [f"p{i}" for i in range(30)]


def test_thunderbird_reads_with_n_star_above_the_last(server, full):
    with wire(server, full) as c:
        got = c.fetch("99:*", "(FLAGS)", uid=True)
        assert got[4]["UID"] == 4


def test_commands_sent_along_with_starttls_are_dropped(server, full):
    with server.raw("imap") as c:
        c.line()
        c.send(f'a STARTTLS\r\nb LOGIN {full.address} '
               f'"{full.password}"\r\nc CAPABILITY\r\n')
        assert c.line().startswith(b"a OK")
        c.start_tls(server.tls())
        lines, done = c.tagged("SELECT INBOX")
        assert done.startswith("t BAD") or done.startswith("t NO")
        assert lines == []
        lines, done = c.tagged("CAPABILITY")
        assert b"STARTTLS" not in lines[0]


@pytest.mark.parametrize("command", [
    "NONSENSE", "FETCH", "FETCH 0 FLAGS", "FETCH 1 (NONSENSE)",
    "FETCH x FLAGS", "STORE 1 FLAGS", "STORE 1 +FLAGS (\\Nonsense",
    "SEARCH", "SEARCH (((", "UID", "UID NOOP", "SELECT", "COPY 1",
    "LIST", "APPEND INBOX", "FETCH 9 FLAGS",
    "SEARCH CHARSET NO-SUCH TEXT x", "IDLE now",
])
def test_bad_command_is_an_error_and_the_session_goes_on(server, full,
                                                         command):
    with wire(server, full) as c:
        assert c.command(command)[0] in ("BAD", "NO")
        assert c.command("NOOP")[0] == "OK"


def test_smtputf8_header_is_shown_in_ascii(server, user):
    message = mail("Привет").replace(b"Carol", "Карол".encode())
    with server.smtp() as s:
        s.sendmail("carol@elsewhere.example", [user.address], message,
                   mail_options=["SMTPUTF8"])
    with wire(server, user) as c:
        got = c.fetch("1", "(ENVELOPE BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
        for value in got[1].values():
            assert b"=?" in str(value).encode()
            assert "Привет" not in str(value)


def test_imap_and_pop3_agree_on_every_byte(server, user):
    for body in (b"", b"\r\n", b".\r\n..x\r\n", b"x" * 5000 + b"\r\n",
                 "ünïcode\r\n".encode()):
        server.deliver(user, mail(body=body))
    by_imap = server.inbox(user)
    p = server.pop3(user)
    by_pop3 = [b"\r\n".join(p.retr(n)[1]) + b"\r\n"
               for n in range(1, len(by_imap) + 1)]
    p.quit()
    assert by_imap == by_pop3


def test_new_mail_shows_at_noop(server, full):
    with server.imap(full, mailbox="INBOX") as c:
        server.deliver(full)
        assert exists(c) == 5


def test_a_mailbox_is_shared_and_taken_back(server, user):
    other = server.new_user("other")
    server.deliver(user, mail("For both"))
    name = f"Users/{user.address}/INBOX"
    with server.imap(user) as mine, server.imap(other) as theirs:
        assert theirs.select(name)[0] == "NO"
        ok(mine.setacl("INBOX", other.address, "lrsp"))
        assert ok(theirs.myrights(name)) == [f"{name} lrsp".encode()]
        assert ok(theirs.select(name)) == [b"1"]
        ok(theirs.store("1", "+FLAGS", "\\Seen"))
        assert flags_of(theirs, 1) == {"\\Seen"}
        ok(mine.select())
        assert "\\Seen" not in flags_of(mine, 1)
        # In the name of who shares it, while one may.
        with server.submission(other) as c:
            c.sendmail(user.address, [other.address],
                       mail("Signed", sender=user.address))
        ok(mine.deleteacl("INBOX", other.address))
        with pytest.raises((imaplib.IMAP4.abort, AssertionError)):
            ok(theirs.fetch("1", "(BODY[])"))
    with server.submission(other) as c:
        with pytest.raises(smtplib.SMTPException):
            c.sendmail(user.address, [other.address],
                       mail("Forged", sender=user.address))


@pytest.mark.parametrize("listener", ["imap", "imaps"])
def test_compressed_connection(server, user, listener):
    message = mail(body=b"All work and no play.\r\n" * 20000)
    for _ in range(3):
        server.deliver(user, message)
    with wire(server, user, listener=listener) as c:
        c.compress()
        # Each answer is flushed: none waits for the next.
        for _ in range(3):
            c.ok("NOOP")
        assert c.command("COMPRESS DEFLATE")[:2] == ("NO",
                                                     "COMPRESSIONACTIVE")
        got = c.fetch("1:3", "(UID BODY.PEEK[])")
        assert all(got[n]["BODY[]"].endswith(message) for n in (1, 2, 3))
        assert c.sock.received < len(message) / 4
        # What a phone does: IDLE, and news while it sleeps.
        server.deliver(user, message)
        c.ok("NOOP")
        assert ("EXISTS", 4) in c.untagged


def test_commands_compressed_in_odd_pieces(server, user):
    with wire(server, user) as c:
        c.compress()
        plain, raw = c.sock, c.sock.sock
        whole = b""
        for n, flush in enumerate((zlib.Z_PARTIAL_FLUSH, zlib.Z_FULL_FLUSH,
                                   zlib.Z_BLOCK, zlib.Z_SYNC_FLUSH)):
            whole += plain.pack(b"x%d NOOP\r\n" % n, flush)
        for i in range(len(whole)):
            raw.sendall(whole[i:i + 1])
        got = b""
        while got.count(b"\r\n") < 4:
            got += plain.recv(1000)
        assert re.findall(rb"x(\d) OK", got) == [b"0", b"1", b"2", b"3"]


def test_limits_hold_for_what_was_compressed(server, user):
    with wire(server, user) as c:
        c.compress()
        # A line of 100 MB that travels as 100 KB.
        with pytest.raises(OSError):
            c.sock.sendall(b"x" * 10_000)
            for _ in range(10_000):
                c.sock.sendall(b"x" * 10_000)
            while c.sock.recv(65536):
                pass
            raise OSError("hung up")
    with wire(server, user) as c:
        c.compress()
        c.sock.sock.sendall(b"\x07 NOOP\r\n")
        try:
            assert c.sock.recv(1000) == b""
        except ConnectionError:
            pass
    with wire(server, user) as c:
        c.ok("NOOP")


def test_unauthenticate_ends_compression(server, user):
    with wire(server, user) as c:
        c.compress()
        layer = c.sock
        token = base64.b64encode(
            f"\0{user.address}\0{user.password}".encode())
        # RFC 8437 section 3: in one go with the next log-in.
        layer.sock.sendall(layer.pack(b"u UNAUTHENTICATE\r\n") +
                           b"a AUTHENTICATE PLAIN " + token + b"\r\n")
        got = b""
        while b"a OK" not in got:
            more = layer.sock.recv(65536)
            assert more, got
            got += more
        layer.into.decompress(got[:got.index(b"a OK")])
        layer.sock.sendall(b"s SELECT INBOX\r\n")
        while b"s OK" not in got:
            got += layer.sock.recv(65536)


def test_catenate_of_large_messages_in_every_way(server, user):
    body = b"".join(b"line %d of many\r\n" % n for n in range(60_000))
    message = mail(body=body)
    with wire(server, user, "Drafts") as c:
        assert c.append("Drafts", message)[0] == "OK"
        tag = c.start('APPEND Drafts CATENATE (URL "/Drafts/;UID=1" TEXT '
                      f"{{{len(body)}+}}\r\n")
        c.send(body + b' URL ";UID=1/;SECTION=TEXT")\r\n')
        assert c.finish(tag)[0] == "OK"
    with server.imap(user, mailbox="Drafts") as c:
        assert ok(c.fetch("2", "(BODY.PEEK[])"))[0][1] == message + 2 * body


def test_catenate_that_fails_while_parts_are_stored(server, user):
    """What is on its way to the disk then must not meet another command."""
    body = b"".join(b"line %d of many\r\n" % n for n in range(100_000))
    with wire(server, user, "Drafts") as c:
        assert c.append("Drafts", mail(body=body))[0] == "OK"
        c.ok("NOOP")
        url = 'URL "/Drafts/;UID=1"'
        for bad in (f"({url} {url} URL /Drafts/;UID=99)",
                    f"({url} URL ;UID=1/;SECTION=77 {url})"):
            for _ in range(5):
                assert c.command(f"APPEND Drafts CATENATE {bad}")[0] == "NO"
                c.fetch("1", "(FLAGS RFC822.SIZE)")
        for rest in (b" NONSENSE)\r\n", b" URL /x)\r\n", b" URL {5}\r\n"):
            tag = c.start(f"APPEND Drafts CATENATE (TEXT {{{len(body)}+}}"
                          "\r\n")
            c.send(body + rest)
            if rest.endswith(b"{5}\r\n"):
                assert c.read()[0] == "+"
                c.send(b"wrong)\r\n")
            assert c.finish(tag)[0] in ("NO", "BAD")
            c.fetch("1", "(UID BODY.PEEK[HEADER])")
        # Two large ones in a row: the second waits for the first.
        tag = c.start(f"APPEND Drafts CATENATE ({url}) () {{{len(body)}+}}\r\n")
        c.send(body + f" CATENATE ({url} TEXT {{3+}}\r\nend)\r\n".encode())
        assert c.finish(tag)[0] == "OK"
        assert len(c.messages) == 4
