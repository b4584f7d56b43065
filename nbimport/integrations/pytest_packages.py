"""pytest: a folder with an ``__init__.ipynb`` is a package, like one with an ``__init__.py``.

pytest names a test module by the packages around it, which it tells by their ``__init__.py``. The
tests in a package of notebooks would get other names, and the package itself an empty module.
"""

from __future__ import annotations

import os
import sys
from importlib.util import module_from_spec
from typing import TYPE_CHECKING, Any

from nbimport.machinery import SUFFIX, loader, tools

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

_INIT = "__init__" + SUFFIX


def extend(pathlib: Any) -> Callable[[], None]:  # noqa: ANN401 - pytest's module
    """Tell pytest's ``_pytest.pathlib`` of such packages; return what undoes it."""
    undo = []
    if hasattr(pathlib, "resolve_package_path"):
        original = pathlib.resolve_package_path

        def resolve_package_path(path: Path) -> Path | None:
            package: Path | None = original(path)
            folder = path if path.is_dir() else path.parent
            folder = folder if package is None else package.parent
            while folder.name.isidentifier() and (folder / _INIT).is_file():
                package = original(folder.parent) or folder
                folder = package.parent
            return package

        undo.append(tools.replaced(pathlib, "resolve_package_path", resolve_package_path))
    if hasattr(pathlib, "_import_module_using_spec"):
        original_import = pathlib._import_module_using_spec

        def import_module(name: str, path: Path, *args: Any, **options: Any) -> ModuleType | None:  # noqa: ANN401 - pytest's
            if path.is_dir() and (path / _INIT).is_file() and not (path / "__init__.py").exists():
                return _imported(name, path)
            return original_import(name, path, *args, **options)  # type: ignore[no-any-return] # pytest's

        undo.append(tools.replaced(pathlib, "_import_module_using_spec", import_module))

    def undo_all() -> None:
        for one in undo:
            one()

    return undo_all


def _imported(name: str, folder: Path) -> ModuleType:
    """Import a package of notebooks by its folder, which need not be found on ``sys.path``."""
    if name in sys.modules and hasattr(sys.modules[name], "__path__"):
        return sys.modules[name]
    above, _, tail = name.rpartition(".")
    parent = (
        _imported(above, folder.parent) if above and (folder.parent / _INIT).is_file() else None
    )
    spec = loader.spec_of(name, os.fspath(folder / _INIT))
    module = sys.modules[name] = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)  # type: ignore[union-attr] # spec_of gives one
    except BaseException:
        del sys.modules[name]
        raise
    if parent is not None:
        setattr(parent, tail, module)
    return module
