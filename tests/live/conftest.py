"""One server for each module, one account for each test that wants one."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kp   # noqa: E402


@pytest.fixture(scope="module")
def server():
    with kp.Server() as s:
        yield s


@pytest.fixture
def user(server):
    """An account that nobody else has touched."""
    return server.new_user()


def pytest_unconfigure():
    kp.remove_base_dir()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What the server logged goes with a failure."""
    outcome = yield
    report = outcome.get_result()
    server = getattr(item, "funcargs", {}).get("server")
    if report.failed and server:
        report.sections.append(("server's log", server.tail(2000)))
