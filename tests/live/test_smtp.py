"""SMTP on port 25 and submission, by smtplib and by hand."""
import base64
import email
import re
import smtplib

import pytest

import kp
from kp import DOMAIN, mail, ok


def bodies(server, user):
    """What is stored, without the lines that the server put before it."""
    return [m[m.index(b"From:"):] for m in server.inbox(user)]


# ---------------------------------------------------------------- port 25

def test_mail_from_outside_is_stored_as_it_was_sent(server, user):
    sent = server.deliver(user)
    stored, = server.inbox(user)
    assert stored.endswith(sent)
    head = stored[:-len(sent)].decode()
    assert head.startswith("Return-Path: <carol@elsewhere.example>\r\n")
    assert f"Delivered-To: {user.address}\r\n" in head
    assert re.search(r"^Received: from client\.example", head, re.M)
    assert re.search(r"^\s+by localhost\b", head, re.M)


def test_port_25_passes_nothing_on(server):
    with server.smtp() as s:
        s.ehlo()
        assert s.mail("carol@elsewhere.example")[0] == 250
        code, text = s.rcpt("dave@elsewhere.example")
        assert code == 550 and text.startswith(b"5.7.1")
        # Not from our own people either.
        s.rset()
        s.mail("alice@" + DOMAIN)
        assert s.rcpt("dave@elsewhere.example")[0] == 550
        for trick in ("dave%elsewhere.example@" + DOMAIN,
                      "@elsewhere.example:dave@elsewhere.example",
                      "dave!elsewhere.example@" + DOMAIN):
            assert s.docmd(f"RCPT TO:<{trick}>")[0] in (501, 550)


def test_port_25_offers_no_log_in_and_says_where(server):
    with server.smtp() as s:
        s.ehlo()
        assert not s.has_extn("auth")
        code, text = s.docmd("AUTH", "PLAIN")
        assert code == 502 and b"587" in text and b"465" in text


def test_unknown_recipient_is_refused_at_rcpt(server):
    with server.smtp() as s:
        s.ehlo()
        s.mail("carol@elsewhere.example")
        code, text = s.rcpt("nobody-at-all@" + DOMAIN)
        assert code == 550 and text.startswith(b"5.1.1")


def test_ehlo_announces_what_there_is(server):
    with server.smtp() as s:
        s.ehlo()
        announced = set(s.esmtp_features)
        assert {"pipelining", "size", "8bitmime", "smtputf8", "chunking",
                "enhancedstatuscodes", "starttls"} <= announced
        assert s.esmtp_features["size"] == str(50 << 20)
        s.starttls(context=server.tls())
        s.ehlo()
        assert not s.has_extn("starttls")


def test_every_recipient_gets_a_copy_of_his_own(server):
    one, two = server.new_user(), server.new_user()
    with server.smtp() as s:
        s.sendmail("carol@elsewhere.example", [one.address, two.address],
                   mail())
    for user, other in ((one, two), (two, one)):
        stored, = server.inbox(user)
        assert b"Delivered-To: " + user.address.encode() in stored
        assert other.address.encode() not in stored


def test_address_is_known_in_any_case_and_with_a_plus(server, user):
    local = user.address.split("@")[0]
    server.deliver(f"{local.upper()}@Example.TEST")
    server.deliver(f"{local}+lists@{DOMAIN}")
    server.deliver(f'"{local}"@{DOMAIN}')
    assert len(server.inbox(user)) == 3


def test_postmaster_and_abuse_reach_somebody(server):
    before = len(server.inbox(server["alice"]))
    server.deliver("postmaster@" + DOMAIN)
    server.deliver("Abuse@" + DOMAIN)
    with server.smtp() as s:
        s.ehlo()
        s.mail("carol@elsewhere.example")
        assert s.docmd("RCPT TO:<Postmaster>")[0] == 250
        assert s.data(mail())[0] == 250
    assert len(server.inbox(server["alice"])) == before + 3


def test_null_sender_is_taken(server, user):
    server.deliver(user, sender="")
    stored, = server.inbox(user)
    assert stored.startswith(b"Return-Path: <>\r\n")


