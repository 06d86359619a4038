"""SMTP servers of the world that are written here: good ones and bad ones.

A Peer listens on an address of the world and has every conversation as its
behaviour says: a function that gets a Talk. polite() takes mail as it should;
the others each make one kind of trouble. What was said and what was taken is
kept for the test to look at.
"""
import socket
import ssl
import threading
import time

EXTENSIONS = ("PIPELINING", "SIZE 10000000", "8BITMIME", "SMTPUTF8", "DSN",
              "CHUNKING", "ENHANCEDSTATUSCODES")


class Message:
    def __init__(self, sender, recipients, data, has_tls, params):
        self.sender = sender            # MAIL's argument, as it came
        self.recipients = recipients    # RCPT's arguments
        self.data = data
        self.has_tls = has_tls
        self.number = params            # of the conversation

    def __repr__(self):
        return f"<{self.sender} -> {self.recipients}, {len(self.data)}>"


class Gone(Exception):
    """The client has hung up."""


class Talk:
    """One conversation, seen from the server."""

    def __init__(self, peer, sock, number):
        self.peer = peer
        self.sock = sock
        self.number = number
        self.has_tls = False
        self.buffer = b""
        self.sender = None
        self.recipients = []

    def send(self, data):
        if isinstance(data, str):
            data = data.encode()
        try:
            self.sock.sendall(data)
        except OSError:
            raise Gone()

    def reply(self, text):
        self.send(text + "\r\n")

    def fill(self):
        try:
            more = self.sock.recv(65536)
        except OSError:
            raise Gone()
        if not more:
            raise Gone()
        self.buffer += more

    def line(self):
        while b"\r\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        text = line.decode("utf-8", "surrogateescape")
        self.peer.heard.append(text)
        return text

    def take(self, count):
        while len(self.buffer) < count:
            self.fill()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def dots(self):
        """The message up to the dot, without its stuffing."""
        while not (self.buffer == b".\r\n" or
                   self.buffer.startswith(b".\r\n") or
                   b"\r\n.\r\n" in self.buffer):
            self.fill()
        if self.buffer.startswith(b".\r\n"):
            data, self.buffer = b"", self.buffer[3:]
        else:
            data, self.buffer = self.buffer.split(b"\r\n.\r\n", 1)
            data += b"\r\n"
        return b"\r\n".join(
            part[1:] if part.startswith(b".") else part
            for part in data.split(b"\r\n"))

    def start_tls(self):
        self.buffer = b""
        try:
            self.sock = self.peer.context.wrap_socket(self.sock,
                                                      server_side=True)
        except (OSError, ssl.SSLError):
            raise Gone()
        self.has_tls = True

    def keep(self, data):
        self.peer.messages.append(Message(
            self.sender, self.recipients, data, self.has_tls, self.number))
        self.sender, self.recipients = None, []


# ---- good behaviour, verb by verb: each returns the reply, or has sent it

def on_ehlo(talk, arg):
    words = [talk.peer.name] + list(talk.peer.extensions)
    if talk.peer.context and not talk.has_tls:
        words.append("STARTTLS")
    for word in words[:-1]:
        talk.reply("250-" + word)
    return "250 " + words[-1]


def on_mail(talk, arg):
    talk.sender, talk.recipients = arg, []
    return "250 2.1.0 ok"


def on_rcpt(talk, arg):
    if talk.sender is None:
        return "503 5.5.1 MAIL first"
    talk.recipients.append(arg)
    return "250 2.1.5 ok"


def on_data(talk, arg):
    if not talk.recipients:
        return "503 5.5.1 RCPT first"
    talk.reply("354 go on")
    talk.keep(talk.dots())
    return "250 2.0.0 taken"


def on_bdat(talk, arg):
    data = talk.take(int(arg.split()[0]))
    if not talk.recipients:
        return "503 5.5.1 RCPT first"
    talk.chunks = getattr(talk, "chunks", b"") + data
    if arg.upper().endswith("LAST"):
        talk.keep(talk.chunks)
        talk.chunks = b""
    return "250 2.0.0 taken"


def on_rset(talk, arg):
    talk.sender, talk.recipients, talk.chunks = None, [], b""
    return "250 2.0.0 ok"


def on_starttls(talk, arg):
    talk.reply("220 2.0.0 go")
    talk.start_tls()


def on_quit(talk, arg):
    talk.reply("221 2.0.0 bye")
    raise Gone()


VERBS = {"EHLO": on_ehlo, "HELO": lambda t, a: "250 " + t.peer.name,
         "MAIL": on_mail, "RCPT": on_rcpt, "DATA": on_data,
         "BDAT": on_bdat, "RSET": on_rset, "NOOP": lambda t, a: "250 ok",
         "STARTTLS": on_starttls, "QUIT": on_quit}


