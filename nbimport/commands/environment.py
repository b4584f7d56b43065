"""The ``.pth`` file that lets every process of an environment import notebooks."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig

# Such files are read in the order of their names: after the one of an editable installation, which
# makes nbimport importable. Python runs lines that begin with "import". Where nbimport is
# gone, or broken, Python must start all the same, and say nothing.
_NAME = "zz_nbimport.pth"
_TEXT = 'import sys; exec("try:\\n import nbimport\\nexcept Exception: pass")\n'
_CHECK = "import sys; sys.exit('nbimport' not in sys.modules)"


def path() -> str:
    """Return where the file lies, whether or not it is there."""
    return os.path.join(sysconfig.get_path("purelib"), _NAME)


def write() -> bool:
    """Write the file; return whether it was not there.

    Raises:
        OSError: The folder can't be written.
    """
    try:
        with open(path(), encoding="utf-8") as file:
            if file.read() == _TEXT:
                return False
    except FileNotFoundError:
        pass
    with open(path(), "w", encoding="utf-8") as file:
        file.write(_TEXT)
    return True


def remove() -> bool:
    """Remove the file; return whether it was there.

    Raises:
        OSError: It can't be removed.
    """
    try:
        os.unlink(path())
    except FileNotFoundError:
        return False
    return True


def works() -> bool:
    """Tell whether a new process, started anywhere, has nbimport."""
    ended = subprocess.run(  # noqa: S603 - this Python
        [sys.executable, "-c", _CHECK], cwd=os.sep, env=_plain(), check=False
    )
    return ended.returncode == 0


def _plain() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
