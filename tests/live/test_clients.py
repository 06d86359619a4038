"""Mail programs that no one here wrote, against the real process."""
import glob
import imaplib
import mailbox
import os
import re
import shutil
import subprocess
import textwrap

import pytest

import kp
from kp import DOMAIN, flags_of, mail, ok


def needs(tool):
    return pytest.mark.skipif(not shutil.which(tool),
                              reason=f"{tool} is not here")


@pytest.fixture
def home(tmp_path):
    """A home of its own for a program's files."""
    return str(tmp_path)


def run(args, home, input=None, status=0, **kw):
    env = {"HOME": home, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8",
           "TERM": "screen", "SHELL": "/bin/sh"}
    done = subprocess.run(args, env=env, cwd=home, timeout=kp.T,
                          input=input, capture_output=True, **kw)
    assert status is None or done.returncode == status, done
    return done


def write(home, name, text, mode=0o600):
    path = os.path.join(home, name)
    with open(path, "w") as f:
        f.write(textwrap.dedent(text))
    os.chmod(path, mode)
    return path


@pytest.fixture
def full(server, user):
    user.sent = [server.deliver(user, mail(f"Number {i}"))
                 for i in (1, 2, 3)]
    return user


# ---------------------------------------------------------------------- curl

def curl(server, user, home, *args, status=0):
    return run(["curl", "-sS", "--cacert", server.cert, "-u",
                f"{user.address}:{user.password}", *args], home,
               status=status).stdout


def urls(server, scheme):
    """The same service with implicit TLS and with STARTTLS."""
    plain, tls = {"imap": ("imap", "imaps"), "pop3": ("pop3", "pop3s"),
                  "smtp": ("submission", "submissions")}[scheme]
    return ((f"{scheme}s://localhost:{server.ports[tls]}", []),
            (f"{scheme}://localhost:{server.ports[plain]}", ["--ssl-reqd"]))


def test_curl_reads_by_imap(server, full, home):
    for url, args in urls(server, "imap"):
        for n, sent in enumerate(full.sent, 1):
            got = curl(server, full, home, *args, f"{url}/INBOX;MAILINDEX={n}")
            assert got.endswith(sent)
        got = curl(server, full, home, *args, url + "/INBOX", "-X",
                   "UID SEARCH ALL")
        assert got.strip() == b"* SEARCH 1 2 3"
        got = curl(server, full, home, *args,
                   url + "/INBOX;MAILINDEX=1;SECTION=HEADER.FIELDS%20"
                   "(SUBJECT)")
        assert got == b"Subject: Number 1\r\n\r\n"
        got = curl(server, full, home, *args, url)
        assert b'"Drafts"' in got or b" Drafts" in got


def test_curl_appends_by_imap(server, user, home):
    path = os.path.join(home, "up.eml")
    message = mail()
    with open(path, "wb") as f:
        f.write(message)
    for url, args in urls(server, "imap"):
        curl(server, user, home, *args, "-T", path, url + "/Drafts")
    with server.imap(user, mailbox="Drafts") as c:
        data = ok(c.fetch("1:*", "(BODY.PEEK[])"))
        assert [d[1] for d in data if isinstance(d, tuple)] == [message] * 2


def test_curl_reads_by_pop3(server, full, home):
    for url, args in urls(server, "pop3"):
        got = curl(server, full, home, *args, url + "/2")
        assert got.endswith(full.sent[1])
        got = curl(server, full, home, *args, url, "-X", "UIDL")
        assert len(got.splitlines()) == 3
    curl(server, full, home, *args, url + "/1", "-X", "DELE", "-I")
    assert len(server.inbox(full)) == 2


def test_curl_wrong_password_is_status_67(server, user, home):
    wrong = kp.Account(user.address, "wrong")
    for scheme in ("imap", "pop3", "smtp"):
        url, args = urls(server, scheme)[0]
        extra = ["--mail-from", user.address, "--mail-rcpt", user.address,
                 "-T", os.devnull] if scheme == "smtp" else []
        curl(server, wrong, home, *args, *extra, url, status=67)
        # The failures of one account are slowed: another one.
        user = server.new_user()
        wrong = kp.Account(user.address, "wrong")


