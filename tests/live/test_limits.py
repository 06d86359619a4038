"""Limits, by going over them; and what the server does in need."""
import os
import random
import smtplib
import socket
import struct
import threading
import time

import pytest

import kp
from imapwire import Client
from kp import DOMAIN, mail, ok


def smtp_hello(server, listener="smtp"):
    c = server.raw(listener)
    c.reply()
    c.ask("EHLO client.example")
    return c


def imap_raw(server, user=None):
    c = server.raw("imap")
    c.line()
    if user:
        done = c.tagged(f'LOGIN {user.address} "{user.password}"')[1]
        assert done.startswith("t OK")
    return c


# ---------------------------------------------------------------------- SMTP

def test_long_command_line_is_refused_once(server):
    with smtp_hello(server) as c:
        assert c.ask("NOOP " + "x" * 4000).startswith("250")
        assert c.ask("NOOP " + "x" * 5000).startswith("500")
        assert c.ask("NOOP").startswith("250")


def test_line_without_end_ends_the_connection(server):
    with smtp_hello(server) as c:
        try:
            c.send(b"x" * 200_000)
        except ConnectionError:
            pass
        assert b"421" in c.rest()


def test_bad_commands_end_the_connection(server):
    with smtp_hello(server) as c:
        for _ in range(30):
            c.send("NONSENSE\r\n")
            answer = c.reply()
            if answer.startswith("421"):
                break
            assert answer.startswith("500")
        assert answer.startswith("421")
        assert c.rest() == b""


def test_guessing_at_recipients_ends_the_connection(server):
    with smtp_hello(server) as c:
        c.ask("MAIL FROM:<>")
        for n in range(30):
            answer = c.ask(f"RCPT TO:<guess{n}@{DOMAIN}>")
            if answer.startswith("421"):
                break
            assert answer.startswith("550")
            if n == 9:
                answer = c.reply()
                break
        assert answer.startswith("421")


def test_recipients_over_the_limit_are_for_another_message(server, user):
    with smtp_hello(server) as c:
        c.ask("MAIL FROM:<>")
        local = user.address.split("@")[0]
        c.send("".join(f"RCPT TO:<{local}+{n}@{DOMAIN}>\r\n"
                       for n in range(201)))
        answers = [c.reply()[:9] for _ in range(201)]
        assert answers[:200] == ["250 2.1.5"] * 200
        assert answers[200] == "452 4.5.3"
        c.ask("DATA")
        c.send(mail() + b".\r\n")
        assert c.reply().startswith("250")
    assert len(server.inbox(user)) == 1     # one account, one copy


def test_messages_over_the_limit_are_for_another_connection(server, user):
    with smtp_hello(server) as c:
        for _ in range(100):
            c.send(f"MAIL FROM:<>\r\nRCPT TO:<{user.address}>\r\n"
                   "DATA\r\n")
            for _ in range(3):
                c.reply()
            c.send(mail() + b".\r\n")
            assert c.reply().startswith("250")
        assert c.ask("MAIL FROM:<>").startswith("421")
    assert len(server.inbox(user)) == 100


def test_parameters_of_a_command_are_bounded(server):
    with smtp_hello(server) as c:
        assert c.ask("EHLO " + "h" * 255).startswith("250")
        assert c.ask("EHLO " + "h" * 256).startswith("501")
        many = " ".join(f"X{n}=1" for n in range(40))
        assert c.ask("MAIL FROM:<a@b.example> " + many)[0] == "5"
        assert c.ask("MAIL FROM:<a@b.example>").startswith("250")


def test_header_over_the_limit_is_stored_and_not_read_to_its_end(server,
                                                                 user):
    fields = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 900)
                      for n in range(1300))
    message = (b"Subject: before\r\n" + fields +
               b"From: late@example.test\r\n\r\nbody\r\n")
    assert len(message) > 1024 * 1024
    server.deliver(user, message)
    with server.imap(user, mailbox="INBOX") as c:
        stored = c.fetch("1", "(BODY.PEEK[])")[1][0][1]
        assert stored.endswith(message)
        envelope = c.fetch("1", "(ENVELOPE)")[1][0]
        assert b'"before"' in envelope and b"late" not in envelope


