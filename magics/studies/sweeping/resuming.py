"""The file of a sweep: written after every point, read when the sweep goes on."""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING

from torch import nn
from torch.nn.parameter import is_lazy

from magics.errors import InputError, RecordError
from magics.hints import short
from magics.records import SCHEMA, Sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from magics.records import SweepPoint

_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


def structure(model: object) -> str:
    """Return what tells a model from others of the same name: a hash of it in words.

    Of a module's tensors too, for layers that one has written oneself seldom tell how wide they
    are; contents make no difference to times. Of a function, its code and what it refers to.
    """
    text = "\n".join(_words(model))
    return hashlib.sha256(_ADDRESS.sub("", text).encode()).hexdigest()[:16]


def _words(model: object) -> Iterator[str]:
    if isinstance(model, nn.Module):
        yield repr(model)
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            yield f"{name} {'lazy' if is_lazy(tensor) else (tuple(tensor.shape), tensor.dtype)}"
    elif isinstance(model, partial):
        yield from _words(model.func)
        yield repr((model.args, model.keywords))
    else:
        yield getattr(model, "__qualname__", "")
    if isinstance(model, FunctionType):
        yield from _code(model.__code__)
        yield repr((model.__defaults__, model.__kwdefaults__))
        for cell in model.__closure__ or ():
            with suppress(ValueError):  # it is empty
                yield repr(cell.cell_contents)


def _code(code: CodeType) -> Iterator[str]:
    """Yield what code does, without where it stands: a cell that runs again is another file."""
    yield f"{code.co_code.hex()} {code.co_names} {code.co_varnames}"
    for constant in code.co_consts:
        yield from _code(constant) if isinstance(constant, CodeType) else (repr(constant),)


class Ledger:
    """The file that a sweep goes on from, and is written to."""

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        """Name the file.

        Raises:
            InputError: If that is no path.
        """
        try:
            self._path = None if path is None else Path(path)
        except TypeError as error:
            raise InputError(
                f"resume: no path (got {short(path)}); name a file such as 'sweep.json'",
            ) from error
        self._written: dict[int, tuple[SweepPoint, str]] = {}

    def read(self) -> Sweep | None:
        """Return what is in the file, `None` if there is none, or if it is empty.

        Raises:
            InputError: If something else is in it, or it can't be read.
        """
        if self._path is None:
            return None
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not text"
            raise InputError(
                f"resume: {self._path} can't be read ({why}); name a file of a sweep, or a new one",
            ) from error
        if not text.strip():
            return None
        try:
            return Sweep.from_json(text)
        except RecordError as error:
            raise InputError(
                f"resume: no sweep is in {self._path} ({error}); name another file",
            ) from error

    def check(self, saved: Sweep, found: Sweep) -> None:
        """See whether a sweep can go on from what is in the file.

        Raises:
            InputError: If they differ in more than the values on the axes; it names what.
        """
        pairs: list[tuple[str, object, object]] = [
            ("model", saved.model, found.model),
            ("inputs", saved.inputs, found.inputs),
            ("axes", _axes(saved), _axes(found)),
        ]
        names = dict.fromkeys((*saved.options, *found.options))
        pairs += [(name, saved.options.get(name), found.options.get(name)) for name in names]
        for name, before, now in pairs:
            if before == now:
                continue
            what = "layers" if name == "structure" else name
            got = "" if name == "structure" else f" (got {_said(now)}, and it has {_said(before)})"
            raise InputError(
                f"resume: {self._path} is of a sweep with other {what}{got}; name another file",
            )

    def write(self, now: Callable[[], Sweep]) -> None:
        """Write all that is known, at once or not at all.

        Args:
            now: Returns the sweep as it stands.

        Raises:
            InputError: If the file can't be written.
        """
        if self._path is None:
            return
        file = Path(os.path.realpath(self._path))  # a link stays one, to the new content
        part = file.with_name(f".{file.name}.{os.getpid()}.part")
        try:
            with part.open("w", encoding="utf-8") as stream:
                stream.write(self._text(now()))
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(file)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise InputError(
                f"resume: {self._path} can't be written ({error.strerror}); name another file",
            ) from error

    def _text(self, found: Sweep) -> str:
        """Return what `to_json` returns, but with points that were written before as they were."""
        texts = []
        for place, point in enumerate(found.points):
            known = self._written.get(place)
            if known is None or known[0] is not point:
                known = self._written[place] = (point, json.dumps(asdict(point)))
            texts.append(known[1])
        head = json.dumps({"schema": SCHEMA, **asdict(replace(found, points=()))}, indent=1)
        return head.replace('"points": []', '"points": [\n' + ",\n".join(texts) + "\n]", 1)


def _said(value: object) -> str:
    return "the default" if value is None else repr(value)


def _axes(sweep: Sweep) -> str:
    return " and ".join(axis.name for axis in sweep.axes)
