"""What must hold when files are laid in the way or a reload goes wrong."""
import os
import stat

import pytest

import kp


def test_files_of_the_store_are_for_their_user_alone():
    s = kp.Server(users=())
    try:
        s.stop()
        os.chmod(s.data, 0o755)     # as a package or systemd may make it
        for name in os.listdir(s.data):
            if name != "lock":
                os.unlink(os.path.join(s.data, name))
        os.umask(0o022)
        s.start()
        for name in os.listdir(s.data):
            st = os.lstat(os.path.join(s.data, name))
            assert stat.S_IMODE(st.st_mode) & 0o077 == 0, name
    finally:
        s.stop()
        s.remove()


def test_failed_reload_leaves_the_log_where_it_was():
    with kp.Server(users=()) as s:
        s.expected_errors = True
        path = os.path.join(s.root, "other.log")
        s.write_conf(s.read_conf().replace('file = ""', f'file = "{path}"'))
        with open(s.cert, "w") as f:
            f.write("nonsense")
        s.hup()
        s.wait_log(" server reload-failed")


@pytest.mark.skipif(not kp.IS_ROOT, reason="needs root")
def test_root_gives_away_nothing_that_has_another_name():
    s = kp.Server(users=(), runs_as=None)
    try:
        s.stop()
        other = os.path.join(s.root, "precious")
        with open(other, "w") as f:
            f.write("root's")
        for folder, _, files in os.walk(s.data):
            os.chown(folder, 0, 0)
            for name in files:
                os.lchown(os.path.join(folder, name), 0, 0)
        os.link(other, os.path.join(s.data, "mail.db-old"))
        log = os.path.join(s.root, "kingpost.log")
        secret = os.path.join(s.root, "secret")
        with open(secret, "w") as f:
            f.write("root's, too")
        os.link(secret, log)
        s.write_conf(s.read_conf().replace('file = ""', f'file = "{log}"'))
        s.spawn()
        kp.wait_until(lambda: " server ready " in open(log).read(), "ready")
        assert os.stat(other).st_uid == 0
        assert os.stat(secret).st_uid == 0
        assert os.stat(s.data).st_uid != 0
    finally:
        s.stop()
        s.remove()


@pytest.mark.parametrize("extra,words", [
    ("testing {\n\tsmtp_port = 2525\n}\n", "--testing"),
    ("dns {\n\ttrust_anchor = \"nowhere.key\"\n}\n", "trust anchor"),
    ("tls_ca_file = \"nowhere.pem\"\n", "tls_ca_file"),
])
def test_what_would_lead_mail_astray_ends_the_start(extra, words):
    s = kp.Server(users=(), extra=extra)
    try:
        done = s.run("serve", check=False)
        assert done.returncode == 1 and words in done.stderr
    finally:
        s.remove()


def test_the_testing_section_needs_its_word():
    s = kp.Server(users=(), extra="testing {\n\tloopback = true\n}\n")
    try:
        s.args = ["--testing"]
        s.start()
    finally:
        s.stop()
        s.remove()
