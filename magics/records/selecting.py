"""Views of a profile: fewer rows, rows summed up or sorted, nothing that was measured.

A view is a profile like any other: it shows, plots and saves itself. What it leaves out is in
its row *everything else*, so that a view adds up to the same whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from magics.errors import InputError
from magics.hints import near, short
from magics.records.summing import together
from magics.records.sweep import COUNTED

if TYPE_CHECKING:
    from magics.progress import Named
    from magics.records.layer import LayerProfile
    from magics.records.profile import Profile
    from magics.records.sweep import Sweep

    _Placed = tuple[int, LayerProfile]

SORTS = ("time", "macs", "bytes", "params", "name")
FAMILIES = ("conv", "pool", "bn")
MOST_DIGITS = 15
"""Digits that a double has for certain."""

_STABLE_FACTS = ("mode", "gradients", "dtype", "layout")
_MEASURED = ("forward", "backward", "per_call", "saved_bytes", "peak_bytes", "bound", "roof_s",
             "kernel")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What to show of a profile; the default is everything, as it is.

    Attributes:
        only: Kinds of layers ('conv2d'), families of them ('conv', 'pool', 'bn'), or globs of
            names ('layer1.*'); one with commas, or several. The others become everything else.
        depth: Sum rows up by the module that holds them, so many names deep; from 1.
        sort: 'time', 'macs', 'bytes' or 'params', the largest first, or 'name'.
        top: Keep so many rows, the first of `sort`; without it the longest, or else largest.
        stable: Leave out what was measured and what depends on the machine.
        digits: Significant digits of rounded numbers.

    Raises:
        InputError: If a value makes no sense.
    """

    only: str | Sequence[str] | None = None
    depth: int | None = None
    sort: str | None = None
    top: int | None = None
    stable: bool = False
    digits: int | None = None

    def __post_init__(self) -> None:
        for name, most in (("depth", None), ("top", None), ("digits", MOST_DIGITS)):
            value = getattr(self, name)
            fits = type(value) is int and 1 <= value <= (most or value)
            if value is not None and not fits:
                limit = f"1 to {most}" if most else "1"
                raise InputError(
                    f"{name}: must be a whole number from {limit} (got {short(value)}); "
                    f"leave it out for the default",
                )
        if self.sort is not None and self.sort not in SORTS:
            raise InputError(
                f"sort: unknown (got {short(self.sort)}); {near(str(self.sort), SORTS)}"
            )
        if type(self.stable) is not bool:
            raise InputError(
                f"stable: must be True or False (got {short(self.stable)}); write stable=True"
            )
        if self.stable and self.sort == "time":
            raise InputError(
                "sort: by time is not stable (got sort='time' and stable); sort by macs, or "
                "leave one of them out",
            )
        if self.only is not None and not (_texts(self.only) and self.patterns):
            raise InputError(
                f"only: must be kinds of layers or globs of names (got {short(self.only)}); "
                f"write such as only='conv,bn' or only='layer1.*'",
            )

    @property
    def patterns(self) -> tuple[str, ...]:
        """The kinds and globs of `only`."""
        listed = (self.only,) if isinstance(self.only, str) else self.only or ()
        return tuple(part.strip() for text in listed for part in text.split(",") if part.strip())

    def check(self, layers: Sequence[Named]) -> None:
        """Complain if no layer is what `only` asks for.

        Args:
            layers: All that there are; measured or not.

        Raises:
            InputError: If so; there may be none at all.
        """
        if not layers or not self.patterns:
            return
        lost = [text for text in self.patterns if not any(_matches(row, text) for row in layers)]
        if len(lost) < len(self.patterns):
            return
        kinds = list(dict.fromkeys(row.kind for row in layers if row.kind))
        hint = near(lost[0], [*kinds, *(name for name in FAMILIES if name in map(family, kinds))])
        raise InputError(
            f"only: no such layer (got {lost[0]!r}); {hint}"
            f"{'' if hint.startswith('did') else ', or a glob of names'}"
        )

    def of(self, profile: Profile) -> Profile:
        """Return the view of a profile.

        Raises:
            InputError: If no layer is what `only` asks for.
        """
        if self.stable:
            profile = _without_measurements(profile)
        if self.only is not None:
            self.check(profile.layers)
            profile = _only(profile, self.patterns)
        if self.depth is not None:
            profile = _arranged(profile, _by_module(_placed(profile), self.depth))
        if self.sort is not None or self.top is not None:
            profile = _arranged(profile, _sorted(profile, self.sort))
        if self.top is not None:
            profile = _kept(profile, profile.layers[: self.top])
        return profile if self.digits is None else replace(profile, digits=self.digits)


def _texts(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, Sequence) and all(isinstance(item, str) for item in value)
    )


