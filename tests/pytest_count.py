"""Says "N passed, N failed" of a JUnit file, as its last line."""
import sys
import xml.etree.ElementTree as tree

total = failed = skipped = 0
for suite in tree.parse(sys.argv[1]).getroot().iter("testsuite"):
    total += int(suite.get("tests", 0))
    failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    skipped += int(suite.get("skipped", 0))
print(f"{max(total - failed - skipped, 0)} passed, {failed} failed")
