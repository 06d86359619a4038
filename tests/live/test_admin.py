"""The kingpost command: through the control socket, and without a server."""
import json
import os
import pty
import pwd
import re
import select
import shutil
import signal
import smtplib
import socket
import sqlite3
import subprocess
import threading

import pytest

import kp
from imapwire import Client
from kp import DOMAIN, mail, ok

COMMANDS = ["alias add", "alias del", "alias list", "alias refuse", "backup",
            "cert load", "device add", "device del", "device list",
            "domain add", "domain del", "domain list", "init", "serve",
            "status", "user add", "user del", "user disable", "user enable",
            "user list", "user passwd", "user quota", "user role"]


@pytest.fixture(scope="module", params=["serving", "stopped"])
def either(request):
    """A store with its server running, and one without."""
    s = kp.Server()
    if request.param == "serving":
        s.start()
    yield s
    s.stop()
    s.check_store()


# -------------------------------------------------------- the command line

@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_usage_and_an_example(server, command):
    by_option = server.run(*command.split(), "--help").stdout
    by_word = server.run("help", *command.split()).stdout
    assert by_option == by_word
    assert by_option.startswith("usage: kingpost " + command)
    assert re.search(rf"^  .*kingpost .*{command}", by_option, re.M)
    assert command.split()[0] in server.run("--help").stdout


def test_help_needs_no_configuration(server):
    done = server.run("--help", has_config=False)
    assert all(c in done.stdout for c in COMMANDS)
    assert server.run("--version", has_config=False).stdout.startswith(
        "kingpost ")


@pytest.mark.parametrize("args", [
    [], ["nonsense"], ["user"], ["user", "nonsense"], ["user", "add"],
    ["user", "add", "a@b", "c"], ["status", "now"], ["--nonsense"],
    ["status", "--config"], ["backup"], ["cert", "load", "one"],
    ["serve", "now"], ["init"], ["init", "/tmp/x"],
    ["device", "add", "alice"]])
def test_usage_errors_end_with_status_2(server, args):
    done = server.run(*args, check=False, has_config="--config" not in args)
    assert done.returncode == 2, done
    assert done.stderr and not done.stdout


def test_options_stand_anywhere(server):
    lines = set()
    for args in (["--config", server.conf, "--json", "user", "list"],
                 ["user", "list", "--json", "--config", server.conf],
                 ["user", "--json", "list", f"--config={server.conf}"]):
        lines.add(server.run(*args, has_config=False).stdout)
    env = dict(kp.sanitizer_env(), KINGPOST_CONFIG=server.conf)
    lines.add(server.run("user", "list", "--json", has_config=False,
                         env=env).stdout)
    assert len(lines) == 1
    assert "alice@" + DOMAIN in lines.pop()


def test_json_is_one_object_a_line(either):
    done = either.run("--json", "user", "list")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert answers[-1] == {"done": True}
    names = [a["row"]["account"] for a in answers[:-1]]
    assert "alice@" + DOMAIN in names
    done = either.run("--json", "user", "enable", "none@" + DOMAIN,
                      check=False)
    answer = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 1 and answer["exit"] == 1 and answer["error"]


# ------------------------------------------------------ each command's work

def test_accounts_are_made_listed_changed_and_deleted(either):
    address = "walter@" + DOMAIN

    def states():
        return {r["account"]: r["state"] for r in either.rows("user", "list")}
    either.run("user", "add", address, "--password-stdin", input="one\n")
    assert states()[address] == "active"
    again = either.run("user", "add", address, "--password-stdin",
                       input="one\n", check=False)
    assert again.returncode == 1 and "exists" in again.stderr
    either.run("user", "disable", address)
    assert states()[address] == "disabled"
    either.run("user", "enable", address)
    assert states()[address] == "active"
    either.run("user", "passwd", address, "--password-stdin", input="two\n")
    made = either.run("user", "passwd", address, "--generate")
    assert len(made.stdout.split()[-1]) >= 12
    asked = either.run("user", "del", address, check=False)
    assert asked.returncode == 1 and "--yes" in asked.stderr
    assert address in states()
    either.run("user", "del", address, "--yes")
    assert address not in states()
    gone = either.run("user", "del", address, "--yes", check=False)
    assert gone.returncode == 1 and "user list" in gone.stderr


