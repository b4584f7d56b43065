"""What all tests share."""

import signal
import sys

import pytest

# A shell ignores Ctrl-C for what it starts in the background, and processes pass that on.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module", autouse=True)
def _same_main():
    """Leave `__main__` as it was: a shell becomes it, and once reset it can start no process."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main