def test_senders_of_a_submission_are_bounded(server, user):
    with server.submission(user) as c:
        others = ", ".join([user.address] * 101)
        with pytest.raises(smtplib.SMTPDataError) as e:
            c.sendmail(user.address, [user.address],
                       f"From: {others}\r\n\r\nx\r\n")
        assert e.value.smtp_code == 550
        c.sendmail(user.address, [user.address],
                   f"From: {', '.join([user.address] * 100)}\r\n\r\nx\r\n")


def test_auth_line_over_the_limit(server):
    with smtp_hello(server, "submissions") as c:
        assert c.ask("AUTH PLAIN " + "A" * 20000).startswith("5")
        assert c.ask("AUTH PLAIN").startswith("334")
        assert c.ask("A" * 20000).startswith("5")
        assert c.ask("NOOP").startswith("250")


@pytest.mark.parametrize("listener, tries", [
    ("submissions", "AUTH PLAIN AGZvbwBiYXI="), ("imap", "t LOGIN x y"),
    ("pop3", None)])
def test_failed_log_ins_end_the_connection(server, listener, tries):
    with server.raw(listener) as c:
        c.line()
        if listener == "submissions":
            c.ask("EHLO client.example")
        for _ in range(3):
            if tries:
                c.send(tries + "\r\n")
            else:
                c.send("USER nobody-at-all\r\nPASS x\r\n")
        # Three refusals, and then the end by itself.
        said = c.rest()
        assert said.count(b"535") + said.count(b"t NO") + \
            said.count(b"-ERR") >= 3


# ---------------------------------------------------------------------- IMAP

def test_imap_line_before_log_in(server):
    with imap_raw(server) as c:
        c.send(b"a LOGIN x " + b"y" * 9000 + b"\r\n")
        said = c.line()
        assert said.startswith((b"a BAD", b"* BAD", b"* BYE"))


def test_imap_line_after_log_in(server, user):
    with imap_raw(server, user) as c:
        done = c.tagged("NOOP" + " " * 10)[1]
        assert c.tagged("SELECT INBOX")[1].startswith("t OK")
        many = ",".join(str(n) for n in range(1, 9000))
        c.tagged(f"UID FETCH {many} (FLAGS)")
        c.send(b"b SEARCH TEXT " + b"y" * 70000 + b"\r\n")
        said = c.line()
        assert said.startswith((b"b BAD", b"* BAD", b"* BYE")), done
        if not said.startswith(b"* BYE"):
            assert c.tagged("NOOP")[1].startswith("t OK")


def test_imap_literals_before_log_in_are_small(server):
    with imap_raw(server) as c:
        c.send(b"a LOGIN {2000}\r\n")
        assert not c.line().startswith(b"+")
    with imap_raw(server) as c:
        c.send(b"a LOGIN {999999999+}\r\n")
        assert b"BYE" in c.rest()


def test_imap_literals_after_log_in(server, user):
    with imap_raw(server, user) as c:
        c.send(b"a SEARCH TEXT {70000}\r\n")
        assert c.line().startswith(b"a BAD")
        c.send(b"b SEARCH TEXT {70000+}\r\n" + b"x" * 70000 + b"\r\n")
        assert c.line().startswith(b"b BAD")
        assert c.tagged("NOOP")[1].startswith("t OK")
        c.send(b"c SEARCH TEXT {999999999999+}\r\n")
        assert b"BYE" in c.rest()


def test_imap_append_over_the_limit_is_refused_before_it_comes(server, user):
    with imap_raw(server, user) as c:
        c.send(b"a APPEND INBOX {60000000}\r\n")
        answer = c.line()
        assert answer.startswith(b"a NO") and b"TOOBIG" in answer
        assert c.tagged("NOOP")[1].startswith("t OK")


