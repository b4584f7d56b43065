"""What only a running model can tell: calls, times, memory, ceilings.

What lives here needs torch. What it must not know: how a number is shown, and IPython.
"""
