"""pytest: collect the tests of a notebook as those of a ``.py`` file.

Only the import differs: a notebook is loaded by its path, and its cells' asserts are rewritten by
pytest's own rewriter. All else, from fixtures to ``--lf``, is pytest's. The options stand in
``nbimport_pytest``, which creates `NotebookTests` when one of them is used.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest
from _pytest.assertion.rewrite import assertstate_key, rewrite_asserts

from nbimport import hook
from nbimport.machinery import PREFIX, SUFFIX, loader
from nbimport.notebook import sourcemap

if TYPE_CHECKING:
    import ast
    from pathlib import Path
    from types import ModuleType, TracebackType

# Other plugins that run notebooks: with them on, a notebook named on the command line is theirs.
_OTHERS = ("nbval", "nbval_lax", "nbmake")


class NotebookTests:
    """Collect notebooks during one run of pytest.

    Args:
        config: pytest's.
        patterns: File name patterns of the notebooks to collect.
    """

    def __init__(self, config: pytest.Config, patterns: tuple[str, ...]) -> None:
        self._config = config
        self._patterns = patterns
        self._explicit: set[str] = set()
        has_hook = config.getini("enable_assertion_pass_hook")
        self._variant = f"pytest-{pytest.__version__}{'-pass' if has_hook else ''}"
        loader.changers.append(self._change)

    def pytest_unconfigure(self) -> None:
        """Compile notebooks as they are from now on."""
        if self._change in loader.changers:
            loader.changers.remove(self._change)

    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        """Return a collector for a notebook with tests."""
        if file_path.suffix != SUFFIX:
            return None
        if not self._is_test(file_path):
            taken = any(self._config.getoption(name, default=False) for name in _OTHERS)
            if taken or not parent.session.isinitpath(file_path):
                return None
            self._explicit.add(str(file_path))
        return NotebookModule.from_parent(parent, path=file_path)

    def _is_test(self, path: Path) -> bool:
        return any(path.match(pattern) for pattern in self._patterns)

    def _change(self, fullname: str, path: str) -> loader.Change | None:
        """Return what rewrites asserts, for a notebook whose like in ``.py`` pytest rewrites."""
        if self._config.getoption("assertmode") != "rewrite":
            return None
        from pathlib import Path

        if not (path in self._explicit or self._is_test(Path(path)) or self._is_marked(fullname)):
            return None
        return self._variant, self._rewrite

    def _is_marked(self, fullname: str) -> bool:
        """Tell whether a name was given to `pytest.register_assert_rewrite`."""
        state = self._config.stash.get(assertstate_key, None)
        marked = getattr(getattr(state, "hook", None), "_must_rewrite", ())
        parts = fullname.split(".")
        above = {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
        # An installed nbimport is marked as a plugin, and with it all names that begin like it.
        return not fullname.startswith(PREFIX) and not above.isdisjoint(marked)

    def _rewrite(self, tree: ast.Module, name: str, text: str) -> None:
        rewrite_asserts(tree, text.encode("utf-8", "replace"), name, self._config)


class NotebookModule(pytest.Module):
    """Collect the test functions and classes of one notebook."""

    def _getobj(self) -> ModuleType:
        """Import the notebook; what goes wrong is told from the first cell on.

        Raises:
            CollectError: A cell, or something it imports, can't be imported.
        """
        __tracebackhide__ = True
        try:
            module = hook.load(self.path)
        except pytest.skip.Exception as error:
            if error.allow_module_level:
                raise
            raise self.CollectError(
                f"{self.path}: pytest.skip() outside of a test; to skip the whole notebook, call "
                "it with allow_module_level=True"
            ) from error
        except (SyntaxError, ImportError) as error:
            raise self.CollectError(_told(error)) from error
        except Exception as error:  # noqa: BLE001 - it goes on, with less to read
            raise error.with_traceback(_from_cell(error.__traceback__))  # noqa: B904 - the same error
        self.config.pluginmanager.consider_module(module)
        return module


def _told(error: Exception) -> str:
    """Return an error as pytest shows those of an import."""
    trace = _from_cell(error.__traceback__)
    if trace is None:
        return "".join(traceback.format_exception_only(error)).strip()
    info = pytest.ExceptionInfo.from_exception(error.with_traceback(trace))
    return str(info.getrepr(style="short"))


def _from_cell(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the first cell on: what led there tells nothing."""
    while trace is not None and not sourcemap.parse_cell_name(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace
