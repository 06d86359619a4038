"""EHLO, CAPABILITY and CAPA against docs/rfc.md, in both directions.

What is announced has a row, and what a row announces is announced, by some
listener in some state. Words with a value (SIZE 52428800, AUTH=PLAIN) count by
their name.
"""
import os
import re

import kp

RFC = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "rfc.md")
MECHANISMS = {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}


def documented(kind):
    """The words in the last column of the tables, behind `kind`."""
    words = set()
    with open(RFC, encoding="utf-8") as f:
        for line in f:
            if not line.startswith("|"):
                continue
            cell = line.rstrip().rstrip("|").split("|")[-1]
            for part in re.split(r"(?=\b(?:EHLO|IMAP|CAPA)\b `)", cell):
                if part.startswith(kind + " "):
                    words.update(re.findall(r"`([^`]+)`", part))
    assert words
    return words


def ehlo(session):
    session.reply()
    return {line[4:].split()[0].upper()
            for line in session.ask("EHLO client.example").splitlines()[1:]}


def test_ehlo_and_the_table_agree(server):
    seen = set()
    for listener, tls in (("smtp", False), ("smtp", True),
                          ("submission", False), ("submission", True)):
        with server.raw(listener) as s:
            words = ehlo(s)
            seen |= words
            if tls:
                s.ask("STARTTLS")
                s.start_tls(server.tls())
                seen |= {line[4:].split()[0].upper() for line in
                         s.ask("EHLO client.example").splitlines()[1:]}
    assert seen == documented("EHLO")


def test_capability_and_the_table_agree(server):
    seen = set()
    with server.raw("imap") as s:
        s.line()
        answer = s.tagged("CAPABILITY")
        seen |= capability(answer)
        s.tagged("STARTTLS")
        s.start_tls(server.tls())
        seen |= capability(s.tagged("CAPABILITY"))
        a = server["alice"]
        s.tagged(f"LOGIN {a.address} {a.password}")
        seen |= capability(s.tagged("CAPABILITY"))
    with kp.Server(top={"plaintext_auth": "never"}) as closed:
        with closed.raw("imap") as s:
            s.line()
            seen |= capability(s.tagged("CAPABILITY"))
    assert seen == {w.upper().split("=")[0] for w in documented("IMAP")}


def capability(answer):
    lines, _ = answer
    words = {w.decode().upper() for line in lines
             if line.startswith(b"* CAPABILITY ")
             for w in line.split()[2:]}
    for w in words:
        if w.startswith("AUTH="):
            assert w[5:] in MECHANISMS
    return {w.split("=")[0] for w in words if not w.startswith("AUTH=")}


def test_capa_and_the_table_agree(server):
    seen = set()
    with server.raw("pop3") as s:
        s.line()
        seen |= capa(s)
        s.send("STLS\r\n")
        s.line()
        s.start_tls(server.tls())
        seen |= capa(s)
    assert seen == documented("CAPA")


def capa(s):
    s.send("CAPA\r\n")
    assert s.line().startswith(b"+OK")
    words = set()
    for line in s.dots():
        name, *values = line.decode().split()
        words.add(name.upper())
        if name.upper() == "SASL":
            assert set(values) <= MECHANISMS
    return words