@pytest.mark.parametrize("args, words", [
    (["user", "add", "nobody@elsewhere.example"], "domain add"),
    (["user", "add", "no address"], "is not an address"),
    (["user", "add", "alice"], "is not an address"),
    (["user", "passwd", "none@" + DOMAIN], "no account"),
    (["user", "disable", "none@" + DOMAIN], "no account"),
    (["device", "add", "none@" + DOMAIN, "phone"], "no account"),
    (["device", "del", "alice@" + DOMAIN, "none"], "no device"),
    (["domain", "add", "..no"], "is not a domain"),
    (["domain", "del", "elsewhere.example"], "not hosted"),
    (["domain", "del", DOMAIN], "accounts or aliases"),
    (["alias", "add", "x@" + DOMAIN, "x@" + DOMAIN], "leads back"),
    (["alias", "add", "alice@" + DOMAIN, "bob@" + DOMAIN], "taken"),
    (["alias", "add", "x@elsewhere.example", "bob@" + DOMAIN],
     "not hosted"),
    (["alias", "del", "none@" + DOMAIN], "no alias"),
    (["cert", "load", "/nonexistent", "/nonexistent"], "cannot open"),
])
def test_refusals_say_why_with_status_1(either, args, words):
    done = either.run(*args, "--password-stdin", input="x\n", check=False)
    assert done.returncode == 1 and words in done.stderr, done


@pytest.mark.parametrize("password", ["", "a\x01b", "x" * 5000])
def test_impossible_passwords_are_refused(either, password):
    done = either.run("user", "add", "odd@" + DOMAIN, "--password-stdin",
                      input=password + "\n", check=False)
    assert done.returncode == 1
    assert "odd@" not in either.run("user", "list").stdout


def test_password_is_asked_for_at_a_terminal_alone(either):
    done = either.run("user", "add", "tty@" + DOMAIN, check=False)
    assert done.returncode == 1 and "--password-stdin" in done.stderr


def at_terminal(server, args, answers):
    """
    Runs a command at a terminal; answers are pairs of what is asked and what
    is typed then. Returns its status and all that was to be seen.
    """
    pid, fd = pty.fork()
    if pid == 0:
        try:
            if kp.IS_ROOT:
                pw = pwd.getpwnam("nobody")
                os.setgroups([])
                os.setgid(pw.pw_gid)
                os.setuid(pw.pw_uid)
            os.execve(kp.binary(), [kp.binary(), "--config", server.conf,
                                    *args], kp.sanitizer_env())
        finally:
            os._exit(99)
    seen, from_ = b"", 0

    def see():
        if not select.select([fd], [], [], kp.T)[0]:
            os.kill(pid, signal.SIGKILL)
            raise kp.Failure(f"waits for ever after {seen}")
        return os.read(fd, 1000)
    try:
        for asked, typed in answers:
            while asked not in seen[from_:]:
                seen += see()
            from_ = len(seen)
            os.write(fd, typed + b"\n")
        while True:
            seen += see()
    except OSError:
        pass                    # the terminal has hung up: it has ended
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen


def test_password_is_typed_twice_and_not_shown(either):
    address = "typed@" + DOMAIN
    status, seen = at_terminal(either, ["user", "add", address], [
        (b"assword: ", b"Sesame-1"), (b"more: ", b"Sesame-2")])
    assert status == 1 and b"not the same" in seen
    status, seen = at_terminal(either, ["user", "add", address], [
        (b"assword: ", b"Sesame-1"), (b"more: ", b"Sesame-1")])
    assert status == 0 and b"can log in" in seen
    assert b"Sesame" not in seen


def test_deletion_is_asked_for_at_a_terminal(either):
    address = "asked@" + DOMAIN
    either.run("user", "add", address, "--generate")
    for answer in (b"no", b"", b"y"):
        status, seen = at_terminal(either, ["user", "del", address],
                                   [(b"yes", answer)])
        assert status == 1 and b"nothing was changed" in seen
    assert address in either.run("user", "list").stdout
    status, seen = at_terminal(either, ["user", "del", address],
                               [(b"yes", b"yes")])
    assert status == 0
    assert address not in either.run("user", "list").stdout


