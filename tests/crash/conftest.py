"""The crash tests use the live tests' server (tests/live/kp.py)."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "live"))
import kp   # noqa: E402


def pytest_unconfigure():
    kp.remove_base_dir()
