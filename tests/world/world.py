"""The world outside, for a Kingpost that sends to it and hears from it.

Everything happens in a network and a mount namespace of this process: a
loopback interface with many addresses, and nothing else. So no packet leaves
the machine, ports below 1024 are free for everybody, and when the process
ends there is nothing to be taken away.

The programs are Debian's own, fetched by `apt-get download` and unpacked
under the build folder; they are laid over /usr in this namespace alone, and
nothing is ever installed. Each one that is started is ended by its pid.

DNS is Knot with a signed root zone that holds every name, an unsigned zone
`insecure.example` and a zone `bogus.example` whose signatures are wanted and
missing. Kingpost asks it from the root down, by its own trust anchor.
"""
import ctypes
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import threading

import kp

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_REC, MS_PRIVATE, MS_BIND = 0x4000, 0x40000, 0x1000

DNS = "10.53.0.53"
KINGPOST = "10.53.0.25"     # where the world finds our port 25
PACKAGES = ("knot", "postfix", "opensmtpd")

_libc = ctypes.CDLL(None, use_errno=True)


class Impossible(Exception):
    """Namespaces cannot be made here."""


def _check(result, what):
    if result != 0:
        raise Impossible(f"{what}: {os.strerror(ctypes.get_errno())}")


def _mount(source, target, kind, flags, data=None):
    _check(_libc.mount(source.encode(), target.encode(),
                       kind and kind.encode(), flags,
                       data and data.encode()), f"mount {target}")


# ---- programs

def cache_dir():
    """Under the build folder that the program to be tested is of."""
    build = os.path.dirname(os.path.dirname(kp.source_binary()))
    if not os.access(build, os.W_OK):
        build = tempfile.gettempdir()
    return os.path.join(build, "world")


def _apt(*args, cwd=None):
    return subprocess.run(
        ["apt-get", "-qq", "-o", "Debug::NoLocking=1"] + list(args),
        cwd=cwd, text=True, capture_output=True, timeout=300,
        stdin=subprocess.DEVNULL, env=dict(os.environ, LC_ALL="C"))


def _missing(package):
    """Names of the packages that this one needs and the machine has not."""
    done = _apt("--simulate", "--no-install-recommends", "--reinstall",
                "install", package)
    if done.returncode != 0:
        raise kp.Failure(f"apt-get install {package}: {done.stderr}")
    return [line.split()[1] for line in done.stdout.splitlines()
            if line.startswith("Inst ")]


def _unpack(package):
    """The folder with the package and what it needs, made once."""
    root = os.path.join(cache_dir(), package)
    if os.path.exists(root):
        return root
    os.makedirs(cache_dir(), exist_ok=True)
    tmp = tempfile.mkdtemp(dir=cache_dir(), prefix="unpack.")
    try:
        names = _missing(package)
        done = _apt("download", *names, cwd=tmp)
        if done.returncode != 0:    # the lists may be old, or never read
            subprocess.run(["apt-get", "-qq", "update"], timeout=300,
                           capture_output=True)
            done = _apt("download", *_missing(package), cwd=tmp)
        if done.returncode != 0:
            raise kp.Failure(f"apt-get download: {done.stderr}")
        for deb in glob.glob(os.path.join(tmp, "*.deb")):
            subprocess.run(["dpkg", "-x", deb, os.path.join(tmp, "root")],
                           check=True)
        os.chmod(os.path.join(tmp, "root"), 0o755)
        os.rename(os.path.join(tmp, "root"), root)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
    return root


# ---- namespaces

# Users that the programs insist on; they exist in the namespace alone.
USERS = ("postfix:4001", "postdrop:4002", "opensmtpd:4003",
         "opensmtpq:4004", "mailbox:4005")


def _lay_file(path, text, dir):
    """Another text in place of a file, for this namespace."""
    copy = os.path.join(dir, os.path.basename(path))
    with open(copy, "w") as f:
        f.write(text)
    os.chmod(copy, 0o644)
    _mount(copy, os.path.realpath(path), None, MS_BIND)


def _add_users(dir):
    passwd = open("/etc/passwd").read()
    group = open("/etc/group").read()
    for entry in USERS:
        name, uid = entry.split(":")
        passwd += f"{name}:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin\n"
        group += f"{name}:x:{uid}:\n"
    _lay_file("/etc/passwd", passwd, dir)
    _lay_file("/etc/group", group, dir)