@pytest.mark.parametrize("login", ["AUTH=PLAIN", "AUTH=LOGIN"])
def test_curl_submits(server, user, home, login):
    message = mail(sender=user.address)
    path = os.path.join(home, "m.eml")
    with open(path, "wb") as f:
        f.write(message)
    for url, args in urls(server, "smtp"):
        curl(server, user, home, *args, url, "--login-options", login,
             "--mail-from", user.address, "--mail-rcpt", user.address,
             "-T", path)
    assert [m.endswith(message) for m in server.inbox(user)] == [True] * 2


# --------------------------------------------------------------------- swaks

@needs("swaks")
@pytest.mark.parametrize("auth", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("how", ["-tls", "-tlsc"])
def test_swaks_submits(server, user, home, auth, how):
    port = server.ports["submission" if how == "-tls" else "submissions"]
    done = run(["swaks", "-s", f"localhost:{port}", how, "--tls-verify",
                "--tls-ca-path", server.cert, "-a", auth, "-au",
                user.address, "-ap", user.password, "-f", user.address,
                "-t", user.address, "--body", "by swaks"], home, text=True)
    assert "TLS started" in done.stdout
    assert b"by swaks" in server.inbox(user)[0]


@needs("swaks")
def test_swaks_from_outside(server, user, home):
    run(["swaks", "-s", f"127.0.0.1:{server.ports['smtp']}", "-f",
         "carol@elsewhere.example", "-t", user.address, "--body",
         "pipelined", "--pipeline"], home)
    assert b"pipelined" in server.inbox(user)[0]
    done = run(["swaks", "-s", f"127.0.0.1:{server.ports['smtp']}", "-f",
                "carol@elsewhere.example", "-t", "dave@elsewhere.example"],
               home, status=None, text=True)
    assert done.returncode == 24 and "5.7.1" in done.stdout


# --------------------------------------------------------------------- msmtp

@needs("msmtp")
def test_msmtp_submits(server, user, home):
    for port, extra in ((server.ports["submission"], "--tls-starttls=on"),
                        (server.ports["submissions"], "--tls-starttls=off")):
        run(["msmtp", "--host=localhost", f"--port={port}", "--tls=on",
             extra, f"--tls-trust-file={server.cert}", "--auth=on",
             f"--user={user.address}", f"--passwordeval=echo {user.password}",
             f"--from={user.address}", user.address], home,
            input=f"To: {user.address}\nSubject: m\n\nby msmtp\n".encode())
    assert [b"by msmtp" in m for m in server.inbox(user)] == [True, True]


# ----------------------------------------------------------------- fetchmail

@needs("fetchmail")
@pytest.mark.parametrize("protocol", ["POP3", "IMAP"])
@pytest.mark.parametrize("tls", ["ssl", "sslproto TLS1.2+"])
def test_fetchmail_takes_the_mail_away(server, full, home, protocol, tls):
    listener = protocol.lower() + ("s" if tls == "ssl" else "")
    got = os.path.join(home, "got")
    rc = write(home, "rc", f"""\
        poll localhost service {server.ports[listener]} protocol {protocol}
          user "{full.address}" password "{full.password}" {tls}
          sslcertck sslcertfile {server.cert}
          mda "cat >>{got}"
        """)
    run(["fetchmail", "-v", "-f", rc, "--pidfile", home + "/pid", "--idfile",
         home + "/ids"], home)
    with open(got, "rb") as f:
        text = f.read()
    for n in (1, 2, 3):
        assert b"Subject: Number %d\n" % n in text
    assert server.inbox(full) == []
    # Nothing is left: status 1.
    run(["fetchmail", "-f", rc, "--pidfile", home + "/pid", "--idfile",
         home + "/ids"], home, status=1)


@needs("fetchmail")
def test_fetchmail_keeps_and_knows_what_it_has(server, full, home):
    got = os.path.join(home, "got")
    rc = write(home, "rc", f"""\
        poll localhost service {server.ports['pop3s']} protocol POP3 uidl
          user "{full.address}" password "{full.password}" ssl keep
          sslcertck sslcertfile {server.cert}
          mda "cat >>{got}"
        """)
    args = ["fetchmail", "-f", rc, "--pidfile", home + "/pid", "--idfile",
            home + "/ids"]
    run(args, home)
    run(args, home, status=1)
    server.deliver(full, mail("Number 4"))
    run(args, home)
    with open(got, "rb") as f:
        assert f.read().count(b"Subject: Number") == 4
    assert len(server.inbox(full)) == 4


# -------------------------------------------------------------------- mbsync

@pytest.fixture
def synced(server, full, home):
    """mbsync of an account with a Maildir; run() does one pass."""
    maildir = os.path.join(home, "mail")
    os.mkdir(maildir)
    rc = write(home, "mbsyncrc", f"""\
        IMAPAccount kp
        Host localhost
        Port {server.ports['imaps']}
        User {full.address}
        Pass "{full.password}"
        SSLType IMAPS
        CertificateFile {server.cert}

        IMAPStore far
        Account kp

        MaildirStore near
        Path {maildir}/
        Inbox {maildir}/INBOX
        SubFolders Verbatim

        Channel all
        Far :far:
        Near :near:
        Patterns *
        Create Both
        Remove Both
        Expunge Both
        SyncState *
        """)

    def sync():
        run(["mbsync", "-c", rc, "-a"], home)
        return {name: mailbox.Maildir(path) for name in
                os.listdir(maildir)
                if os.path.isdir((path := os.path.join(maildir, name)))}
    return sync, maildir


@needs("mbsync")
def test_mbsync_syncs_both_ways(server, full, synced):
    sync, maildir = synced
    boxes = sync()
    assert set(boxes) == {"INBOX", "Drafts", "Sent", "Junk", "Trash",
                          "Archive"}
    assert sorted(m["Subject"] for m in boxes["INBOX"]) == [
        "Number 1", "Number 2", "Number 3"]
    with server.imap(full, mailbox="INBOX") as c:
        # Flags to the near side, a deletion, a new message.
        ok(c.store("1", "+FLAGS", "(\\Seen \\Flagged)"))
        ok(c.store("2", "+FLAGS", "\\Deleted"))
        ok(c.expunge())
        server.deliver(full, mail("Number 4"))
        boxes = sync()
        near = {m["Subject"]: m for m in boxes["INBOX"]}
        assert set(near) == {"Number 1", "Number 3", "Number 4"}
        assert set(near["Number 1"].get_flags()) == {"F", "S"}
        # And back: flags, a deletion, a new message, a new folder.
        for key, m in boxes["INBOX"].iteritems():
            if m["Subject"] == "Number 3":
                m.add_flag("RS")
                boxes["INBOX"][key] = m
            if m["Subject"] == "Number 1":
                boxes["INBOX"].remove(key)
        boxes["INBOX"].add(mail("Made here").replace(b"\r\n", b"\n"))
        new = mailbox.Maildir(os.path.join(maildir, "Projects"))
        new.add(mail("In a new folder").replace(b"\r\n", b"\n"))
        sync()
        assert kp.exists(c) == 3
        found = {}
        for n in (1, 2, 3):
            data = ok(c.fetch(str(n),
                              "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
            text = [d[1] for d in data if isinstance(d, tuple)][0]
            found[text.decode()[9:].strip()] = flags_of(c, n)
        assert set(found) == {"Number 3", "Number 4", "Made here"}
        assert found["Number 3"] == {"\\Answered", "\\Seen"}
        assert ok(c.select("Projects")) == [b"1"]
        ok(c.unselect())
        ok(c.delete("Projects"))
    # What is in step stays in step.
    before = sorted(glob.glob(maildir + "/INBOX/cur/*"))
    sync()
    assert sorted(glob.glob(maildir + "/INBOX/cur/*")) == before


@needs("mbsync")
def test_mbsync_syncs_a_shared_mailbox(server, full, user, synced):
    """The other's folder comes and goes like one's own; \\Seen does not."""
    sync, maildir = synced
    owner = server.new_user("owner")
    with server.imap(owner) as c:
        ok(c.create("Shared"))
        ok(c.setacl("Shared", full.address, "lrswite"))
        ok(c.append("Shared", None, None, mail("To be read")))
        ok(c.append("Shared", None, None, mail("To be deleted")))
        near = sync()
        assert set(near) >= {"INBOX", "Users"}
        box = mailbox.Maildir(os.path.join(
            maildir, "Users", owner.address, "Shared"))
        assert sorted(m["Subject"] for m in box) == [
            "To be deleted", "To be read"]
        for key, m in box.iteritems():
            if m["Subject"] == "To be read":
                m.set_subdir("cur")
                m.add_flag("SF")
                box[key] = m
            else:
                box.remove(key)
        box.add(mail("From the reader").replace(b"\r\n", b"\n"))
        sync()
        assert ok(c.select("Shared")) == [b"2"]
        assert flags_of(c, 1) - {"\\Recent"} == {"\\Flagged"}
    with server.imap(full) as c:
        ok(c.select(f"Users/{owner.address}/Shared"))
        assert flags_of(c, 1) == {"\\Flagged", "\\Seen"}
    sync()


# ---------------------------------------------------------------------- mutt

@pytest.fixture
def muttrc(server, user, home):
    name = user.address.replace("@", "%40")
    return write(home, "muttrc", f"""\
        set ssl_ca_certificates_file={server.cert}
        set certificate_file={server.cert}
        set imap_pass="{user.password}" smtp_pass="{user.password}"
        set from={user.address} use_from=yes realname="The User"
        set folder=imaps://{name}@localhost:{server.ports['imaps']}/
        set spoolfile=+INBOX record=+Sent
        set smtp_url=smtp://{name}@localhost:{server.ports['submission']}/
        set ssl_starttls=yes ssl_force_tls=yes
        set quit=yes sleep_time=0 mail_check=1 timeout=1 delete=yes
        set header_cache= pager_stop=yes wait_key=no
        """)


@needs("mutt")
def test_mutt_sends_and_files_a_copy(server, user, home, muttrc):
    run(["mutt", "-F", muttrc, "-s", "grüße", user.address], home,
        input="gesendet von mutt\n".encode())
    assert b"gesendet von mutt" in server.inbox(user)[0]
    with server.imap(user, mailbox="Sent") as c:
        data = ok(c.fetch("1", "(FLAGS BODY.PEEK[])"))
        assert b"\\Seen" in data[0][0] + data[-1]
        assert b"gesendet von mutt" in data[0][1]


class Screen:
    """A program on a terminal: what it shows, what is typed."""

    def __init__(self, home, command):
        self.home = home
        self.tmux = ["tmux", "-S", os.path.join(home, "tmux"), "-f",
                     os.devnull]
        self.command = command

    def __enter__(self):
        run(self.tmux + ["new-session", "-d", "-x", "100", "-y", "30",
                         self.command], self.home)
        return self

    def __exit__(self, *what):
        run(self.tmux + ["kill-server"], self.home, status=None)

    def text(self):
        return run(self.tmux + ["capture-pane", "-p"],
                   self.home).stdout.decode()

    def wait_for(self, text):
        kp.wait_until(lambda: text in self.text(), f"{text} on the screen")

    def keys(self, *what):
        run(self.tmux + ["send-keys", *what], self.home)

    def wait_end(self):
        kp.wait_until(lambda: run(self.tmux + ["has-session"], self.home,
                                  status=None).returncode != 0, "its end")


@needs("mutt")
@needs("tmux")
def test_mutt_reads_and_flags(server, user, home, muttrc):
    server.deliver(user, mail("First one"))
    server.deliver(user, mail("Second one", body="the text inside\r\n"))
    with Screen(home, f"mutt -F {muttrc}") as mutt:
        mutt.wait_for("Second one")
        assert "First one" in mutt.text()
        mutt.keys("2", "Enter")
        mutt.keys("Enter")
        mutt.wait_for("the text inside")
        mutt.keys("i")
        mutt.wait_for("First one")
        mutt.keys("F")                       # flags the second
        mutt.keys("1", "Enter")
        mutt.keys("d")                       # deletes the first
        server.deliver(user, mail("Third one"))
        mutt.wait_for("Third one")           # comes while mutt is open
        mutt.keys("q")
        mutt.wait_end()
    with server.imap(user, mailbox="INBOX") as c:
        assert kp.exists(c) == 2
        assert flags_of(c, 1) >= {"\\Seen", "\\Flagged"}


@needs("mutt")
@needs("tmux")
@pytest.mark.parametrize("qresync", ["yes", "no"])
def test_mutt_comes_back_to_what_it_remembers(server, user, home, muttrc,
                                              qresync):
    """With a header cache: by CONDSTORE alone, and by QRESYNC."""
    with open(muttrc, "a") as f:
        f.write(f"set header_cache={home}/cache\n"
                f"set imap_condstore=yes imap_qresync={qresync}\n")
    for n in (1, 2, 3, 4):
        server.deliver(user, mail(f"Number {n}"))
    with Screen(home, f"mutt -F {muttrc}") as mutt:
        mutt.wait_for("Number 4")
        mutt.keys("q")
        mutt.wait_end()
    with server.imap(user, mailbox="INBOX") as c:
        ok(c.store("2", "+FLAGS", "\\Flagged"))
        ok(c.store("3", "+FLAGS", "\\Deleted"))
        ok(c.expunge())
    server.deliver(user, mail("Number 5"))
    with Screen(home, f"mutt -F {muttrc}") as mutt:
        mutt.wait_for("Number 5")
        lines = [line for line in mutt.text().splitlines()
                 if "Number" in line]
        assert [line.split()[-1] for line in lines] == ["1", "2", "4", "5"]
        assert "!" in lines[1] and "!" not in lines[0]
        mutt.keys("q")
        mutt.wait_end()


@needs("mutt")
@needs("tmux")
def test_mutt_reads_a_shared_mailbox(server, user, home, muttrc):
    """It asks for its rights (MYRIGHTS) and tries what it has none to."""
    with open(muttrc, "a") as f:
        f.write('set imap_delim_chars="/"\n')  # a dot is part of a name
    owner = server.new_user("owner")
    server.deliver(owner, mail("Common one"))
    server.deliver(owner, mail("Common two", body="the text inside\r\n"))
    with server.imap(owner, mailbox="INBOX") as c:
        ok(c.setacl("INBOX", user.address, "lrs"))
        with Screen(home, f"mutt -F {muttrc} -f "
                          f"=Users/{owner.address}/INBOX") as mutt:
            mutt.wait_for("Common two")
            mutt.keys("2", "Enter")
            mutt.keys("Enter")
            mutt.wait_for("the text inside")
            mutt.keys("i")
            mutt.wait_for("Common one")
            mutt.keys("d")
            mutt.keys("q")
            mutt.wait_end()
        ok(c.noop())
        assert kp.exists(c) == 2
        assert not flags_of(c, 2) & {"\\Seen", "\\Deleted"}
    with server.imap(user) as c:
        ok(c.select(f"Users/{owner.address}/INBOX"))
        assert flags_of(c, 2) == {"\\Seen"}


# --------------------------------------------------- offlineimap, imapfilter

@needs("offlineimap")
def test_offlineimap_syncs_both_ways(server, full, home):
    rc = write(home, "rc", f"""\
        [general]
        accounts = kp
        metadata = {home}/state
        [Account kp]
        localrepository = near
        remoterepository = far
        [Repository near]
        type = Maildir
        localfolders = {home}/mail
        [Repository far]
        type = IMAP
        remotehost = localhost
        remoteport = {server.ports['imaps']}
        remoteuser = {full.address}
        remotepass = {full.password}
        ssl = yes
        sslcacertfile = {server.cert}
        """)
    args = ["offlineimap", "-c", rc, "-o", "-u", "quiet"]
    run(args, home)
    near = mailbox.Maildir(home + "/mail/INBOX")
    assert sorted(m["Subject"] for m in near) == [
        "Number 1", "Number 2", "Number 3"]
    for key, m in near.iteritems():
        if m["Subject"] == "Number 2":
            m.set_flags("SF")
            near[key] = m
        if m["Subject"] == "Number 3":
            near.remove(key)
    near.add(mail("Made here").replace(b"\r\n", b"\n"))
    server.deliver(full, mail("Number 4"))
    run(args, home)
    with server.imap(full, mailbox="INBOX") as c:
        assert kp.exists(c) == 4
        assert flags_of(c, 2) >= {"\\Seen", "\\Flagged"}
    assert sorted(m["Subject"] for m in
                  mailbox.Maildir(home + "/mail/INBOX")) == [
        "Made here", "Number 1", "Number 2", "Number 4"]


@needs("imapfilter")
def test_imapfilter_searches_marks_and_moves(server, full, home):
    rc = write(home, "f.lua", f"""\
        options.starttls = true
        options.certificates = true
        a = IMAP {{ server = "localhost", port = {server.ports['imaps']},
            username = "{full.address}", password = "{full.password}",
            ssl = "auto" }}
        a.INBOX:contain_subject("Number 1"):mark_flagged()
        found = a.INBOX:is_unseen():contain_subject("Number 2")
        found:move_messages(a.Archive)
        a.INBOX:contain_subject("Number 3"):delete_messages()
        """)
    run(["imapfilter", "-c", rc, "-t", server.cert], home)
    with server.imap(full, mailbox="INBOX") as c:
        assert kp.exists(c) == 1
        assert "\\Flagged" in flags_of(c, 1)
        assert ok(c.select("Archive")) == [b"1"]


# ------------------------------------------- Python's own, as a last witness

def test_python_imaplib_and_mailbox_agree(server, full):
    """Python parses what we store into the same message that was sent."""
    import email
    import email.policy
    with server.imap(full, mailbox="INBOX") as c:
        assert isinstance(c, imaplib.IMAP4_SSL)
        for n, sent in enumerate(full.sent, 1):
            text = ok(c.fetch(str(n), "(RFC822)"))[0][1]
            m = email.message_from_bytes(text, policy=email.policy.default)
            assert m["Subject"] == f"Number {n}"
            assert m["Delivered-To"] == full.address
            assert m.defects == []
            received = re.findall("from client.example", m["Received"])
            assert len(received) == 1
            assert DOMAIN in m["To"]


def test_python_imaplib_speaks_utf8(server, user):
    message = mail("Grüße").replace(b"Carol", "Karøl".encode())
    with server.smtp() as s:
        s.sendmail("carol@elsewhere.example", [user.address], message,
                   mail_options=["SMTPUTF8"])
    with server.imap(user) as c:
        ok(c.enable("UTF8=ACCEPT"))
        ok(c.create('"Grüße & mehr"'))
        names = [line.decode().split(' "/" ')[1] for line in ok(c.list())]
        assert '"Grüße & mehr"' in names
        ok(c.select("INBOX"))
        ok(c.copy("1", '"Grüße & mehr"'))
        ok(c.select('"Grüße & mehr"'))
        assert ok(c.search(None, "FROM", '"karøl"')) == [b"1"]
        got = ok(c.fetch("1", "(ENVELOPE BODY.PEEK[HEADER])"))[0]
        assert '"Karøl"' in got[0].decode()
        assert "Karøl" in got[1].decode()
    with server.imap(user, mailbox="INBOX") as c:
        names = [line.split(b' "/" ')[1] for line in ok(c.list())]
        assert b'"Gr&APwA3w-e &- mehr"' in names
        got = ok(c.fetch("1", "(ENVELOPE BODY.PEEK[HEADER])"))[0]
        assert got[0].isascii() and got[1].isascii()