def test_domains_and_aliases(either):
    either.run("domain", "add", "Second.Example")
    either.run("domain", "add", "bücher.example")
    names = [r["domain"] for r in either.rows("domain", "list")]
    assert "second.example" in names and "xn--bcher-kva.example" in names
    either.run("alias", "add", "team@second.example", "alice@" + DOMAIN,
               "bob@" + DOMAIN)
    either.run("alias", "add", "@second.example", "alice@" + DOMAIN)
    either.run("alias", "refuse", "closed@second.example", "It is closed")
    rows = {r["alias"]: r for r in either.rows("alias", "list")}
    assert sorted(rows["team@second.example"]["targets"]) == [
        "alice@" + DOMAIN, "bob@" + DOMAIN]
    assert rows["closed@second.example"]["reason"] == "It is closed"
    looped = either.run("alias", "add", "l1@second.example",
                        "l1@second.example", check=False)
    assert looped.returncode == 1
    busy = either.run("domain", "del", "second.example", check=False)
    assert busy.returncode == 1
    either.run("alias", "del", "team@second.example", "bob@" + DOMAIN)
    rows = {r["alias"]: r for r in either.rows("alias", "list")}
    assert rows["team@second.example"]["targets"] == ["alice@" + DOMAIN]
    for alias in ("team", "", "closed"):
        either.run("alias", "del", alias + "@second.example")
    for name in ("second.example", "xn--bcher-kva.example"):
        either.run("domain", "del", name)


def test_status_has_the_numbers(either):
    row, = either.rows("status")
    assert row["accounts"] >= 2 and row["domains"] >= 1
    assert row["disk_full"] is False
    text = either.run("status").stdout
    assert re.search(r"^accounts\s+\d+$", text, re.M)


# ------------------------------------------------- in force at once, serving

def test_device_password_logs_in_and_is_shut_out(server, user):
    shown = server.run("device", "add", user.address, "my phone").stdout
    phone = kp.Account(user.address, shown.split()[-1])
    with server.imap(phone) as c:
        ok(c.select())
    row, = server.rows("device", "list", user.address)
    assert row["device"] == "my phone" and row["last_used"] != "never"
    held = server.imap(phone)
    server.run("device", "del", user.address, "my phone")
    with pytest.raises(kp.imaplib.IMAP4.error):
        server.imap(phone)
    assert server.rows("device", "list", user.address) == []
    with server.imap(user) as c:
        ok(c.select())
    held.shutdown()


@pytest.mark.parametrize("what", ["disable", "passwd", "del"])
def test_open_sessions_end_at_once(server, user, what):
    idle = Client(server.raw("imap").sock)
    idle.login(user.address, user.password)
    idle.select("INBOX")
    idle.start("IDLE\r\n")
    idle.read()
    pop3 = server.raw("pop3s")
    pop3.line()
    pop3.send(f"USER {user.address}\r\nPASS {user.password}\r\n")
    pop3.line(), pop3.line()
    smtp = server.raw("submissions")
    smtp.reply()
    smtp.ask("EHLO client.example")
    plain = kp.base64_plain(user)
    assert smtp.ask("AUTH PLAIN " + plain).startswith("235")
    server.run("user", what, user.address, "--yes", "--password-stdin",
               input="another\n")
    with pytest.raises(ConnectionError):
        while True:
            idle.read()
    assert idle.bye
    assert b"+OK" not in pop3.rest()
    assert smtp.rest().startswith(b"421")
    with pytest.raises(kp.imaplib.IMAP4.error):
        server.imap(user)
    if what == "passwd":
        with server.imap(kp.Account(user.address, "another")) as c:
            ok(c.select())


def test_log_in_under_way_is_no_way_around_disable():
    slow = kp.Server(users=())
    # The password takes so long to hash that the command comes in between.
    slow.write_conf(slow.read_conf().replace("argon2_passes = 1",
                                             "argon2_passes = 20").replace(
        '"8192"', '"64M"'))
    a = slow.add_user("alice")
    with slow:
        c = Client(slow.connect("imap"))
        tag = c.start(f'LOGIN {a.address} "{a.password}"\r\n')
        slow.run("user", "disable", a.address)
        try:
            status = c.finish(tag)[0]
            assert status == "NO" or c.command("NOOP") and c.bye
        except ConnectionError:
            pass