def converse(talk, **other):
    """Greets and answers; other has verbs that behave differently."""
    verbs = dict(VERBS, **other)
    talk.reply(f"220 {talk.peer.name} ESMTP")
    while True:
        verb, _, arg = talk.line().partition(" ")
        answer = verbs.get(verb.upper(), lambda t, a: "500 5.5.1 what?")
        text = answer(talk, arg)
        if text:
            talk.reply(text)


polite = converse


# ---- trouble, one kind each

def never_answers(talk):
    while True:
        talk.fill()


def drips(talk):
    """One byte a second, of a greeting that would be fine."""
    for byte in (b"220 " + b"x" * 100000 + b"\r\n"):
        talk.send(bytes([byte]))
        time.sleep(1)


def endless_reply(talk):
    while True:
        talk.send("220-and so on\r\n" * 100)


def endless_line(talk):
    talk.send("220 ")
    while True:
        talk.send("x" * 10000)


def half_reply(talk):
    talk.send("220 half a li")
    raise Gone()


def nul_reply(talk):
    talk.send(b"220 a\0b\r\n")
    converse(talk)


def wrong_codes(talk):
    talk.reply("999 what")
    while True:
        talk.line()
        talk.reply("000 who")


def no_digits(talk):
    talk.reply("hello, this is not SMTP")
    never_answers(talk)


def mixed_codes(talk):
    """Lines of one reply that do not agree."""
    talk.send("220-one\r\n554 two\r\n")
    never_answers(talk)


def says_421(verb):
    """421 where verb is answered otherwise; "" is the greeting."""
    def behave(talk):
        def close(t, arg):
            t.reply("421 4.3.2 closing")
            raise Gone()
        if not verb:
            close(talk, "")
        converse(talk, **{verb: close})
    return behave


def refuses(verb, reply):
    """Another reply to one verb; after the dot for verb "."."""
    def behave(talk):
        def say(t, arg):
            if verb != ".":
                return reply
            t.reply("354 go on")
            t.dots()
            return reply
        converse(talk, **{"DATA" if verb == "." else verb: say})
    return behave


def hangs_after(verb):
    """Takes the command and never answers it."""
    def behave(talk):
        converse(talk, **{verb: lambda t, a: never_answers(t)})
    return behave


def closes_after_dot(talk):
    def data(t, arg):
        t.reply("354 go on")
        t.keep(t.dots())
        raise Gone()
    converse(talk, DATA=data, BDAT=lambda t, a: data(t, a))


def closes_in_data(talk):
    def data(t, arg):
        t.reply("354 go on")
        t.take(100)
        raise Gone()
    converse(talk, DATA=data)


def garbage_for_tls(talk):
    def tls(t, arg):
        t.reply("220 go")
        t.buffer = b""
        t.send("250 this is no handshake\r\n" * 10)
        never_answers(t)
    converse(talk, STARTTLS=tls)


def no_tls_after_all(talk):
    """Offers STARTTLS and refuses it."""
    converse(talk, STARTTLS=lambda t, a: "454 4.7.0 not now")


# ---- listening

class Peer:
    """
    A mail server at an address of the world.

    tls: (chain, key), paths; None: no STARTTLS. behave is a function of a
    Talk, or a list of them: one for each conversation, the last for the rest.
    """

    def __init__(self, address, behave=polite, tls=None, name="peer.example",
                 extensions=EXTENSIONS, port=25):
        self.name = name
        self.extensions = extensions
        self.behaviours = behave if isinstance(behave, list) else [behave]
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*tls)
        self.messages = []
        self.heard = []
        self.count = 0          # conversations so far
        self.open = 0           # at this moment
        self.open_max = 0
        self._lock = threading.Lock()
        self._socks = set()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.socket(family)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, port))
        self._listener.listen(100)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._socks.add(sock)
                number = self.count
                self.count += 1
                self.open += 1
                self.open_max = max(self.open_max, self.open)
            threading.Thread(target=self._talk, args=(sock, number),
                             daemon=True).start()

    def _talk(self, sock, number):
        talk = Talk(self, sock, number)
        behave = self.behaviours[min(number, len(self.behaviours) - 1)]
        try:
            behave(talk)
        except Gone:
            pass
        finally:
            with self._lock:
                self.open -= 1
                self._socks.discard(sock)
            try:
                talk.sock.close()
            except OSError:
                pass

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            socks = list(self._socks)
        for sock in socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._thread.join(10)

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.close()