@pytest.mark.parametrize("has_logged_in, most", [(False, 3), (True, 20)])
def test_imap_bad_commands_end_the_connection(server, user, has_logged_in,
                                              most):
    with imap_raw(server, user if has_logged_in else None) as c:
        c.send(b"x NONSENSE\r\n" * (most + 10))
        said = c.rest()
        assert said.count(b"x BAD") <= most
        assert b"* BYE" in said


def test_imap_nesting_is_bounded(server, user):
    with imap_raw(server, user) as c:
        c.tagged("SELECT INBOX")
        deep = "(" * 60 + "ALL" + ")" * 60
        assert c.tagged("SEARCH " + deep)[1].startswith("t OK")
        deep = "(" * 5000 + "ALL" + ")" * 5000
        assert c.tagged("SEARCH " + deep)[1].startswith("t BAD")
        assert c.tagged("SEARCH " + "NOT " * 5000 + "ALL"
                        )[1].startswith("t BAD")


@pytest.mark.parametrize("command, most", [
    ("ID ({})", 30),
    ("ENABLE {}", 32),
    ("FETCH 1 ({})", 200),
    ("UID FETCH 99 BODY.PEEK[HEADER.FIELDS ({})]", 200),
    ("STORE 1 +FLAGS ({})", 200),
])
def test_imap_lists_are_bounded(server, user, command, most):
    word = {"ID": '"k{0}" "v"', "ENABLE": "X{0}", "FETCH": "BODY.PEEK[{0}]",
            "UID": "X-{0}", "STORE": "\\Seen"}[command.split()[0]]
    server.deliver(user)
    with imap_raw(server, user) as c:
        c.tagged("SELECT INBOX")
        for count, status in ((most, "t OK"), (most + 1, "t BAD"),
                              (9 * most, "t BAD")):
            words = " ".join(word.format(n + 1) for n in range(count))
            assert c.tagged(command.format(words))[1].startswith(status)
        assert c.tagged("NOOP")[1].startswith("t OK")


def test_imap_text_to_search_for_is_bounded(server, user):
    with imap_raw(server, user) as c:
        c.tagged("SELECT INBOX")
        for size, status in ((4096, b"a OK"), (4097, b"a BAD")):
            c.send(b"a SEARCH BODY {%d+}\r\n" % size + b"x" * size + b"\r\n")
            assert c.until("a")[1].encode().startswith(status)
        assert c.tagged("NOOP")[1].startswith("t OK")


def test_imap_messages_of_one_append_are_bounded(server, user):
    with imap_raw(server, user) as c:
        for count, status in ((100, "a OK"), (101, "a BAD")):
            c.send(b"a APPEND INBOX" + b" {3+}\r\na\r\n" * count + b"\r\n")
            assert c.until("a")[1].startswith(status)
            answer = c.tagged("STATUS INBOX (MESSAGES)")
            assert b"MESSAGES 100" in b"".join(answer[0])


def test_imap_mailbox_names_are_bounded(server, user):
    with server.imap(user) as c:
        assert c.create("x" * 501)[0] == "NO"
        assert c.create("/".join("abcdefghijklmnopqrstu"))[0] == "NO"
        ok(c.create("/".join("abcdefghijklmno")))
        assert c.create('"bad\tname"')[0] == "NO"


def test_imap_keywords_are_bounded(server, user):
    server.deliver(user)
    c = Client(server.raw("imap").sock)
    c.login(user.address, user.password)
    c.select("INBOX")
    for n in range(56):
        c.ok(f"STORE 1 +FLAGS (key{n})", holds=True)
    status, code, _ = c.command("STORE 1 +FLAGS (key56)", holds=True)
    assert (status, code) == ("NO", "LIMIT")
    c.ok("STORE 1 +FLAGS (key7 \\Flagged)", holds=True)
    status, code, _ = c.append("INBOX", mail(), flags="another")
    assert (status, code) == ("NO", "LIMIT")
    c.select("INBOX")
    permanent = [u[1] for u in c.untagged if u[0] == "OK" and u[1] and
                 u[1].startswith("PERMANENTFLAGS")]
    assert "\\*" not in permanent[0]
    c.close()


