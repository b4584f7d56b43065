"""A magic that is loaded only when it is used, asked about or completed.

IPython's own way is not enough. In version 8, a magic that is declared lazily is neither listed nor
completed, and ``%name?`` finds nothing before its first use; in version 9, ``%lsmagic`` loads it.
"""

from __future__ import annotations

import re
from typing import Any


def offer(shell: Any, name: str, extension: str) -> None:  # noqa: ANN401 - IPython is not imported here
    """Offer a magic that an extension provides, unless the shell has one of that name.

    Args:
        shell: IPython's.
        name: The magic's name, for lines and cells.
        extension: Module that registers it, an IPython extension.
    """
    manager = shell.magics_manager
    tables = manager.magics
    if name in tables["line"] or name in manager.lazy_magics:
        return
    for kind in ("line", "cell"):
        tables[kind][name] = _StandIn(shell, kind, name, extension)
    completer = getattr(shell, "Completer", None)
    if completer is not None:
        completer.custom_matchers.append(_matcher(shell, name, extension))


class _StandIn:
    """Stand in IPython's table of magics for one that is not loaded yet."""

    # By these, IPython asks how to call a magic before it calls it.
    needs_local_scope = True
    _ipython_magic_no_var_expand = True

    def __init__(self, shell: Any, kind: str, name: str, extension: str) -> None:  # noqa: ANN401 - the same
        self._shell, self._kind, self._name, self._extension = shell, kind, name, extension

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the magic it stands for
        __tracebackhide__ = True
        return self.__wrapped__(*args, **kwargs)

    @property
    def __wrapped__(self) -> Any:  # noqa: ANN401 - the magic, whose file ``??`` shows
        self._shell.extension_manager.load_extension(self._extension)
        found = self._shell.magics_manager.magics[self._kind].get(self._name)
        if found is None or found is self:
            raise AttributeError(f"{self._extension} has no %{self._name}")
        return found

    @property
    def __doc__(self) -> str:  # type: ignore[override] # found when asked for
        return self.__wrapped__.__doc__ or ""


def _matcher(shell: Any, name: str, extension: str) -> Any:  # noqa: ANN401 - what IPython's completer calls
    """Return what loads the extension when the magic's line is completed, and then asks it.

    The extension's own matcher has the same identifier, and takes this one's place.
    """
    line = re.compile(rf"(?:^|\n|=)[ \t]*%{{1,2}}{re.escape(name)}[ \t][^\n]*\Z")
    matchers = shell.Completer.custom_matchers

    def matcher(context: Any) -> Any:  # noqa: ANN401 - IPython's dictionaries
        lines = context.full_text.split("\n")[: context.cursor_line + 1]
        lines[-1] = lines[-1][: context.cursor_position]
        if line.search("\n".join(lines)):
            if matcher in matchers:
                matchers.remove(matcher)
            shell.extension_manager.load_extension(extension)
            for each in matchers:
                if getattr(each, "matcher_identifier", "") == name:
                    return each(context)
        return {"completions": [], "suppress": False}

    # What IPython's decorator sets; importing it from there would cost every kernel.
    matcher.matcher_identifier = name  # type: ignore[attr-defined] # IPython's
    matcher.matcher_api_version = 2  # type: ignore[attr-defined] # the same
    matcher.matcher_priority = 0  # type: ignore[attr-defined] # the same
    return matcher
