"""Tests with the world outside; see world.py."""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "live"))
import kp       # noqa: E402
import world as world_module    # noqa: E402

_why_not = None
_entered = False


@pytest.fixture(scope="session")
def world():
    """One world for the whole run; hosts and domains are each test's own."""
    dir = kp.new_dir("world")
    try:
        world_module.enter(dir)
    except world_module.Impossible as e:
        pytest.skip(f"no namespaces here: {e}")
    w = world_module.World(dir)
    yield w
    w.close()


def pytest_unconfigure():
    kp.remove_base_dir()