# ---------------------------------------------------------------------- POP3

def test_pop3_long_lines_and_bad_commands(server, user):
    with server.raw("pop3") as c:
        c.line()
        c.send("X" * 600 + "\r\n")
        assert c.line().startswith(b"-ERR")
        c.send("NONSENSE\r\n" * 10)
        said = c.rest()
        assert 1 <= said.count(b"-ERR") <= 6


# ---------------------------------------------------------- odd messages

def nested(depth):
    parts = ["--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n"
             % (n, n + 1) for n in range(depth)]
    return ("Content-Type: multipart/mixed; boundary=b0\r\n",
            "".join(parts) + "--b%d\r\n\r\ninnermost\r\n" % depth)


ODD = [
    ("deep", *nested(300)),
    ("parts", "Content-Type: multipart/mixed; boundary=b\r\n",
     "--b\r\n\r\nx\r\n" * 5000 + "--b--\r\n"),
    ("header", "X-Long: " + "y" * 2_000_000 + "\r\n", "text\r\n"),
    ("fields", "X-Field: z\r\n" * 50_000, "text\r\n"),
    ("addresses", "Cc: " + ",\r\n ".join(
        f"a{n}@b.example" for n in range(20_000)) + "\r\n", "text\r\n"),
    ("parameters", "Content-Type: text/plain" + "".join(
        f";\r\n p*{n}*=x" for n in range(5000)) + "\r\n", "text\r\n"),
    ("references", "References: " + "\r\n ".join(
        f"<{n}@x.example>" for n in range(20_000)) + "\r\n", "text\r\n"),
    ("comments", "Subject: " + "(" * 50_000 + "\r\n", "text\r\n"),
    ("words", "Subject: " + " ".join(
        ["=?utf-8?q?x?="] * 20_000) + "\r\n", "text\r\n"),
    ("no-colon", "this is no header\r\n", "text\r\n"),
    ("empty", "\r\n\r\n\r\n", ""),
]


@pytest.mark.parametrize("extra, body", [odd[1:] for odd in ODD],
                         ids=[odd[0] for odd in ODD])
def test_odd_message_is_stored_whole_and_shown(server, user, extra, body):
    message = extra.encode() + mail(body=body)
    server.deliver(user, message)
    c = Client(server.raw("imap").sock)
    c.login(user.address, user.password)
    c.select("INBOX")
    got = c.fetch("1", "(ENVELOPE BODYSTRUCTURE RFC822.SIZE)")[1]
    assert got["ENVELOPE"] and got["BODYSTRUCTURE"]
    stored = c.fetch("1", "(BODY.PEEK[])")[1]["BODY[]"]
    assert stored.endswith(message)
    assert got["RFC822.SIZE"] == len(stored)
    c.ok('SEARCH TEXT "innermost" BODY "x"', holds=True)
    c.logout()


# ----------------------------------------------------------------- connections

def test_connections_of_an_address_are_bounded():
    limits = ("\tconnections_per_address = 5\n"
              "\tnew_connections_per_minute = 1000\n"
              "\tconnections_per_account = 4\n\texempt = {}")
    with kp.Server(limits=limits) as s:
        held = [s.raw("imap") for _ in range(5)]
        for c in held:
            assert c.line().startswith(b"* OK")
        for listener, word in (("imap", b"* BYE"), ("smtp", b"421"),
                               ("pop3", b"-ERR")):
            with s.raw(listener) as c:
                assert c.rest().startswith(word)
        # Who has logged in is no longer counted there, but by account.
        user = s["alice"]
        for c in held[:4]:
            c.tagged(f'LOGIN {user.address} "{user.password}"')
        fresh = [s.raw("imap") for _ in range(4)]
        for c in fresh:
            assert c.line().startswith(b"* OK")
        c = fresh[0]
        c.send(f'a LOGIN {user.address} "{user.password}"\r\n')
        said = c.rest()
        assert b"BYE" in said or b"a NO" in said
        # One place is free again.
        held[0].close()
        kp.wait_until(lambda: is_let_in(s, user), "log-in")
        for c in held + fresh:
            c.close()


