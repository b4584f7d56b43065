"""The driver: one code object that runs the cells of a notebook in order, each as it is."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

    # One compiled cell, and the arguments of ``%%capture`` if it has them.
    Unit = tuple[CodeType, str | None]

_COROUTINE = 0x80  # inspect.CO_COROUTINE, without importing inspect
_HELPERS = "__import__('nbimport.machinery.execution', None, None, ('*',))"
_SESSION_NAMES = ("display", "get_ipython")


def driver(units: list[Unit], sources: list[str], title: str | None, magics: str) -> CodeType:
    """Join the cells into one code object, as ``get_code`` has to return one.

    The driver calls one function a cell, made from the cell's code: a function without fast locals
    runs in its globals, so this is what ``exec`` does, without a name that a notebook could shadow.
    It carries importlib's file name and the function name at which CPython cuts importlib's own
    frames from tracebacks, so a traceback goes from the import statement straight to the cell.
    """
    lines = [] if title is None else [repr(title)]
    mentioned: set[str] = set()
    for code, _ in units:
        _mention(code, mentioned)
    for name in _SESSION_NAMES:
        if name in mentioned:
            from nbimport.machinery import session  # 10 ms, for the few notebooks with the name

            if session.needs(name, [code for code, _ in units], sources):
                lines.append(f"{_HELPERS}.provide({name!r}, globals(), {magics!r})")
    awaits = any(code.co_flags & _COROUTINE for code, _ in units)
    for index, (_, capture) in enumerate(units):
        if capture is not None:
            lines.append(f"{_HELPERS}.captured(lambda: {index}, {capture!r}, {awaits})")
        elif awaits:
            lines.append(f"{_HELPERS}.run(lambda: {index})")
        else:
            lines.append(f"(lambda: {index})()")
    template = compile("\n".join(lines), "<frozen importlib._bootstrap_external>", "exec", 0, True)  # noqa: FBT003 - positional in C
    codes = iter([code for code, _ in units])
    consts = tuple(next(codes) if isinstance(c, _CODE) else c for c in template.co_consts)
    return template.replace(co_consts=consts, co_name="_call_with_frames_removed")


def _mention(code: CodeType, names: set[str]) -> None:
    """Add the global and attribute names in code, and in code inside it, to some names."""
    names.update(code.co_names)
    for const in code.co_consts:
        if isinstance(const, _CODE):
            _mention(const, names)


_CODE = type(driver.__code__)