def test_mail_for_a_disabled_account_is_taken(server, user):
    server.run("user", "disable", user.address)
    sent = server.deliver(user)
    with pytest.raises(smtplib.SMTPAuthenticationError):
        server.submission(user)
    server.run("user", "enable", user.address)
    assert server.inbox(user)[0].endswith(sent)


def test_account_made_again_is_a_new_one(server, user):
    server.deliver(user)
    c = Client(server.raw("imap").sock)
    c.login(user.address, user.password)
    c.select("INBOX")
    before = c.uidvalidity
    c.logout()
    server.run("user", "del", user.address, "--yes")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        server.deliver(user)
    server.add_user(user.address, user.password)
    c = Client(server.raw("imap").sock)
    c.login(user.address, user.password)
    c.select("INBOX")
    assert c.uidvalidity > before and c.messages == []
    c.logout()


def test_secrets_are_not_logged(server):
    server.add_user("discreet", "Sesame-Open-7")
    server.imap(server["discreet"]).logout()
    server.submission(server["discreet"]).quit()
    server.pop3(server["discreet"]).quit()
    with pytest.raises(kp.imaplib.IMAP4.error):
        server.imap(kp.Account("discreet", "Sesame-Wrong-8"))
    log = server.log()
    assert "discreet@" + DOMAIN in log
    assert "Sesame" not in log and "U2VzYW1l" not in log


def test_refusals_are_logged_with_reason(server):
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        server.deliver("no-such-user-here@" + DOMAIN)
    server.wait_log("no-such-user-here@")
    line = [s for s in server.log().splitlines()
            if "no-such-user-here@" in s][0]
    assert "reason=" in line and "127.0.0.1" in line or "::1" in line


def test_control_socket_is_for_owner_and_root(server):
    path = os.path.join(server.data, "control.sock")
    assert os.stat(path).st_mode & 0o777 == 0o600
    if not kp.IS_ROOT:
        pytest.skip("only root can become somebody else")
    pw = pwd.getpwnam("daemon")
    done = subprocess.run(
        [kp.binary(), "--config", server.conf, "user", "list"], text=True,
        capture_output=True, timeout=kp.T, user=pw.pw_uid, group=pw.pw_gid,
        extra_groups=[], env=kp.sanitizer_env(), start_new_session=True)
    assert done.returncode == 1 and done.stderr and not done.stdout
    # Root is let in.
    assert "alice@" in server.run("user", "list", as_root=True).stdout


@pytest.mark.parametrize("request_", [
    b"\r\n", b"nonsense\r\n", b"user add\r\n", b"user%zzlist\r\n",
    b"user add a@b {99999999}\r\n", b"status" + b" x" * 5000 + b"\r\n",
    b"user add x@example.test {5}\r\nab", b"\xff\xfe\r\n", b"x" * 200_000],
    ids=lambda b: str(b[:20]))
def test_odd_requests_do_not_hurt_the_server(server, request_):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(kp.T)
        s.connect(os.path.join(server.data, "control.sock"))
        try:
            s.sendall(request_)
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
        except ConnectionError:
            pass
    assert server.rows("status")


# ------------------------------------------------------------------- backup

def test_backup_under_delivery_is_whole_and_serves(server, user):
    acknowledged, stop = [], threading.Event()

    def deliver():
        with server.smtp() as s:
            while not stop.is_set():
                message = mail(body="x" * 3000 + "\r\n")
                s.sendmail("carol@elsewhere.example", [user.address],
                           message)
                acknowledged.append(message)
                if len(acknowledged) % 90 == 0:
                    s.quit()
                    s.connect(kp.HOST, server.ports["smtp"])
    thread = threading.Thread(target=deliver)
    thread.start()
    try:
        kp.wait_until(lambda: len(acknowledged) >= 20, "deliveries")
        sure = len(acknowledged)
        path = os.path.join(server.root, "copy.db")
        server.run("backup", path)
    finally:
        stop.set()
        thread.join()
    again = server.run("backup", path, check=False)
    assert again.returncode == 1
    assert os.stat(path).st_mode & 0o077 == 0
    db = sqlite3.connect(path)
    kp.check_database(db)
    db.close()
    # The copy in the place of the store, as the help says.
    with kp.Server(users=()) as other:
        other.stop()
        for name in os.listdir(other.data):
            if name.startswith("mail.db"):
                os.unlink(os.path.join(other.data, name))
        shutil.copy(path, other.db)
        if kp.IS_ROOT:
            shutil.chown(other.db, "nobody", "nogroup")
        other.start()
        stored = other.inbox(user)
        assert sure <= len(stored) <= len(acknowledged)
        for n, message in enumerate(stored):
            assert message.endswith(acknowledged[n])