def is_let_in(server, user):
    with server.raw("imap") as c:
        if not c.line().startswith(b"* OK"):
            return False
        c.send(f'a LOGIN {user.address} "{user.password}"\r\n'
               "b NOOP\r\nc LOGOUT\r\n")
        return b"b OK" in c.rest()


def test_new_connections_of_an_address_are_bounded():
    limits = "\tnew_connections_per_minute = 10\n\texempt = {}"
    with kp.Server(users=(), limits=limits) as s:
        answers = []
        for _ in range(15):
            with s.raw("smtp") as c:
                answers.append(c.line()[:3])
        assert answers == [b"220"] * 10 + [b"421"] * 5


def test_total_is_bounded():
    limits = "\tconnections = 20\n"
    with kp.Server(limits=limits) as s:
        held = [s.raw("pop3") for _ in range(20)]
        for c in held:
            assert c.line().startswith(b"+OK")
        with s.raw("pop3") as c:
            assert c.rest().startswith(b"-ERR [SYS/TEMP]")
        # The control socket is not counted.
        assert s.rows("status")
        for c in held:
            c.close()
        kp.wait_until(lambda: is_let_in(s, s["alice"]), "log-in")


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_without_descriptors_it_neither_spins_nor_falls():
    with kp.Server(fds=64, limits="\tconnections = 1024\n") as s:
        s.expected_errors = True
        socks = [s.connect("imap") for _ in range(200)]
        time.sleep(1)           # what is refused at once is refused by now
        before = cpu_ticks(s.pid)
        time.sleep(2)
        used = (cpu_ticks(s.pid) - before) / os.sysconf("SC_CLK_TCK")
        assert used < 0.2       # 2 s at 1 % would be 0.02
        assert s.rows("status")
        s.run("user", "list")
        for sock in socks:
            sock.close()
        kp.wait_until(lambda: is_let_in(s, s["alice"]), "log-in")
        s.deliver(s["alice"])
        assert len(s.inbox(s["alice"])) == 1


# ----------------------------------------------------------------- slow clients

def test_slow_reader_stops_nobody(server):
    # One who asks for megabytes and reads nothing.
    user = server.new_user()
    server.deliver(user, mail(body=(b"z" * 998 + b"\r\n") * 3000))
    slow = imap_raw(server, user)
    slow.tagged("SELECT INBOX")
    slow.send(b"".join(b"s%d FETCH 1 (BODY.PEEK[])\r\n" % n
                       for n in range(20)))
    # One who gives a message byte by byte.
    writer = smtp_hello(server)
    writer.ask("MAIL FROM:<>")
    writer.ask(f"RCPT TO:<{user.address}>")
    writer.ask("DATA")
    writer.send(b"Subject: s")
    with server.imap(user, mailbox="INBOX") as c:
        for n in range(2, 7):
            server.deliver(user)
            assert kp.exists(c) == n
            ok(c.store("1", "+FLAGS", "\\Flagged"))
    # And the slow one gets all of it in the end.
    total = 0
    while b"s19 OK" not in slow.buffer:
        assert slow.fill()
        total += len(slow.buffer)
        slow.buffer = slow.buffer[-100:]
    assert total > 20 * 2_900_000
    slow.close()
    writer.send(b"low\r\n\r\nx\r\n.\r\n")
    assert writer.reply().startswith("250")
    writer.close()


