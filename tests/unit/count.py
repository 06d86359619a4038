"""Counts the test functions in meson's log; shows what failed.

usage: count.py testlog.json

Programs that speak TAP (cmocka's do, when asked) count a test for each of
their functions, others one for the program. A program that ended badly
without a failed function, by a crash or by a leak found at its end, counts
one failed. The last line is "N passed, N failed".
"""
import json
import re
import sys


def count(test):
    """The (passed, failed) of one program."""
    out = test.get("stdout") or ""
    ok = len(re.findall(r"^ok ", out, re.M))
    bad = len(re.findall(r"^not ok ", out, re.M))
    if test["result"] == "SKIP":
        return 0, 0
    if test["result"] in ("OK", "EXPECTEDFAIL"):
        # A plan that was not kept is no success.
        plan = re.search(r"^1\.\.(\d+)$", out, re.M)
        lost = int(plan.group(1)) - ok - bad if plan else 0
        return (ok, bad + lost) if plan else (1, 0)
    return ok, max(bad, 1)


def main():
    passed = failed = 0
    with open(sys.argv[1], encoding="utf-8") as log:
        tests = [json.loads(line) for line in log]
    for test in tests:
        good, bad = count(test)
        passed += good
        failed += bad
        if bad:
            print(f"--- {test['name']}: {test['result']}, "
                  f"status {test.get('returncode')}")
            print(re.sub(r"(?m)^ok .*\n", "", test.get("stdout") or "")[-8000:])
            print((test.get("stderr") or "")[-8000:])
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main())