def family(kind: str) -> str:
    """Return the family of a kind: 'conv', 'pool', 'bn', or '' for another one."""
    if kind.startswith("conv"):
        return "conv"
    if kind.endswith("batch_norm"):
        return "bn"
    return "pool" if "pool" in kind else ""


def _only(profile: Profile, patterns: Sequence[str]) -> Profile:
    return _kept(
        profile, [row for row in profile.layers if any(_matches(row, text) for text in patterns)]
    )


def _matches(row: Named, text: str) -> bool:
    return text in (row.kind, family(row.kind)) or fnmatchcase(row.name, text)


def _kept(profile: Profile, kept: Sequence[LayerProfile]) -> Profile:
    """Return the profile with these rows; the others go into everything else."""
    chosen = set(map(id, kept))
    others = [row for row in profile.layers if id(row) not in chosen]
    if not others:
        return profile
    rest = together([profile.other, *others], profile.other.name, profile.other.kind)
    placed = [(place, row) for place, row in _placed(profile) if id(row) in chosen]
    return _arranged(replace(profile, other=rest), placed)


def _placed(profile: Profile) -> list[_Placed]:
    return list(zip(profile.order or range(len(profile.layers)), profile.layers, strict=True))


def _arranged(profile: Profile, placed: Sequence[_Placed]) -> Profile:
    """Return the profile with these layers in this order."""
    places = tuple(place for place, _ in placed)
    return replace(
        profile,
        layers=tuple(row for _, row in placed),
        order=() if list(places) == sorted(places) else places,
    )


def _by_module(placed: Sequence[_Placed], depth: int) -> list[_Placed]:
    groups: dict[str, list[_Placed]] = {}
    for place, row in placed:
        groups.setdefault(_holder(row.name, depth), []).append((place, row))
    return [
        (min(place for place, _ in some), _module(name, [row for _, row in some]))
        for name, some in groups.items()
    ]


_PARTS = re.compile(r"(?:\[[^\]]*\]|[^.\[])+")
"""Names between dots; a dot within brackets is part of a key."""


def _holder(name: str, depth: int) -> str:
    """Return the module at a depth that holds a row: 'layer1' for 'layer1.0.conv2d()'."""
    parts = _PARTS.findall(name)
    return ".".join(parts[:depth]) if len(parts) > depth else name


def _module(name: str, rows: Sequence[LayerProfile]) -> LayerProfile:
    if len(rows) == 1:
        return rows[0]
    kinds = {row.kind for row in rows}
    return together(rows, name, kinds.pop() if len(kinds) == 1 else "module")


def _sorted(profile: Profile, sort: str | None) -> list[_Placed]:
    if sort is None:
        sort = "time" if any(row.forward for row in profile.layers) else "macs"
    key = _KEYS[sort]
    return sorted(_placed(profile), key=lambda item: key(item[1]))


def _seconds(row: LayerProfile) -> float:
    return sum(item.median_s for item in (row.forward, row.backward) if item)


def _natural(row: LayerProfile) -> list[tuple[int, str]]:
    """Sort 'layer2' before 'layer10'."""
    pieces = re.split(r"(\d+)", row.name)
    return [(int(piece), "") if piece.isdecimal() else (-1, piece) for piece in pieces]


_KEYS: dict[str, Callable[[LayerProfile], Any]] = {
    "time": lambda row: (-_seconds(row), -row.macs),
    "macs": lambda row: (-row.macs, -row.bytes_moved),
    "bytes": lambda row: -row.bytes_moved,
    "params": lambda row: -row.params,
    "name": _natural,
}


def _without_measurements(profile: Profile) -> Profile:
    nothing = dict.fromkeys(_MEASURED)
    measured = profile.plain is not None
    known = profile.environment
    return replace(
        profile,
        layers=tuple(replace(row, **nothing) for row in profile.layers),  # type: ignore[arg-type]  # all may be None
        other=replace(profile.other, **nothing),  # type: ignore[arg-type]  # the same
        # Some of them are about measuring, and a text does not say which.
        warnings=() if measured else profile.warnings,
        environment={name: known[name] for name in _STABLE_FACTS if name in known},
        plain=None,
        instrumented=None,
        plain_backward=None,
        instrumented_backward=None,
        memory={},
        ceilings=None,
    )


def counts_of(sweep: Sweep) -> Sweep:
    """Return a sweep without what was measured and what depends on the machine."""
    known = sweep.environment
    return replace(
        sweep,
        points=tuple(
            replace(
                point,
                status=COUNTED if point.macs is not None else point.status,
                reason="" if point.macs is not None else point.reason,
                forward=None,
                backward=None,
                peak_bytes=None,
                predicted_bytes=None,
                where="",
                seconds=0.0,
                busy_s=0.0,
                environment={},
            )
            for point in sweep.points
        ),
        environment={name: known[name] for name in _STABLE_FACTS if name in known},
        warnings=(),
        overhead=None,
    )