def test_backup_without_server(server):
    s = kp.Server()
    path = os.path.join(s.root, "copy.db")
    s.run("backup", path)
    db = sqlite3.connect(path)
    kp.check_database(db)
    assert db.execute("SELECT count(*) FROM account").fetchone() == (2,)
    db.close()
    assert s.run("backup", "/nonexistent/copy.db", check=False
                 ).returncode == 1
    s.remove()


# --------------------------------------------------------- starting, ending

def test_init_overwrites_nothing(server):
    before = server.read_conf()
    done = server.run("init", "--domain", DOMAIN, server.etc,
                      has_config=False, check=False)
    assert done.returncode == 1 and "exists" in done.stderr
    assert server.read_conf() == before
    assert os.stat(os.path.join(server.etc, "tls", "key.pem")
                   ).st_mode & 0o077 == 0


@pytest.mark.parametrize("args, words", [
    (["--domain", "no domain"], "is not a domain"),
    (["--domain", DOMAIN, "--hostname", "no host"], "is not a host name"),
    (["--domain", DOMAIN, "--postmaster", "nobody"], "is not an address")])
def test_init_checks_what_it_is_given(server, args, words):
    done = server.run("init", *args, server.root + "/other",
                      has_config=False, check=False)
    assert done.returncode == 1 and words in done.stderr
    assert not os.path.exists(server.root + "/other")


def test_second_server_is_refused(server):
    text = server.read_conf()
    for name, port in server.ports.items():
        text = text.replace(f"port = {port}\n", "port = 0\n")
    other = os.path.join(server.etc, "second.conf")
    with open(other, "w") as f:
        f.write(text)
    done = server.run("--config", other, "serve", has_config=False,
                      check=False)
    assert done.returncode == 1
    assert re.search("in use|another process|busy|locked", done.stderr)


def refused_start(s, text):
    """Starts with this configuration; the line it ends with."""
    s.write_conf(text)
    done = s.run("serve", check=False)
    assert done.returncode == 1, done
    return done.stderr.splitlines()[-1]


def test_bad_configuration_ends_the_start_with_file_line_and_reason():
    s = kp.Server(users=())
    good = s.read_conf()
    line = good.count("\n") + 1

    def place(n=r"\d+"):
        return re.escape(s.conf) + f":{n}:"
    cases = (
        (good + "nonsense = 1\n", place(line) + " .*nonsense"),
        (good + "listener x {\n\tport = 9\n\tprotocol = gopher\n}\n",
         place() + " .*protocol"),
        (good.replace("connections = 1024", "connections = many"),
         place()),
        (good.replace('size_limit = "50M"', 'size_limit = "huge"'),
         place() + " .*size_limit"),
        (good.replace("tls/cert.pem", "tls/none.pem"),
         place() + " .*none.pem"),
        (good.replace("tls/key.pem", "tls/cert.pem"),
         place()),
        (good.replace(f'hostname = "{kp.HOST}"', ""), "hostname is missing"),
        (good + "listener y {\n", place()),
    )
    for text, pattern in cases:
        answer = refused_start(s, text)
        assert re.search(pattern, answer), (pattern, answer)
    s.remove()


def test_port_in_use_is_named_with_file_and_line(server):
    s = kp.Server(users=())
    text = s.read_conf().replace(
        f"port = {s.ports['imap']}\n", f"port = {server.ports['imap']}\n")
    number = text[:text.index(
        f"port = {server.ports['imap']}\n")].count("\n")
    answer = refused_start(s, text)
    found = re.search(re.escape(s.conf) + r":(\d+): listener imap: .*in use",
                      answer)
    assert found, answer
    assert abs(int(found.group(1)) - number) <= 4   # within its section
    s.remove()


