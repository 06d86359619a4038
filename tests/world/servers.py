"""Mail servers of others in the world: Postfix and OpenSMTPD.

Each takes mail for one domain into a Maildir and relays for the addresses of
the world; it finds other domains by DNS.
"""
import glob
import os
import pwd
import smtplib

import kp
from world import Process

MAILBOX = "mailbox"     # the user who owns every Maildir


def _make_dir(path, owner="root", group=None, mode=0o755):
    os.makedirs(path, exist_ok=True)
    user = pwd.getpwnam(owner)
    gid = pwd.getpwnam(group).pw_gid if group else user.pw_gid
    os.chown(path, user.pw_uid, gid)
    os.chmod(path, mode)


class Server:
    """What both have in common."""

    has_tls = True      # as a server

    def __init__(self, world, domain):
        self.world = world
        self.domain = domain
        self.name = "mx." + domain
        self.address = world.host(self.name)
        world.domain(domain, self.name)
        self.dir = os.path.join(world.dir, self.kind + "-" + domain)
        self.cert, self.key = world.certificate(self.name)
        self.mail = os.path.join(self.dir, "mail")
        _make_dir(self.dir)
        self.process = None

    def messages(self):
        """What has been delivered, as bytes."""
        return [open(path, "rb").read() for path in
                sorted(glob.glob(os.path.join(self.mail, "**", "new", "*"),
                                 recursive=True))]

    def wait_for(self, text):
        """The first message that has text in it."""
        def find():
            for m in self.messages():
                if text.encode() in m:
                    return m
            return None
        return kp.wait_until(find, f"{text!r} at {self.name}")

    def send(self, sender, recipients, message):
        """Hands it a message to relay, as one of its users would."""
        with smtplib.SMTP(self.address, 25, timeout=kp.T) as s:
            s.ehlo("client.example")
            s.sendmail(sender, recipients, message)

    def is_listening(self):
        try:
            with smtplib.SMTP(self.address, 25, timeout=kp.T):
                return True
        except OSError:
            if self.process.process.poll() is not None:
                raise kp.Failure(f"{self.name} ended: {self.log()}")
            return False

    def log(self):
        return self.process.log()

    def __enter__(self):
        self.start()
        try:
            kp.wait_until(self.is_listening, f"{self.name} listens")
        except kp.Failure:
            self.process.stop()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            print(self.log()[-5000:])
        self.process.stop()


MASTER = """\
{address}:25 inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

MAIN = """\
compatibility_level = 3.6
myhostname = {name}
mydestination =
inet_interfaces = {address}
inet_protocols = ipv4
smtp_bind_address = {address}
mynetworks = 10.53.0.0/16
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
queue_directory = {dir}/spool
data_directory = {dir}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = {dir}/etc
mail_owner = postfix
setgid_group = postdrop
default_privs = nobody
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = {domain}
virtual_mailbox_base = {mail}
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
virtual_minimum_uid = 100
smtpd_tls_security_level = may
smtpd_tls_chain_files = {key}, {cert}
smtp_tls_security_level = may
smtp_tls_CAfile = {ca}
smtpd_tls_received_header = yes
minimal_backoff_time = 5s
queue_run_delay = 5s
maillog_file_prefixes = {dir}
maillog_file = {dir}/maillog
"""


class Postfix(Server):
    kind = "postfix"

    def start(self):
        etc = os.path.join(self.dir, "etc")
        spool = os.path.join(self.dir, "spool")
        _make_dir(etc)
        _make_dir(spool)
        for name in ("active", "bounce", "corrupt", "defer", "deferred",
                     "flush", "hold", "incoming", "private", "saved",
                     "trace"):
            _make_dir(os.path.join(spool, name), "postfix", mode=0o700)
        _make_dir(os.path.join(spool, "maildrop"), "postfix", "postdrop",
                  0o730)
        _make_dir(os.path.join(spool, "public"), "postfix", "postdrop",
                  0o710)
        _make_dir(os.path.join(spool, "pid"))
        _make_dir(os.path.join(self.dir, "data"), "postfix", mode=0o700)
        _make_dir(self.mail, MAILBOX)
        values = dict(vars(self), ca=self.world.ca,
                      uid=pwd.getpwnam(MAILBOX).pw_uid)
        with open(os.path.join(etc, "main.cf"), "w") as f:
            f.write(MAIN.format(**values))
        with open(os.path.join(etc, "master.cf"), "w") as f:
            f.write(MASTER.format(**values))
        self.process = Process(
            "postfix", ["/usr/lib/postfix/sbin/master", "-c", etc, "-d"],
            self.dir)

    def log(self):
        path = os.path.join(self.dir, "maillog")
        text = open(path).read() if os.path.exists(path) else ""
        return self.process.log() + text


OPENSMTPD = """\
listen on {address} hostname {name}
action "in" maildir "{mail}" virtual {{ "@" = {mailbox} }}
action "out" relay helo {name}
match from any for domain "{domain}" action "in"
match from src 10.53.0.0/16 for any action "out"
"""


class OpenSMTPD(Server):
    kind = "opensmtpd"
    # Debian 12's cannot: it ends every handshake, openssl's own too, with an
    # internal error. As a client it speaks TLS.
    has_tls = False

    def start(self):
        _make_dir("/var/spool/smtpd", mode=0o711)
        _make_dir("/var/lib/opensmtpd/empty", mode=0o711)
        _make_dir(self.mail, MAILBOX)
        conf = os.path.join(self.dir, "smtpd.conf")
        with open(conf, "w") as f:
            f.write(OPENSMTPD.format(**vars(self), mailbox=MAILBOX))
        self.process = Process("opensmtpd", ["smtpd", "-d", "-f", conf],
                               self.dir)
