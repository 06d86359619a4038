"""Mail to other servers: out of the process, over a restart and a kill."""

import os
import re
import socketserver
import subprocess
import threading

import pytest

from kp import (DOMAIN, T, Server, binary, mail, nobody, sanitizer_env,
                wait_until)


class Sink(socketserver.ThreadingTCPServer):
    """A server that takes mail, or answers RCPT as it is told."""
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        self.messages = []
        self.rcpt_reply = None
        self.thread = threading.Thread(target=self.serve_forever,
                                       kwargs={"poll_interval": 0.05})
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.thread.join()
        self.server_close()


class Handler(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        self.say("220 sink")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.say("250-sink\r\n250 PIPELINING")
            elif verb == b"RCPT" and self.server.rcpt_reply:
                self.say(self.server.rcpt_reply)
            elif verb == b"DATA":
                if self.server.rcpt_reply:
                    self.say("503 no recipients")
                    continue
                self.say("354 go on")
                self.take_message()
                self.say("250 taken")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 fine")

    def take_message(self):
        text = b""
        for line in self.rfile:
            if line == b".\r\n":
                break
            text += line
        self.server.messages.append(text)


@pytest.fixture
def sink():
    with Sink() as s:
        yield s


@pytest.fixture
def server(sink):
    extra = ("testing {\n\tsmtp_port = %d\n\tloopback = true\n}\n"
             "queue {\n\tretry = 1s\n\tretry_max = 2s\n}\n" % sink.port)
    with Server(extra=extra, args=["--testing"]) as s:
        yield s


def submit(server, subject, to="bob@[127.0.0.1]"):
    alice = server["alice"]
    message = mail(subject=subject, sender=alice.address, to=to)
    with server.submission(alice) as s:
        s.sendmail(alice.address, [to], message)
    return message


def queue_is_empty(server):
    return server.rows("queue", "list") == []


def test_mail_leaves_and_nothing_of_it_stays(server, sink):
    submit(server, "over there")
    wait_until(lambda: sink.messages, "the message has arrived")
    assert b"Subject: over there\r\n" in sink.messages[0]
    wait_until(lambda: queue_is_empty(server), "the queue is empty")
    assert server.rows("status")[0]["queue"]["messages"] == 0


def test_what_is_refused_comes_back_with_the_words(server, sink):
    sink.rcpt_reply = "550 5.1.1 nobody of that name"
    submit(server, "to nobody")
    wait_until(lambda: server.inbox(server["alice"]), "a notice")
    notice = b"".join(server.inbox(server["alice"])).decode()
    assert "said: 550 5.1.1 nobody of that name" in notice
    assert "report-type=delivery-status" in notice


def test_a_kill_and_a_restart_lose_nothing(server, sink):
    sink.rcpt_reply = "451 4.3.0 later"
    for n in range(20):
        submit(server, "number %d" % n)
    server.kill()
    sink.rcpt_reply = None
    server.start()
    wait_until(lambda: len(sink.messages) >= 20, "all have arrived")
    subjects = {re.search(rb"Subject: (.*)\r\n", m).group(1)
                for m in sink.messages}
    assert subjects == {b"number %d" % n for n in range(20)}
    wait_until(lambda: queue_is_empty(server), "the queue is empty")


def test_mail_is_held_released_and_dropped(server, sink):
    sink.rcpt_reply = "451 4.3.0 later"
    submit(server, "one")
    submit(server, "two", to="eve@[127.0.0.1]")
    server.run("queue", "hold", "all")
    rows = server.rows("queue", "list", "state=held")
    assert {r["to"] for r in rows} == {"bob@[127.0.0.1]", "eve@[127.0.0.1]"}
    server.run("queue", "drop", "to=eve@[127.0.0.1]", "--yes")
    sink.rcpt_reply = None
    server.run("queue", "release", "all")
    wait_until(lambda: queue_is_empty(server), "the queue is empty")
    assert len(sink.messages) == 1


def test_local_mail_needs_no_socket(server, sink):
    submit(server, "at home", to="bob@" + DOMAIN)
    wait_until(lambda: server.inbox(server["bob"]), "it has arrived")
    assert not sink.messages


def test_sendmail_takes_recipients_from_the_header(server, sink):
    program = os.path.join(server.root, "sendmail")
    os.symlink(binary(), program)
    done = subprocess.run(
        [program, "-t", "-i", "-f", "alice@" + DOMAIN, "-F", "Alice"],
        input=b"To: bob@[127.0.0.1]\nBcc: bob@" + DOMAIN.encode() +
        b"\nSubject: by cron\n\nline\n.\nlast\n", timeout=T,
        env={**sanitizer_env(), "KINGPOST_CONFIG": server.conf},
        **(nobody() if server.runs_as else {}))
    assert done.returncode == 0
    wait_until(lambda: sink.messages, "the message has arrived")
    message = sink.messages[0].decode()
    assert 'From: "Alice" <alice@%s>\r\n' % DOMAIN in message
    assert "Bcc" not in message
    assert message.endswith("\r\nline\r\n..\r\nlast\r\n")
    wait_until(lambda: server.inbox(server["bob"]), "the copy has arrived")