@pytest.mark.skipif(not kp.IS_ROOT, reason="needs root")
def test_root_without_the_user_names_adduser():
    s = kp.Server(users=(), top={"user": '"no-such-user-here"'})
    done = s.run("serve", check=False, as_root=True)
    assert done.returncode == 1
    assert "adduser" in done.stderr.splitlines()[-1]
    assert "no-such-user-here" in done.stderr
    s.remove()


@pytest.mark.skipif(not kp.IS_ROOT, reason="needs root")
def test_root_is_given_up_for_good():
    with kp.Server(runs_as=None) as s:
        with open(f"/proc/{s.pid}/status") as f:
            status = dict(line.rstrip("\n").split(":\t", 1) for line in f
                          if ":\t" in line)
        pw = pwd.getpwnam("nobody")
        assert set(status["Uid"].split()) == {str(pw.pw_uid)}
        assert set(status["Gid"].split()) == {str(pw.pw_gid)}
        assert status["CapEff"].strip("0") == ""
        assert status["CapPrm"].strip("0") == ""
        assert status["Groups"].split() in ([], [str(pw.pw_gid)])
        s.deliver(s["alice"])
        assert len(s.inbox(s["alice"])) == 1
        # A command run by root leaves nothing of root's in there.
        s.run("user", "add", "carl@" + DOMAIN, "--generate", as_root=True)
        s.stop()
        s.run("user", "del", "carl@" + DOMAIN, "--yes", as_root=True)
        for name in os.listdir(s.data):
            assert os.lstat(os.path.join(s.data, name)).st_uid == pw.pw_uid
        s.start()


def test_end_says_goodbye_to_every_session():
    with kp.Server() as s:
        imap = Client(s.raw("imap").sock)
        imap.login("alice", s["alice"].password)
        imap.select("INBOX")
        imap.start("IDLE\r\n")
        imap.read()
        pop3 = s.raw("pop3s")
        pop3.line()
        smtp = s.raw("smtp")
        smtp.reply()
        midway = s.raw("smtp")
        midway.reply()
        midway.ask("EHLO client.example")
        midway.ask("MAIL FROM:<>")
        midway.ask(f"RCPT TO:<alice@{DOMAIN}>")
        midway.ask("DATA")
        midway.send(b"half a mess")
        s.deliver(s["alice"])
        s.stop()
        with pytest.raises(ConnectionError):
            while True:
                imap.read()
        assert imap.bye
        assert smtp.rest().startswith(b"421")
        assert midway.rest().startswith(b"421")
        pop3.rest()
        s.start()
        assert len(s.inbox(s["alice"])) == 1


def test_interrupt_ends_it_like_a_term_signal():
    s = kp.Server(users=())
    s.start()
    s.process.send_signal(signal.SIGINT)
    s.process.wait(kp.STOP_S)
    s.stop()


def test_mail_outlives_a_restart(server, user):
    with kp.Server() as s:
        sent = s.deliver(s["bob"])
        s.stop()
        s.start()
        assert s.inbox(s["bob"])[0].endswith(sent)


def test_start_and_end_are_notified():
    path = os.path.join(kp.new_dir("notify"), "sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(kp.T)
        sock.bind(path)
        os.chmod(path, 0o777)
        s = kp.Server(users=())
        os.environ["NOTIFY_SOCKET"] = path
        try:
            s.start()
        finally:
            del os.environ["NOTIFY_SOCKET"]
        assert b"READY=1" in sock.recv(1000)
        s.stop()
        assert b"STOPPING=1" in sock.recv(1000)


def test_log_file_is_opened_again_at_sighup():
    with kp.Server(users=()) as s:
        s.stop()
        path = os.path.join(s.root, "kingpost.log")
        s.write_conf(s.read_conf().replace('file = ""', f'file = "{path}"'))
        s.spawn()

        def has(text):
            return os.path.exists(path) and text in open(path).read()
        kp.wait_until(lambda: has(" server ready "), "ready")
        os.rename(path, path + ".1")
        s.hup()
        kp.wait_until(lambda: has(" server reloaded"), "reloaded")


def test_unit_is_well_confined():
    unit = os.path.join(os.path.dirname(__file__), "..", "..", "examples",
                        "kingpost.service")
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not here")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", unit],
        text=True, capture_output=True, timeout=kp.T)
    found = re.search(r"Overall exposure level.*: ([\d.]+)", done.stdout)
    assert found, done
    assert float(found.group(1)) < 3.0
