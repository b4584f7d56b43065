"""The machine: its clocks, what it can do at best, what it has left, who else works on it."""
