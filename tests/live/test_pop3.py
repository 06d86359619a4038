"""POP3 by poplib and by hand, beside IMAP on the same mailbox."""
import base64
import poplib

import pytest

import kp
from kp import exists, flags_of, mail, ok


@pytest.fixture
def full(server, user):
    """An account with three messages; what was sent is in user.sent."""
    user.sent = [server.deliver(user, mail(f"Number {i}")) for i in (1, 2, 3)]
    return user


@pytest.mark.parametrize("how", ["tls", "starttls", "plain"])
def test_messages_are_listed_and_read(server, full, how):
    p = server.pop3(full, how)
    count, size = p.stat()
    assert count == 3
    sizes = [int(s.split()[1]) for s in p.list()[1]]
    assert sum(sizes) == size
    for n, sent in enumerate(full.sent, 1):
        text = b"\r\n".join(p.retr(n)[1]) + b"\r\n"
        assert text.endswith(sent) and len(text) == sizes[n - 1]
        assert p.list(n).split()[2] == str(sizes[n - 1]).encode()
    assert p.quit().startswith(b"+OK")


def test_capa_says_what_there_is(server, user):
    p = server.pop3(how="plain")
    before = p.capa()
    for name in ("TOP", "UIDL", "STLS", "PIPELINING", "RESP-CODES",
                 "AUTH-RESP-CODE", "SASL", "USER", "IMPLEMENTATION"):
        assert name in before, name
    assert before["EXPIRE"] == ["NEVER"]
    assert before["LOGIN-DELAY"] == ["0"]
    p.stls(context=server.tls())
    after = p.capa()
    assert "STLS" not in after
    assert "PLAIN" in after["SASL"]
    p.user(user.address)
    p.pass_(user.password)
    assert "TOP" in p.capa()
    p.quit()


def test_wrong_password_is_an_auth_error(server, user):
    p = server.pop3()
    p.user(user.address)
    with pytest.raises(poplib.error_proto) as e:
        p.pass_("wrong")
    assert b"[AUTH]" in e.value.args[0]
    p.user(user.address)
    p.pass_(user.password)
    p.quit()


def test_bare_auth_lists_the_mechanisms(server):
    for line in ("AUTH", "AUTH "):      # Outlook sends the space
        with server.raw("pop3s") as c:
            c.line()
            c.send(line + "\r\n")
            assert c.line().startswith(b"+OK")
            assert b"PLAIN" in c.dots()


@pytest.mark.parametrize("with_initial", [True, False])
def test_auth_plain(server, user, with_initial):
    plain = base64.b64encode(
        f"\0{user.address}\0{user.password}".encode())
    with server.raw("pop3s") as c:
        c.line()
        if with_initial:
            c.send(b"AUTH PLAIN " + plain + b"\r\n")
        else:
            c.send(b"AUTH PLAIN\r\n")
            assert c.line() == b"+ "
            c.send(plain + b"\r\n")
        assert c.line().startswith(b"+OK")
        c.send(b"STAT\r\n")
        assert c.line() == b"+OK 0 0"


def test_top_shows_head_and_lines_and_leaves_unseen(server, user):
    server.deliver(user, mail(body="one\r\ntwo\r\nthree\r\n"))
    p = server.pop3(user)
    lines = p.top(1, 2)[1]
    assert lines[-3:] == [b"", b"one", b"two"]
    assert p.top(1, 0)[1][-1] == b""
    p.quit()
    with server.imap(user, mailbox="INBOX") as c:
        assert flags_of(c, 1) == set()


def test_retr_sets_seen(server, full):
    p = server.pop3(full)
    p.retr(2)
    p.quit()
    with server.imap(full, mailbox="INBOX") as c:
        assert ok(c.search(None, "SEEN")) == [b"2"]


def test_uidls_never_change_and_never_come_back(server, full):
    p = server.pop3(full)
    first = [s.split()[1] for s in p.uidl()[1]]
    assert len(set(first)) == 3
    assert p.uidl(2).split()[2] == first[1]
    p.dele(3)
    p.quit()
    server.deliver(full)
    p = server.pop3(full)
    second = [s.split()[1] for s in p.uidl()[1]]
    p.quit()
    assert second[:2] == first[:2] and second[2] not in first


def test_deleted_message_is_gone_for_imap_at_once(server, full):
    with server.imap(full, mailbox="INBOX") as c:
        p = server.pop3(full)
        p.dele(2)
        assert p.stat()[0] == 2
        assert exists(c) == 3           # not before QUIT
        p.quit()
        c.noop()
        assert c.untagged_responses["EXPUNGE"] == [b"2"]


def test_idle_hears_of_quit(server, full):
    with server.raw("imaps") as c:
        c.line()
        c.tagged(f'LOGIN {full.address} "{full.password}"')
        c.tagged("SELECT INBOX")
        c.send("i IDLE\r\n")
        assert c.line().startswith(b"+")
        p = server.pop3(full)
        p.dele(1)
        p.quit()
        assert c.line() == b"* 1 EXPUNGE"
        c.send("DONE\r\n")
        assert c.until("i")[1].startswith("i OK")


def test_rset_and_a_cut_connection_delete_nothing(server, full):
    p = server.pop3(full)
    p.dele(1)
    p.rset()
    assert p.stat()[0] == 3
    p.dele(2)
    p.close()
    assert len(server.inbox(full)) == 3


def test_maildrop_stands_still_while_mail_comes(server, full):
    p = server.pop3(full)
    before = p.stat()
    server.deliver(full)
    assert p.stat() == before
    with pytest.raises(poplib.error_proto):
        p.retr(4)
    p.quit()
    p = server.pop3(full)
    assert p.stat()[0] == 4
    p.quit()


