"""What DNS says, with real signatures, real referrals and real trouble."""
import os
import subprocess

import kp


def resolve(world, *questions):
    """Answers as the server's resolver gives them, each a list of words."""
    program = os.path.join(os.path.dirname(os.path.dirname(
        kp.source_binary())), "tests", "world", "resolve")
    done = subprocess.run(
        [program, world.dns.anchor, world.dns.hints] +
        [word for q in questions for word in q],
        capture_output=True, text=True, timeout=kp.T,
        env=kp.sanitizer_env())
    assert done.returncode == 0, done.stderr
    return [line.split()[2:] for line in done.stdout.splitlines()]


def test_signed_answers_are_secure(world):
    address = world.host("mx.signed.example")
    world.domain("signed.example", "mx.signed.example")
    world.record("_25._tcp.mx.signed.example", "TLSA", "3 1 1 " + "AB" * 32)
    world.record("txt.signed.example", "TXT", '"v=STSv1; " "id=1;"')
    world.record("alias.signed.example", "CNAME", "mx.signed.example.")
    world.publish()
    assert resolve(
        world, ("signed.example", "MX"), ("mx.signed.example", "A"),
        ("_25._tcp.mx.signed.example", "TLSA"), ("txt.signed.example", "TXT"),
        ("alias.signed.example", "A")) == [
        ["OK", "secure", "10:mx.signed.example"],
        ["OK", "secure", address],
        ["OK", "secure", "3:1:1:" + "ab" * 32],
        ["OK", "secure", "v%3DSTSv1%3B%20id%3D1%3B"],
        ["OK", "secure", address]]


def test_what_is_not_there_is_proven(world):
    world.host("mx.there.example")
    world.publish()
    assert resolve(
        world, ("nobody.example", "MX"), ("mx.there.example", "MX"),
        ("_25._tcp.mx.there.example", "TLSA")) == [
        ["NXDOMAIN", "secure"], ["NODATA", "secure"],
        ["NXDOMAIN", "secure"]]


def test_an_unsigned_zone_is_insecure(world):
    address = world.host("mx.insecure.example")
    world.domain("insecure.example", "mx.insecure.example")
    world.record("into.example", "CNAME", "mx.insecure.example.")
    world.publish()
    assert resolve(
        world, ("insecure.example", "MX"), ("nobody.insecure.example", "A"),
        ("into.example", "A")) == [
        ["OK", "insecure", "10:mx.insecure.example"],
        ["NXDOMAIN", "insecure"], ["OK", "insecure", address]]


def test_broken_signatures_are_bogus_and_believed_by_nobody(world):
    world.host("mx.bogus.example")
    world.domain("bogus.example", "mx.bogus.example")
    world.record("astray.example", "CNAME", "mx.bogus.example.")
    world.publish()
    assert resolve(
        world, ("bogus.example", "MX"), ("nobody.bogus.example", "A"),
        ("astray.example", "A")) == [["SERVFAIL", "bogus"]] * 3


def test_null_mx_and_loops(world):
    world.record("nomail.example", "MX", "0 .")
    world.record("round.example", "CNAME", "and.round.example.")
    world.record("and.round.example", "CNAME", "round.example.")
    world.publish()
    null, loop = resolve(world, ("nomail.example", "MX"),
                         ("round.example", "A"))
    assert null == ["OK", "secure", "0:"]
    assert loop[0] == "SERVFAIL"


def test_large_answers_come_by_tcp(world):
    for i in range(60):
        world.record("many.example", "TXT", '"%s"' % (str(i) * 100))
    world.publish()
    many, = resolve(world, ("many.example", "TXT"))
    assert many[:2] == ["OK", "secure"] and len(many) == 2 + 60


def test_a_server_that_cannot_be_reached_is_no_answer(world):
    # A referral to where nobody listens.
    world.dns.zones["."] += ["away.example. 0 NS ns.away.example.",
                             "ns.away.example. 0 A 10.53.0.99"]
    world.add_address("10.53.0.99")
    world.publish()
    away, = resolve(world, ("mx.away.example", "A"))
    assert away[0] in ("SERVFAIL", "TIMEOUT")


def test_kingpost_starts_and_stops_in_the_world(world):
    with world.kingpost() as s:
        s.deliver("alice@example.test")