@pytest.mark.parametrize("command, code", [
    ("NOOP", 250), ("NOOP with words", 250), ("RSET", 250), ("HELP", 214),
    ("VRFY alice", 252), ("EXPN list", 502), ("TURN", 502),
    ("WHATEVER", 500), ("MAIL FROM:<alice@example.test> NONSENSE=1", 555),
    ("MAIL FROM:<" + "a" * 5000 + ">", 500), ("RCPT TO:<alice>", 503),
    ("DATA", 503), ("MAIL FROM:<no end", 501), ("EHLO", 501),
    ("STARTTLS now", 501), ("QUIT", 221),
])
def test_command_has_its_reply(server, command, code):
    with server.raw("smtp") as c:
        c.reply()
        c.ask("EHLO client.example")
        assert int(c.ask(command)[:3]) == code
        if code != 221:
            assert c.ask("NOOP").startswith("250")


def test_helo_is_enough(server, user):
    with server.raw("smtp") as c:
        assert c.reply().startswith("220 ")
        assert c.ask("HELO old.example").startswith("250 ")
        c.ask("MAIL FROM:<carol@elsewhere.example>")
        c.ask(f"RCPT TO:<{user.address}>")
        c.ask("DATA")
        c.send(mail() + b".\r\n")
        assert c.reply().startswith("250")
    assert b"with SMTP " in server.inbox(user)[0]


# -------------------------------------------------------------- the bytes

def test_dots_are_stuffed_and_unstuffed(server, user):
    body = b".\r\n..\r\n...\r\n.x\r\n\r\n.\r\n"
    sent = server.deliver(user, mail(body=body))
    assert bodies(server, user) == [sent]
    p = server.pop3(user)
    lines = p.retr(1)[1]
    p.quit()
    assert b"\r\n".join(lines).endswith(body[:-2])


def test_eight_bit_text_stays_as_it_is(server, user):
    body = "Grüße aus Köln, привет, 你好\r\n".encode() + b"\xff\xfe\r\n"
    message = mail(body=body)
    with server.smtp() as s:
        s.sendmail("carol@elsewhere.example", [user.address], message,
                   mail_options=["BODY=8BITMIME"])
    assert bodies(server, user) == [message]


