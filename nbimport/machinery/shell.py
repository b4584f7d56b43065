"""Running magics in the module's own namespace, inside IPython and outside it.

Inside, the user's shell runs them, with its namespace swapped for the module's for that moment.
Outside, one bare shell is made when the first magic runs; it touches neither ``builtins`` nor
``__main__``, keeps no history and is not what ``IPython.get_ipython()`` returns.
"""

from __future__ import annotations

import contextlib
import sys
import types
from importlib import _bootstrap
from typing import TYPE_CHECKING, Any

from nbimport.errors import MagicError
from nbimport.notebook.sourcemap import parse_cell_name
from nbimport.notebook.syntax import FOR_DISPLAY

if TYPE_CHECKING:
    from collections.abc import Iterator

# Swapping a namespace is for one thread at a time. A magic may import, and so wait for another
# thread's import while that thread waits for this lock: importlib's own lock sees such a circle.
_LOCK_NAME = "nbimport magics"
_SESSION_NAMES = ("_dh", "_oh", "_ih", "In", "Out", "_", "__", "___")
_bare: Any = None
_locks: Any = _bootstrap  # typeshed leaves out what CPython keeps to itself


class ModuleShell:
    """Stand for the shell in one module: what ``get_ipython()`` returns there.

    Args:
        namespace: The module's globals.
        magics: ``"run"``, ``"skip"`` (everything returns None) or ``"error"``.
    """

    def __init__(self, namespace: dict[str, Any], magics: str) -> None:
        self._namespace = namespace
        self._magics = magics

    @property
    def user_ns(self) -> dict[str, Any]:
        """The module's namespace."""
        return self._namespace

    @property  # type: ignore[misc] # it can't be assigned to, and nobody does
    def __class__(self) -> type[Any]:
        """The session's class where there is one: code asks by it in which front end it runs."""
        running = _running()
        return ModuleShell if running is None else type(running)

    def __repr__(self) -> str:
        running = _running()
        return object.__repr__(self) if running is None else repr(running)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever IPython's shell has
        value = getattr(_shell(), name)
        if not isinstance(value, types.MethodType):
            return value

        def call(*args: Any, **options: Any) -> Any:  # noqa: ANN401
            with self._in_namespace() as shell:
                return getattr(shell, name)(*args, **options)

        return call

    def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:  # noqa: ANN401
        """Run ``%magic_name line`` in the module's namespace, unless it only sets up a display."""
        if magic_name in FOR_DISPLAY or self._left_out(f"%{magic_name}"):
            return None
        with self._in_namespace() as shell, _placed(f"%{magic_name}"):
            return shell.run_line_magic(magic_name, line, _stack_depth=_stack_depth + 1)

    def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:  # noqa: ANN401
        """Run ``%%magic_name line`` over a cell in the module's namespace."""
        if self._left_out(f"%%{magic_name}"):
            return None
        with self._in_namespace() as shell, _placed(f"%%{magic_name}"):
            return shell.run_cell_magic(magic_name, line, cell)

    def system(self, command: str) -> Any:  # noqa: ANN401
        """Run ``!command``; ``{names}`` are the caller's variables."""
        if self._left_out("!"):
            return None
        with self._in_namespace(sys._getframe(1).f_locals) as shell:
            return shell.system(command)

    def getoutput(self, command: str, split: bool = True, depth: int = 0) -> Any:  # noqa: ANN401, ARG002, FBT001, FBT002 - IPython's signature
        """Run ``!!command`` and return its output as a list of lines."""
        if self._left_out("!!"):
            return []
        with self._in_namespace(sys._getframe(1).f_locals) as shell:
            return shell.getoutput(command, split)

    def load_quietly(self, magic_name: str, line: str) -> None:
        """Load an IPython extension if it is there: a missing one stops only who uses it."""
        with contextlib.suppress(Exception):
            self.run_line_magic(magic_name, line)

    def _left_out(self, what: str) -> bool:
        if self._magics == "error":
            raise MagicError(
                f"{_place()}: {what!r} needs IPython, and magics are set to raise; "
                'write it in Python, or set magics = "run"'
            )
        return self._magics == "skip"

    @contextlib.contextmanager
    def _in_namespace(self, caller: dict[str, Any] | None = None) -> Iterator[Any]:
        """Lend the module's namespace, under the caller's variables, to the shell."""
        shell = _shell()
        namespace = self._namespace
        if caller is not None and caller is not namespace:
            namespace = {**namespace, **caller}
        module = sys.modules.get(str(self._namespace.get("__name__")))
        if module is None or vars(module) is not self._namespace:
            module = types.ModuleType("__main__")
        with _magic_lock():
            before = (shell.user_module, shell.user_ns)
            # `%cd` and its kind keep their notes in names that every session has.
            lent = {name: before[1].get(name) for name in _SESSION_NAMES if name not in namespace}
            namespace.update(lent)
            shell.user_module, shell.user_ns = module, namespace
            try:
                yield shell
            finally:
                shell.user_module, shell.user_ns = before
                for name, value in lent.items():
                    if namespace.get(name) is value:
                        namespace.pop(name, None)


@contextlib.contextmanager
def _magic_lock() -> Iterator[None]:
    lock = _locks._get_module_lock(_LOCK_NAME)
    try:
        lock.acquire()
    except _locks._DeadlockError:  # two imports wait for each other: go on, as importlib does
        yield
        return
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _placed(what: str) -> Iterator[None]:
    """Turn IPython's complaint about a magic into one that says where it stands."""
    from IPython.core.error import UsageError

    try:
        yield
    except UsageError as error:
        raise MagicError(
            f"{_place()}: {what[:80]} can't run during an import ({str(error)[:160]}); "
            'load its extension, tag the cell "skip", or set magics = "skip" in [tool.nbimport]'
        ) from error


def _place() -> str:
    """Return the cell and the line that called, for messages."""
    frame = sys._getframe(1)
    while frame is not None:
        if parse_cell_name(frame.f_code.co_filename):
            return f"{frame.f_code.co_filename}, line {frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment] # the loop ends at None
    return "a notebook"


def _running() -> Any:  # noqa: ANN401 - IPython's InteractiveShell, which is not imported for this
    core = sys.modules.get("IPython.core.getipython")
    return None if core is None else core.get_ipython()


def _shell() -> Any:  # noqa: ANN401
    return _running() or _bare_shell()


def _bare_shell() -> Any:  # noqa: ANN401
    global _bare  # noqa: PLW0603 - one shell a process
    if _bare is None:
        from IPython.core.builtin_trap import BuiltinTrap
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        class BareShell(InteractiveShell):
            """An InteractiveShell that leaves the process as it finds it."""

            def init_builtins(self) -> None:
                self.builtin_trap = BuiltinTrap(shell=self)

            def init_sys_modules(self) -> None:
                self._main_mod_cache: dict[str, Any] = {}

            def init_virtualenv(self) -> None:
                """Do nothing: whose environment is searched is not for an import to change."""

            def enable_gui(self, gui: str | None = None) -> None:
                """Do nothing: there is no event loop to join, and no display."""

        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.cache_size = 0
        _bare = BareShell(config=config)  # type: ignore[no-untyped-call] # theirs
        _bare.magics_manager.register_lazy("store", "IPython.extensions.storemagic")
    return _bare
