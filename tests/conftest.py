"""What all tests share."""

import signal

# A shell ignores Ctrl-C for what it starts in the background, and processes pass that on.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