def enter(dir):
    """Moves this process into namespaces of its own. There is no way back."""
    if os.geteuid() != 0:
        raise Impossible("only root can make namespaces")
    roots = [_unpack(p) for p in PACKAGES]  # while there is a network
    _check(_libc.unshare(CLONE_NEWNS | CLONE_NEWNET), "unshare")
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    lower = ":".join([r + "/usr" for r in roots] + ["/usr"])
    _mount("overlay", "/usr", "overlay", 0, "lowerdir=" + lower)
    for path in ("/var/spool", "/var/lib", "/run"):
        _mount("tmpfs", path, "tmpfs", 0, "mode=755")
    _add_users(dir)
    _lay_file("/etc/resolv.conf", f"nameserver {DNS}\n", dir)
    ip("link", "set", "lo", "up")
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", "w") as f:
        f.write("0")


def ip(*args):
    subprocess.run(["ip"] + list(args), check=True, capture_output=True)


# ---- processes

class Process:
    """A program that runs until it is told to end."""

    def __init__(self, name, args, dir, **kw):
        self.name = name
        self.log_path = os.path.join(dir, name + ".log")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                args, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, **kw)

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def wait_for(self, text):
        def is_there():
            if self.process.poll() is not None:
                raise kp.Failure(f"{self.name} ended: {self.log()}")
            return text in self.log()
        kp.wait_until(is_there, f"{text!r} of {self.name}")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


# ---- DNS

class Knot:
    def __init__(self, dir):
        self.dir = dir
        self.zones = {".": [], "insecure.example": [], "bogus.example": []}
        self.conf = os.path.join(dir, "knot.conf")
        self.anchor = os.path.join(dir, "root.key")
        self.hints = os.path.join(dir, "root.hints")
        for sub in ("run", "db"):
            os.makedirs(os.path.join(dir, sub))
        self._configure()
        self.write()
        self.process = Process("knot", ["knotd", "-c", self.conf], dir)
        try:
            self.process.wait_for("server started")
            kp.wait_until(self._write_anchor, "keys of the root zone")
        except kp.Failure:
            self.process.stop()
            raise
        with open(self.hints, "w") as f:
            f.write(f". 3600000 NS ns.\nns. 3600000 A {DNS}\n")

    def _configure(self):
        text = f"""server:
    rundir: {self.dir}/run
    listen: {DNS}@53
log:
  - target: stderr
    any: info
database:
    storage: {self.dir}/db
policy:
  - id: p
    algorithm: ecdsap256sha256
    single-type-signing: on
zone:
"""
        for zone in self.zones:
            text += (f"  - domain: {zone}\n    storage: {self.dir}\n"
                     f"    file: {self._file(zone)}\n"
                     "    zonefile-sync: -1\n"
                     "    zonefile-load: difference-no-serial\n"
                     "    journal-content: all\n")
            if zone == ".":
                text += "    dnssec-signing: on\n    dnssec-policy: p\n"
        with open(self.conf, "w") as f:
            f.write(text)

    def _file(self, zone):
        return "root.zone" if zone == "." else zone + ".zone"

    def _write_anchor(self):
        done = subprocess.run(["keymgr", "-c", self.conf, ".", "ds"],
                              capture_output=True, text=True)
        if done.returncode != 0 or " DS " not in done.stdout:
            return False
        with open(self.anchor, "w") as f:
            f.write(done.stdout)
        return True

    def zone_of(self, name):
        for zone in self.zones:
            if zone != "." and ("." + name).endswith("." + zone):
                return zone
        return "."

    def write(self):
        # Nothing is ever cached: every test may change what DNS says.
        for zone, records in self.zones.items():
            ns = "ns." if zone == "." else f"ns.{zone}."
            name = "." if zone == "." else zone + "."
            lines = [f"{name} 0 SOA {ns} host. 1 3600 900 86400 0",
                     f"{name} 0 NS {ns}", f"{ns} 0 A {DNS}"] + records
            if zone == ".":
                for child in ("insecure.example", "bogus.example"):
                    lines += [f"{child}. 0 NS ns.{child}.",
                              f"ns.{child}. 0 A {DNS}"]
                # A promise of signatures that nobody keeps.
                lines += ["bogus.example. 0 DS 4711 13 2 " + "ab" * 32]
            with open(os.path.join(self.dir, self._file(zone)), "w") as f:
                f.write("\n".join(lines) + "\n")

    def control(self, *args):
        done = subprocess.run(
            ["knotc", "-b", "-s", os.path.join(self.dir, "run", "knot.sock")]
            + list(args), capture_output=True, text=True, timeout=kp.T)
        if done.returncode != 0:
            raise kp.Failure(f"knotc {args}: {done.stdout}{done.stderr}")

    def reload(self):
        self.write()
        self.control("zone-reload")


# ---- the world

