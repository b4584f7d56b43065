"""Import notebooks like modules: ``.ipynb`` files import like ``.py`` files.

``import analysis`` finds ``analysis.ipynb`` wherever an ``analysis.py`` would be found, or beside
the importing notebook. `load` imports by path, `mount` gives a folder a name, `Config` holds
settings. (For pytest, which wants to import its plugins itself: PYTEST_DONT_REWRITE.)
"""

from __future__ import annotations

import sys as _sys

from nbimport.hook import ImportHook, install, load, mount, uninstall, unmount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from nbimport.config import Config
    from nbimport.errors import (
        ConfigError,
        MagicError,
        MountError,
        NotebookFormatError,
        NotebookImportError,
        NotebookNotFoundError,
    )

__all__ = [
    "Config",
    "ConfigError",
    "ImportHook",
    "MagicError",
    "MountError",
    "NotebookFormatError",
    "NotebookImportError",
    "NotebookNotFoundError",
    "install",
    "load",
    "mount",
    "uninstall",
    "unmount",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """Import the settings and the exceptions when they are asked for: no warm import needs them."""
    if name == "coverage_init":  # `plugins = ["nbimport"]` in coverage.py's settings
        from nbimport.integrations.coverage_plugin import coverage_init

        return coverage_init
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nbimport import config, errors

    value = getattr(config if name == "Config" else errors, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


for _public in (install, load, mount, uninstall, unmount):
    _public.__module__ = "nbimport"
del _public

install()

if "IPython" in _sys.modules:
    from nbimport.integrations import ipython as _ipython

    _ipython.connect()
