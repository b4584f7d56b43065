"""Run a check many times while the machine is busy: ``python repeat.py COUNT COMMAND...``.

A line per run says how it ended; of a red one the end of its output follows. The exit status is 0
if all runs were green.
"""

import subprocess
import sys
import time

BUSY_PROCESSES = 2
BUSY = "import os; parent = os.getppid()\nwhile os.getppid() == parent: sum(range(10**6))"
SHOWN_LINES = 60


def repeat(count, command):
    """Run a command so often; return how many runs were green."""
    green = 0
    for number in range(1, count + 1):
        start = time.perf_counter()
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        lines = done.stdout.splitlines()
        took = f"{time.perf_counter() - start:.0f} s"
        print(f"run {number}, {took}: {lines[-1].strip(' =') if lines else ''}", flush=True)
        if done.returncode == 0:
            green += 1
        else:
            print(*lines[-SHOWN_LINES:], sep="\n", flush=True)
    return green


def main(count, *command):
    """Keep the machine busy, repeat, and sum up."""
    load = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(BUSY_PROCESSES)]
    try:
        green = repeat(int(count), command)
    finally:
        for process in load:
            process.kill()
            process.wait()
    print(f"{green} of {count} runs green, beside {BUSY_PROCESSES} busy processes")
    return 0 if green == int(count) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