def test_smtputf8_sender_and_header(server, user):
    message = mail().replace(b"Carol", "Карол".encode())
    with server.smtp() as s:
        s.ehlo()
        s.sendmail("карол@elsewhere.example", [user.address], message,
                   mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    stored, = server.inbox(user)
    assert stored.endswith(message)
    assert b"with UTF8SMTP" in stored
    assert "Return-Path: <карол@elsewhere.example>".encode() in stored


def test_utf8_address_needs_smtputf8_on_port_25(server):
    with server.raw("smtp") as c:
        c.reply()
        c.ask("EHLO client.example")
        assert c.ask("MAIL FROM:<карол@elsewhere.example>"
                     ).startswith("553 5.6.7")


def test_lines_of_any_length_are_kept(server, user):
    body = b"x" * 200_000 + b"\r\n" + b"y" * 998 + b"\r\n"
    sent = server.deliver(user, mail(body=body))
    assert bodies(server, user) == [sent]


def test_nul_bytes_are_kept_and_shown_in_base64(server, user):
    # RFC 3501 section 9: a literal cannot hold one.
    sent = mail(body=b"a\0b\r\n")
    with server.raw("smtp") as c:
        c.reply()
        c.ask("EHLO client.example")
        c.ask("MAIL FROM:<carol@elsewhere.example>")
        c.ask(f"RCPT TO:<{user.address}>")
        c.ask("DATA")
        c.send(sent + b".\r\n")
        assert c.reply().startswith("250")
    shown, = server.inbox(user)
    assert b"\0" not in shown
    message = email.message_from_bytes(shown)
    assert message.get_payload(decode=True) == b"a\0b\r\n"


def transaction(c, user, sender="carol@elsewhere.example"):
    c.reply()
    c.ask("EHLO client.example")
    assert c.ask(f"MAIL FROM:<{sender}>").startswith("250")
    assert c.ask(f"RCPT TO:<{user.address}>").startswith("250")


def test_chunks_are_one_message_whatever_they_hold(server, user):
    message = mail(body="a\r\n.\r\nQUIT\r\n..\r\nlast, without an end")
    with server.raw("smtp") as c:
        transaction(c, user)
        third = len(message) // 3
        for part in (message[:third], b"", message[third:2 * third]):
            c.send(b"BDAT %d\r\n" % len(part) + part)
            assert c.reply().startswith("250")
        last = message[2 * third:]
        c.send(b"BDAT %d LAST\r\n" % len(last) + last)
        assert c.reply().startswith("250")
        assert c.ask("NOOP").startswith("250")
    stored, = bodies(server, user)
    assert stored in (message, message + b"\r\n")


def test_chunks_may_be_pipelined_and_end_with_an_empty_one(server, user):
    message = mail()
    with server.raw("smtp") as c:
        transaction(c, user)
        c.send(b"BDAT %d\r\n" % len(message) + message +
               b"BDAT 0 LAST\r\nRSET\r\nNOOP\r\n")
        assert [c.reply()[:3] for _ in range(4)] == ["250"] * 4
    assert bodies(server, user) == [message]


def test_chunk_without_transaction_is_read_and_refused(server):
    with server.raw("smtp") as c:
        c.reply()
        c.ask("EHLO client.example")
        c.send(b"BDAT 12 LAST\r\nRSET\r\nQUIT\r\nNOOP\r\n")
        assert c.reply().startswith("503")
        assert c.reply().startswith("250")


def test_pipelined_transaction_is_answered_in_order(server, user):
    with server.raw("smtp") as c:
        c.reply()
        c.ask("EHLO client.example")
        c.send("MAIL FROM:<carol@elsewhere.example>\r\n"
               f"RCPT TO:<nobody-at-all@{DOMAIN}>\r\n"
               f"RCPT TO:<{user.address}>\r\nDATA\r\n")
        assert [c.reply()[:3] for _ in range(4)] == [
            "250", "550", "250", "354"]
        c.send(mail() + b".\r\nNOOP\r\nMAIL FROM:<>\r\nQUIT\r\n")
        assert [c.reply()[:3] for _ in range(4)] == [
            "250", "250", "250", "221"]
        assert c.rest() == b""
    assert len(server.inbox(user)) == 1


def test_no_recipient_left_means_no_data(server):
    with server.raw("smtp") as c:
        c.reply()
        c.ask("EHLO client.example")
        c.send("MAIL FROM:<carol@elsewhere.example>\r\n"
               f"RCPT TO:<nobody-at-all@{DOMAIN}>\r\nDATA\r\nNOOP\r\n")
        assert [c.reply()[:3] for _ in range(4)] == [
            "250", "550", "554", "250"]


def test_too_big_is_said_at_mail_with_the_limit(server):
    with server.raw("smtp") as c:
        c.reply()
        c.ask("EHLO client.example")
        answer = c.ask("MAIL FROM:<carol@elsewhere.example> SIZE=999999999")
        assert answer.startswith("552 5.3.4") and str(50 << 20) in answer


# -------------------------------------------------------------- smuggling

# What some server somewhere has taken for the end of data.
FALSE_ENDS = [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r",
              b"\r.\r\n", b"\r.\n", b"\n.\r", b"\r\n\0.\r\n",
              b"\r\n.\0\r\n", b"\r\n.\r\r\n"]
SMUGGLED = (b"MAIL FROM:<smuggler@elsewhere.example>\r\n"
            b"RCPT TO:<%s>\r\nDATA\r\n"
            b"From: <smuggler@elsewhere.example>\r\n\r\nsmuggled\r\n")


def text_of(message):
    """The body, which is shown in base64 if there are NULs in it."""
    return email.message_from_bytes(message).get_payload(decode=True)


@pytest.mark.parametrize("end", FALSE_ENDS)
def test_false_end_of_data_on_port_25(server, user, end):
    has_bare = re.search(rb"\r(?!\n)|(?<!\r)\n", end + b"MAIL")
    with server.raw("smtp") as c:
        transaction(c, user)
        assert c.ask("DATA").startswith("354")
        c.send(mail(body=b"visible") + end +
               SMUGGLED % user.address.encode())
        c.send(b"\r\n.\r\nNOOP\r\n")
        answer = c.reply()
        assert answer.startswith("550 5.6.0" if has_bare else "250"), answer
        # The reply to NOOP, and nothing that was smuggled.
        assert c.reply().startswith("250 2.0.0")
        c.send("QUIT\r\n")
        assert c.reply().startswith("221")
    stored = server.inbox(user)
    assert len(stored) == (0 if has_bare else 1)
    assert all(b"visible" in text_of(m) for m in stored)


@pytest.mark.parametrize("end", FALSE_ENDS)
def test_false_end_of_data_on_submission(server, user, end):
    with server.raw("submissions") as c:
        c.reply()
        c.ask("EHLO client.example")
        plain = base64.b64encode(
            f"\0{user.address}\0{user.password}".encode()).decode()
        assert c.ask(f"AUTH PLAIN {plain}").startswith("235")
        c.ask(f"MAIL FROM:<{user.address}>")
        c.ask(f"RCPT TO:<{user.address}>")
        assert c.ask("DATA").startswith("354")
        c.send(mail(body=b"visible", sender=user.address) + end +
               SMUGGLED % user.address.encode() + b"\r\n.\r\nNOOP\r\n")
        assert c.reply().startswith("250")
        assert c.reply().startswith("250 2.0.0")
    stored, = server.inbox(user)
    assert b"visible" in text_of(stored) and b"smuggled" in text_of(stored)
    # What is stored has no line end but CR LF.
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", stored)
    # And does not smuggle out again.
    p = server.pop3(user)
    assert b"\r\n".join(p.retr(1)[1]) + b"\r\n" == stored
    p.quit()


def test_bare_line_ends_in_chunks_are_refused_on_port_25(server, user):
    message = mail(body=b"a\nb\r\n")
    with server.raw("smtp") as c:
        transaction(c, user)
        c.send(b"BDAT %d LAST\r\n" % len(message) + message)
        assert c.reply().startswith("550 5.6.0")
    assert server.inbox(user) == []


@pytest.mark.parametrize("line", [b"NOOP\n", b"NOOP\rNOOP\r\n",
                                  b"NO\0OP\r\n", b"MAIL FROM:<a\rb>\r\n"])
def test_bare_line_ends_in_commands_are_refused(server, line):
    with server.raw("smtp") as c:
        c.reply()
        c.ask("EHLO client.example")
        c.send(line)
        if not line.endswith(b"\r\n"):
            c.send(b"\r\n")
        assert c.reply().startswith("50")
        c.send(b"QUIT\r\n")
        # One reply for each line at most, then that to QUIT.
        while not (answer := c.reply()).startswith("221"):
            assert answer.startswith("50")


# ------------------------------------------------------------------ STARTTLS

@pytest.mark.parametrize("service", ["smtp", "submission"])
def test_commands_sent_along_with_starttls_are_dropped(server, service):
    with server.raw(service) as c:
        c.reply()
        c.ask("EHLO client.example")
        c.send("STARTTLS\r\nMAIL FROM:<injected@elsewhere.example>\r\n"
               f"RCPT TO:<alice@{DOMAIN}>\r\nDATA\r\n")
        assert c.reply().startswith("220")
        c.start_tls(server.tls())
        # Everything from before is forgotten, EHLO too.
        assert c.ask("MAIL FROM:<>").startswith("503")
        assert c.ask("EHLO client.example").startswith("250")
        assert c.ask(f"RCPT TO:<alice@{DOMAIN}>").startswith(
            "503" if service == "smtp" else "5")


def test_starttls_and_a_transaction_do_not_mix(server):
    with server.raw("smtp") as c:
        transaction(c, server["alice"])
        assert c.ask("STARTTLS").startswith("503")
        assert c.ask("RSET").startswith("250")
        assert c.ask("STARTTLS").startswith("220")
        c.start_tls(server.tls())
        assert c.ask("DATA").startswith("503")
        assert c.ask("EHLO client.example").startswith("250")
        assert c.ask("STARTTLS").startswith("50")


def test_starttls_is_seen_in_received(server, user):
    with server.smtp() as s:
        s.starttls(context=server.tls())
        s.sendmail("carol@elsewhere.example", [user.address], mail())
    assert b"with ESMTPS " in server.inbox(user)[0]


# ---------------------------------------------------------------- submission

@pytest.mark.parametrize("how", ["tls", "starttls", "plain"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_submission_with_log_in(server, user, how, mechanism):
    message = mail(sender=user.address)
    with server.submission(how=how) as s:
        s.ehlo()
        assert mechanism in s.esmtp_features["auth"].split()
        s.user, s.password = user.address, user.password
        object_ = s.auth_plain if mechanism == "PLAIN" else s.auth_login
        code, _ = s.auth(mechanism, object_)
        assert code == 235
        assert s.sendmail(user.address, [user.address], message) == {}
    stored, = server.inbox(user)
    assert stored.endswith(message)
    assert (b"with ESMTPA " if how == "plain" else b"with ESMTPSA ") in stored


def b64(s):
    return base64.b64encode(s.encode()).decode()


def test_login_takes_every_shape_that_clients_send(server, user):
    name, password = b64(user.address), b64(user.password)
    for first in (f"AUTH LOGIN {name}", "AUTH LOGIN", "auth login"):
        with server.raw("submissions") as c:
            c.reply()
            c.ask("EHLO [127.0.0.1]")
            answer = c.ask(first)
            if first.upper() == "AUTH LOGIN":
                assert answer == "334 " + b64("Username:")
                answer = c.ask(name)
            assert answer == "334 " + b64("Password:")
            assert c.ask(password).startswith("235")
            # Thunderbird says no EHLO again, and Outlook has the spaces.
            assert c.ask(f"MAIL FROM: <{user.address}> BODY=8BITMIME SIZE=9"
                         ).startswith("250")
            assert c.ask(f"RCPT TO: <{user.address}>").startswith("250")
            assert c.ask("AUTH LOGIN").startswith("503")


@pytest.mark.parametrize("line", [
    "AUTH", "AUTH PLAIN !!!", "AUTH NONSENSE", "AUTH PLAIN =",
    "AUTH PLAIN " + "A" * 13000, "AUTH PLAIN " + b64("no nuls"),
])
def test_malformed_log_in_is_refused_and_the_session_goes_on(server, line):
    with server.raw("submissions") as c:
        c.reply()
        c.ask("EHLO client.example")
        assert c.ask(line)[0] == "5"
        assert c.ask("NOOP").startswith("250")


def test_log_in_can_be_given_up(server):
    with server.raw("submissions") as c:
        c.reply()
        c.ask("EHLO client.example")
        assert c.ask("AUTH PLAIN").startswith("334")
        assert c.ask("*").startswith("501")
        assert c.ask("NOOP").startswith("250")


def test_wrong_password_and_unknown_user_look_the_same(server, user):
    answers = []
    for name in (user.address, "nobody-at-all@" + DOMAIN):
        with server.submission() as s:
            with pytest.raises(smtplib.SMTPAuthenticationError) as e:
                s.login(name, "wrong", initial_response_ok=True)
            answers.append((e.value.smtp_code, e.value.smtp_error))
    assert answers[0] == answers[1] and answers[0][0] == 535


def test_submission_wants_log_in_first(server):
    with server.submission() as s:
        s.ehlo()
        code, text = s.mail("alice@" + DOMAIN)
        assert code == 530 and text.startswith(b"5.7.0")


def test_sender_must_be_ones_own(server, user):
    alias = f"alias-of-{user.address}"
    server.run("alias", "add", alias, user.address)
    with server.submission(user) as s:
        s.ehlo()
        code, text = s.mail("alice@" + DOMAIN)
        assert code == 550 and text.startswith(b"5.7.1")
        assert s.mail(alias)[0] == 250
        s.rset()
        assert s.mail("")[0] == 250
        s.rset()
        for field in ("From", "Sender"):
            message = mail(sender=user.address)
            if field == "Sender":
                message = b"Sender: alice@example.test\r\n" + message
            else:
                message = mail(sender="alice@" + DOMAIN)
            s.mail(user.address)
            s.rcpt(user.address)
            code, text = s.data(message)
            assert code == 550 and text.startswith(b"5.7.1")
        # An alias is one's own in the header too.
        s.sendmail(user.address, [user.address], mail(sender=alias))
    assert len(server.inbox(user)) == 1


def test_submission_adds_what_is_missing_and_hides_bcc(server, user):
    other = server.new_user()
    message = (f"From: {user.address}\r\nBcc: {other.address}\r\n"
               f"Subject: s\r\nbcc:\r\n {other.address}\r\n\r\nx\r\n")
    with server.submission(user) as s:
        s.sendmail(user.address, [user.address, other.address], message)
    for who in (user, other):
        stored = server.inbox(who)[0]
        head = stored[:stored.index(b"\r\n\r\n")]
        assert re.search(rb"(?m)^Date: ", head)
        assert re.search(rb"(?m)^Message-ID: <\S+@\S+>", head)
        assert b"bcc" not in head.lower()
    assert other.address.encode() not in server.inbox(user)[0]


def test_port_25_changes_nothing_in_the_message(server, user):
    message = b"Bcc: x@elsewhere.example\r\n\r\nno Date, no From\r\n"
    server.deliver(user, message)
    assert server.inbox(user)[0].endswith(message)


# --------------------------------------------------------------------- loops

def test_message_that_went_round_is_refused(server, user):
    hops = "".join(f"Received: from h{i}\r\n" for i in range(60))
    with pytest.raises(smtplib.SMTPDataError) as e:
        server.deliver(user, hops.encode() + mail())
    assert e.value.smtp_code == 554 and b"5.4.6" in e.value.smtp_error
    looped = f"Delivered-To: {user.address}\r\n".encode() + mail()
    with pytest.raises(smtplib.SMTPDataError) as e:
        server.deliver(user, looped)
    assert e.value.smtp_code == 554
    other = server.new_user()
    server.deliver(other, looped)
    assert len(server.inbox(other)) == 1 and server.inbox(user) == []


# ------------------------------------------------------------------- aliases

def test_aliases_catch_all_and_refused_address(server):
    server.run("domain", "add", "catch.test")
    one, two = server.new_user(), server.new_user()
    server.run("alias", "add", "both@catch.test", one.address, two.address)
    server.run("alias", "add", "@catch.test", two.address)
    server.run("alias", "refuse", "shop@catch.test", "The shop is closed")
    server.deliver("both@catch.test")
    server.deliver("anything@catch.test")
    assert len(server.inbox(one)) == 1
    assert len(server.inbox(two)) == 2
    with server.smtp() as s:
        s.ehlo()
        s.mail("carol@elsewhere.example")
        code, text = s.rcpt("shop@catch.test")
        assert code == 550 and b"The shop is closed" in text
        s.quit()
    # Two ways to one account are one copy.
    server.deliver("both@catch.test")
    with server.smtp() as s:
        s.sendmail("carol@elsewhere.example",
                   ["both@catch.test", "x@catch.test"], mail())
    assert len(server.inbox(two)) == 4


def test_ipv6_is_served(server, user):
    if "::1" not in kp.ADDRESSES:
        pytest.skip("no IPv6 here")
    with server.raw("smtp", "::1") as c:
        transaction(c, user)
        c.ask("DATA")
        c.send(mail() + b".\r\n")
        assert c.reply().startswith("250")
    assert b"[IPv6:::1]" in server.inbox(user)[0]
    with server.imap(user) as c:
        assert ok(c.select())[0] == b"1"