TALKS = {
    "smtp": b"EHLO c.example\r\nMAIL FROM:<> SIZE=99 BODY=8BITMIME\r\n"
            b"RCPT TO:<%(a)s>\r\nDATA\r\nSubject: s\r\n\r\n" +
            b"x" * 300_000 + b"\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<%(a)s>\r\n"
            b"BDAT 300000 LAST\r\n" + b"y" * 300_000 + b"QUIT\r\n",
    "submission": b"EHLO c.example\r\nAUTH PLAIN %(plain)s\r\n"
            b"MAIL FROM:<%(a)s>\r\nRCPT TO:<%(a)s>\r\nDATA\r\n"
            b"Subject: s\r\n\r\n" + b"z" * 300_000 + b"\r\n.\r\n",
    "pop3": b"CAPA\r\nUSER %(a)s\r\nPASS %(p)s\r\nUIDL\r\nRETR 1\r\n"
            b"TOP 1 5\r\nRETR 1\r\nQUIT\r\n",
    "imap": b"a LOGIN %(a)s \"%(p)s\"\r\nb SELECT INBOX\r\n"
            b"c FETCH 1:* (ENVELOPE BODY.PEEK[])\r\n"
            b"d SEARCH BODY nothing\r\ne STORE 1:* +FLAGS (\\Seen)\r\n"
            b"f APPEND INBOX {300000+}\r\n" + b"w" * 300_000 + b"\r\n"
            b"g COPY 1 Archive\r\nh UID MOVE 2:* Trash\r\ni IDLE\r\n"
            b"DONE\r\nj LOGOUT\r\n",
}


@pytest.mark.parametrize("listener", sorted(TALKS))
def test_connections_cut_anywhere_hurt_nobody(server, listener):
    user = server.new_user()
    for _ in range(5):
        server.deliver(user, mail(body=("v" * 70 + "\r\n") * 3000))
    talk = TALKS[listener] % {
        b"a": user.address.encode(), b"p": user.password.encode(),
        b"plain": kp.base64_plain(user).encode()}
    rng = random.Random(5)
    for n in range(60):
        with server.raw(listener) as c:
            at = rng.randrange(len(talk)) if n % 2 else \
                rng.randrange(min(len(talk), 700))
            c.send(talk[:at])
            if n % 3 == 0:
                c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  struct.pack("ii", 1, 0))     # a reset
            elif n % 3 == 1:
                c.fill()
    assert is_let_in(server, user)
    server.deliver(user)
    assert server.inbox(user)


def test_memory_budget_used_up_is_a_temporary_refusal():
    with kp.Server(top={"memory_limit": '"32M"'}) as s:
        user = s["alice"]
        # Messages under way of just under a chunk stay in memory.
        under_way = []
        answers = []
        for _ in range(150):
            c = s.raw("smtp")
            c.reply()
            c.send("EHLO client.example\r\nMAIL FROM:<>\r\n"
                   f"RCPT TO:<{user.address}>\r\nDATA\r\n")
            for _ in range(4):
                c.reply()
            c.send(mail(body=(b"m" * 998 + b"\r\n") * 240))
            under_way.append(c)
        for c in under_way:
            c.send(b".\r\n")
            answers.append(c.reply()[:9])
            c.close()
        assert set(answers) <= {"250 2.0.0", "452 4.3.1"}
        assert "452 4.3.1" in answers
        stored = answers.count("250 2.0.0")
        # And when they are gone there is room again.
        s.deliver(user)
        assert len(s.inbox(user)) == stored + 1


def test_mail_in_parts_from_many_threads_is_whole(server, user):
    """Twenty at once; the store makes one order of them."""
    failures = []

    def deliver(n):
        try:
            for i in range(10):
                server.deliver(user, mail(f"{n}-{i}", body="q" * n * 500 +
                                          "\r\n"))
        except Exception as e:      # told below
            failures.append(e)
    threads = [threading.Thread(target=deliver, args=(n,))
               for n in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert failures == []
    stored = server.inbox(user)
    assert len(stored) == 200
    for m in stored:
        n = int(m[m.index(b"Subject: ") + 9:].split(b"-")[0])
        assert m.endswith(b"\r\n\r\n" + b"q" * n * 500 + b"\r\n")
