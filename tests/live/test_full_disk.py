"""A file system without a free block: what frees room must still work."""
import os
import shutil
import smtplib
import subprocess

import pytest

import kp
from imapwire import Client
from kp import mail

MIB = 1 << 20
SIZE = 256 * MIB

if not kp.IS_ROOT:
    pytest.skip("mounting needs root", allow_module_level=True)


def mount_here(path):
    """Mounts in a namespace of the test run's own, gone with it."""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newns, ms_rec, ms_private = 0x20000, 0x4000, 1 << 18
    if libc.unshare(clone_newns) != 0 or libc.mount(
            None, b"/", None, ms_rec | ms_private, None) != 0:
        pytest.skip("no mount namespace here: " +
                    os.strerror(ctypes.get_errno()))
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=755", "tmpfs",
         path], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("no tmpfs here: " + done.stderr)


@pytest.fixture(scope="module")
def disk():
    path = kp.new_dir("disk")
    # The whole run moves into the namespace: servers are its children.
    mount_here(path)
    yield path
    subprocess.run(["umount", path], check=False)


def fill(path, leave=0):
    """Takes every block but so many bytes; returns the file."""
    name = os.path.join(path, "ballast")
    with open(name, "ab", buffering=0) as f:
        step = MIB
        while step >= 4096:
            stat = os.statvfs(path)
            if stat.f_bavail * stat.f_frsize - leave < step:
                step //= 2
                continue
            try:
                f.write(b"\xff" * step)
            except OSError:
                step //= 2
    return name


@pytest.fixture
def server(disk):
    # Root of the test may fill what the server may not: tmpfs has no
    # reserved blocks, so both see the same end.
    root = os.path.join(disk, "server")
    os.mkdir(root, 0o755)
    shutil.chown(root, "nobody", "nogroup")
    s = kp.Server(root=root, top={"reserve": '"32M"', "size_limit": '"4M"'})
    s.expected_errors = True        # a full disk is an error in the log
    with s:
        yield s


def deliver_many(server, count, to, size=1000):
    """Deliveries over several connections at once: fewer commits."""
    raws = []
    for _ in range(8):
        c = server.raw("smtp")
        c.reply()
        c.ask("EHLO client.example")
        raws.append([c, 0])
    sent = 0
    while sent < count:
        for pair in raws:
            c, n = pair
            if n == 90:
                c.close()
                c = server.raw("smtp")
                c.reply()
                c.ask("EHLO client.example")
                pair[:] = [c, 0]
            c.send(f"MAIL FROM:<>\r\nRCPT TO:<{to.address}>\r\nDATA\r\n"
                   .encode())
            pair[1] += 1
        for c, _ in raws:
            assert [c.reply()[:3] for _ in range(3)] == [
                "250", "250", "354"]
            c.send(mail(body="x" * size + "\r\n") + b".\r\n")
        for c, _ in raws:
            assert c.reply().startswith("250")
            sent += 1
    for c, _ in raws:
        c.close()
    return sent


def copy_up(c, count):
    """Doubles INBOX by copying until it has count messages."""
    c.select("INBOX")
    while len(c.messages) < count:
        have = len(c.messages)
        c.ok(f"COPY 1:{min(have, count - have)} INBOX")
        c.ok("NOOP")


def delivery_status(server, to, size=1000):
    try:
        server.deliver(to, mail(body="y" * size + "\r\n"))
        return 250
    except smtplib.SMTPSenderRefused as e:
        return e.smtp_code
    except smtplib.SMTPDataError as e:
        return e.smtp_code


def test_full_disk_is_read_flagged_emptied_and_then_delivered_to(server):
    alice, bob = server["alice"], server["bob"]
    disk = os.path.dirname(server.root)
    deliver_many(server, 16, bob)
    deliver_many(server, 104, alice, MIB)   # what is to be freed
    deliver_many(server, 200, alice)
    c = Client(server.raw("imap").sock)
    c.login(alice.address, alice.password)
    copy_up(c, 10_000)
    other = Client(server.raw("imap").sock)
    other.login(alice.address, alice.password)
    other.select("INBOX")
    fill(disk)
    assert os.statvfs(disk).f_bavail == 0

    # What needs room is refused for now, by every way in; the store looks
    # at the disk every few seconds.
    kp.wait_until(lambda: delivery_status(server, bob) == 452, "a refusal")
    assert delivery_status(server, bob, 600_000) == 452
    assert other.append("INBOX", mail())[0] == "NO"
    assert other.command("COPY 1 Archive")[0] == "NO"

    # What reads, flags and frees is not.
    got = c.fetch("1:100", "(FLAGS BODY.PEEK[HEADER])")
    assert len(got) == 100
    c.ok("STORE 1:* +FLAGS.SILENT (\\Seen)", holds=True)
    c.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)", holds=True)
    fill(disk)
    c.ok("EXPUNGE")
    assert c.messages == []
    other.ok("NOOP")
    assert other.messages == []
    p = server.pop3(bob)
    had = p.stat()[0]
    p.retr(1)
    p.dele(1)
    assert p.quit().startswith(b"+OK")
    assert len(server.inbox(bob)) == had - 1
    row, = server.rows("status")
    assert row["accounts"] == 2

    # What was freed is enough; nobody has restarted anything, nor has the
    # rest of the disk been given back.
    kp.wait_until(lambda: delivery_status(server, alice) == 250,
                  "a delivery")
    c.ok("NOOP")
    assert len(c.messages) >= 1
    kp.wait_until(lambda: os.path.exists(
        os.path.join(server.data, "reserve")), "the reserve")
    # A second time is like the first.
    ballast = fill(disk)
    kp.wait_until(lambda: delivery_status(server, alice, 600_000) == 452,
                  "a refusal")
    c.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)", holds=True)
    c.ok("EXPUNGE")
    os.unlink(ballast)
    kp.wait_until(lambda: delivery_status(server, alice) == 250,
                  "a delivery")
    for client in (c, other):
        client.close()