class World:
    """DNS, an authority for certificates, addresses, mail servers."""

    def __init__(self, dir):
        self.dir = dir
        self.last_host = 0
        self.started = []
        self.addresses = set()
        for address in (DNS, KINGPOST):
            self.add_address(address)
        os.makedirs(os.path.join(dir, "dns"))
        self.dns = Knot(os.path.join(dir, "dns"))
        self.started.append(self.dns.process)
        self.tls_count = 0
        self.ca, self.ca_key = self._make_ca()

    def close(self):
        for process in reversed(self.started):
            process.stop()

    # ---- names and addresses

    def add_address(self, address):
        if address not in self.addresses:
            ip("addr", "add", address, "dev", "lo", *(
                ["nodad"] if ":" in address else []))
            self.addresses.add(address)

    def record(self, name, kind, value):
        """Adds a record; publish() makes it known."""
        zone = self.dns.zones[self.dns.zone_of(name)]
        zone.append(f"{name}. 0 {kind} {value}")

    def forget(self, name, kind=None):
        zone = self.dns.zones[self.dns.zone_of(name)]
        zone[:] = [r for r in zone if not r.startswith(
            f"{name}. 0 {kind} " if kind else f"{name}. ")]

    def publish(self):
        self.dns.reload()

    def host(self, name, v6=False):
        """An address for a name, the next free one; with an A record."""
        self.last_host += 1
        address = f"10.53.1.{self.last_host}"
        self.add_address(address)
        self.record(name, "A", address)
        if v6:
            six = f"fd53::1:{self.last_host:x}"
            self.add_address(six)
            self.record(name, "AAAA", six)
        return address

    def domain(self, name, *hosts):
        """A domain whose mail goes to hosts, the first one preferred."""
        for i, host in enumerate(hosts):
            self.record(name, "MX", f"{10 * (i + 1)} {host}.")

    # ---- certificates

    def _openssl(self, *args):
        subprocess.run(["openssl"] + list(args), check=True,
                       capture_output=True, cwd=self.dir)

    def _make_ca(self):
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                      "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                      "-subj", "/CN=World CA", "-keyout", "ca.key", "-out",
                      "ca.pem", "-addext", "basicConstraints=critical,CA:TRUE")
        return (os.path.join(self.dir, "ca.pem"),
                os.path.join(self.dir, "ca.key"))

    def certificate(self, *names, is_trusted=True, days=30):
        """A certificate for names: paths of chain and key, PEM."""
        self.tls_count += 1
        base = os.path.join(self.dir, f"tls{self.tls_count}")
        san = ",".join("DNS:" + n for n in names)
        ext = base + ".ext"
        with open(ext, "w") as f:
            f.write(f"subjectAltName={san}\nextendedKeyUsage=serverAuth\n")
        self._openssl("req", "-new", "-newkey", "ec", "-pkeyopt",
                      "ec_paramgen_curve:P-256", "-nodes", "-subj",
                      f"/CN={names[0]}", "-keyout", base + ".key", "-out",
                      base + ".csr")
        sign = (["-CA", self.ca, "-CAkey", self.ca_key, "-CAcreateserial"]
                if is_trusted else ["-signkey", base + ".key"])
        self._openssl("x509", "-req", "-in", base + ".csr", "-days",
                      str(days), "-extfile", ext, "-out", base + ".pem",
                      *sign)
        os.chmod(base + ".key", 0o644)
        if is_trusted:
            with open(base + ".pem", "a") as f:
                f.write(open(self.ca).read())
        return base + ".pem", base + ".key"

    def tlsa(self, host, cert, usage=3, selector=1, matching=1, port=25):
        """Publishes a TLSA record for the first certificate of a file."""
        der = subprocess.run(["openssl", "x509", "-in", cert, "-outform",
                              "DER"], check=True, capture_output=True).stdout
        if selector:
            key = subprocess.run(["openssl", "x509", "-in", cert, "-noout",
                                  "-pubkey"], check=True,
                                 capture_output=True).stdout
            der = subprocess.run(["openssl", "pkey", "-pubin", "-outform",
                                  "DER"], input=key, check=True,
                                 capture_output=True).stdout
        data = der.hex()
        if matching:
            import hashlib
            data = (hashlib.sha256 if matching == 1 else
                    hashlib.sha512)(der).hexdigest()
        self.record(f"_{port}._tcp.{host}", "TLSA",
                    f"{usage} {selector} {matching} {data}")

    # ---- ourselves

    def kingpost(self, extra="", **kw):
        """A Kingpost that lives here: port 25 of KINGPOST is its own."""
        config = (f'\nlistener world {{\n\taddress = {{"{KINGPOST}"}}\n'
                  "\tport = 25\n\tprotocol = smtp\n\ttls = starttls\n}\n"
                  f'\ndns {{\n\ttrust_anchor = "{self.dns.anchor}"\n'
                  f'\troot_hints = "{self.dns.hints}"\n}}\n')
        top = dict(kw.pop("top", {}), tls_ca_file=f'"{self.ca}"')
        return kp.Server(top=top, extra=config + extra, **kw)
