"""A running IPython session: relative imports in its cells, and ``%convprofile`` by name."""

from __future__ import annotations

import sys
from typing import Any

from nbimport.integrations import lazy_magic
from nbimport.machinery import caller, folders, names


def connect() -> None:
    """Tell the session where its notebook lies, and offer the magic without importing it."""
    core = sys.modules.get("IPython.core.getipython")
    shell: Any = core.get_ipython() if core is not None else None
    if shell is None:
        return
    space = shell.user_ns
    if "ipykernel" in sys.modules and not space.get("__package__"):
        # `from ..lib import nets` in a cell then means the folder above the notebook's. Who starts
        # a kernel without saying for which notebook starts it in the notebook's folder.
        space["__package__"] = names.of_folder(caller.session_folder(space) or folders.here())
    lazy_magic.offer(shell, "convprofile", "magics")