def test_message_gone_meanwhile_is_an_error_and_quit_is_not(server, full):
    p = server.pop3(full)
    with server.imap(full, mailbox="INBOX") as c:
        c.store("2", "+FLAGS.SILENT", "\\Deleted")
        c.expunge()
    try:
        p.retr(2)               # its bytes are kept for a while
    except poplib.error_proto as e:
        assert e.args[0].startswith(b"-ERR")
    p.dele(2)
    p.dele(3)
    assert p.quit().startswith(b"+OK")
    assert len(server.inbox(full)) == 1


def test_two_sessions_side_by_side(server, full):
    one, two = server.pop3(full), server.pop3(full)
    one.dele(1)
    two.dele(2)
    assert one.quit().startswith(b"+OK") and two.quit().startswith(b"+OK")
    assert len(server.inbox(full)) == 1


def test_pipelined_session_is_answered_in_order(server, full):
    with server.raw("pop3s") as c:
        c.line()
        c.send(f"USER {full.address}\r\nPASS {full.password}\r\n"
               "STAT\r\nRETR 1\r\nRETR 2\r\nTOP 3 0\r\nNOOP\r\nDELE 1\r\n"
               "RETR 1\r\nQUIT\r\n")
        for _ in range(3):
            assert c.line().startswith(b"+OK")
        for sent in full.sent[:2]:
            assert c.line().startswith(b"+OK")
            assert b"\r\n".join(c.dots()).endswith(sent[:-2])
        assert c.line().startswith(b"+OK")
        c.dots()
        assert c.line().startswith(b"+OK")
        assert c.line().startswith(b"+OK")
        assert c.line().startswith(b"-ERR")
        assert c.line().startswith(b"+OK")
        assert c.rest() == b""


@pytest.mark.parametrize("command", [
    "RETR", "RETR 0", "RETR 4", "RETR x", "DELE -1", "TOP 1", "TOP 1 x",
    "LIST 99", "UIDL 99999999999999999999", "STAT now", "NONSENSE", "",
    "STLS", "USER x", "PASS x", "X" * 600, "APOP a b",
])
def test_bad_command_is_an_error_and_the_session_goes_on(server, full,
                                                         command):
    with server.raw("pop3s") as c:
        c.line()
        c.send(f"USER {full.address}\r\nPASS {full.password}\r\n")
        c.line(), c.line()
        c.send(command + "\r\n")
        answer = c.line()
        assert answer.startswith(b"-ERR") or command == "STAT now", answer
        c.send("STAT\r\n")
        assert c.line().startswith(b"+OK 3 ")


def test_commands_sent_along_with_stls_are_dropped(server, full):
    with server.raw("pop3") as c:
        c.line()
        c.send(f"STLS\r\nUSER {full.address}\r\nPASS {full.password}\r\n")
        assert c.line().startswith(b"+OK")
        c.start_tls(server.tls())
        c.send("STAT\r\n")
        assert c.line().startswith(b"-ERR")
        c.send("CAPA\r\n")
        assert c.line().startswith(b"+OK")
        assert b"STLS" not in c.dots()


def test_a_part_with_nul_reaches_pop3_in_base64(server, user):
    with server.smtp() as s:            # Outlook hangs at one
        s.sendmail("", [user.address], mail(body=b"a\0b\r\n"))
    p = server.pop3(user)
    assert p.retr(1)[1][-1] == base64.b64encode(b"a\0b\r\n")
    p.quit()


def test_message_without_end_of_line_is_made_whole(server, user):
    with server.imap(user) as c:
        ok(c.append("INBOX", None, None, b"Subject: n\r\n\r\nno end"))
    p = server.pop3(user)
    assert p.retr(1)[1][-1] == b"no end"
    p.quit()


def test_bare_local_part_logs_in_in_any_case(server, user):
    local = user.address.split("@")[0]
    for name in (local, local.upper(), user.address.title()):
        p = server.pop3(kp.Account(name, user.password))
        assert p.stat() == (0, 0)
        p.quit()


def test_utf8_headers_are_shown_in_ascii_to_who_does_not_say_utf8(server,
                                                                  user):
    notes = b"".join(b"X-Note-%d: nothing to see here\r\n" % n
                     for n in range(6000))
    message = notes + mail("Grüße")     # over three slices of a reader
    huge = b"X-Huge: " + b"x" * 70 + b"\r\n"
    with server.smtp() as s:
        for m in (message, huge * 20_000 + mail("Grüße")):
            s.sendmail("carol@elsewhere.example", [user.address], m,
                       mail_options=["SMTPUTF8"])
    p = server.pop3(user)
    answer, lines, _ = p.retr(1)
    text = b"\r\n".join(lines) + b"\r\n"
    assert int(answer.split()[1]) == len(text)
    assert text.isascii() and b"\r\nSubject: =?utf-8?" in text
    assert notes in text
    assert p.top(1, 0)[1] == lines[:lines.index(b"") + 1]
    with pytest.raises(poplib.error_proto) as e:
        p.retr(2)                       # more than is held back
    assert "[UTF8]" in str(e.value)
    assert p.noop().startswith(b"+OK")
    p.quit()
    p = server.pop3()
    assert "UTF8" in p.capa()
    p.utf8()
    p.user(user.address)
    p.pass_(user.password)
    for n in (1, 2):
        text = b"\r\n".join(p.retr(n)[1]) + b"\r\n"
        assert "\r\nSubject: Grüße\r\n".encode() in text
        assert len(text) == int(p.list(n).split()[2])
    p.quit()
