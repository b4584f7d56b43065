"""Several profiles side by side: which layers correspond, and how many times one is the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from magics.records.profile import Profile  # noqa: TC001, read when decoding
from magics.records.ratio import Ratio, of_counts, of_times
from magics.records.saved import Saved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magics.records.layer import LayerProfile
    from magics.records.totals import Totals

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratios:
    """How many times as much the first needs as the other; `None` where that is not known."""

    params: Ratio | None
    macs: Ratio | None
    bytes_moved: Ratio | None
    forward: Ratio | None
    backward: Ratio | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedLayers:
    """Layers that correspond.

    Attributes:
        layers: One per profile; `None` for a profile that has none.
        ratios: The first profile's layer over each other's; `None` where one of them is missing.
    """

    layers: tuple[LayerProfile | None, ...]
    ratios: tuple[Ratios | None, ...]

    @property
    def name(self) -> str:
        """Name of the first of them."""
        return next(layer.name for layer in self.layers if layer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A difference in time that is surely no noise.

    Attributes:
        place: Which profile differs from the first.
        layer: Name of the layer, or `None` for the whole model.
        what: 'forward' or 'backward'.
        ratio: The first's time over that profile's.
        seconds: By how much that profile takes longer, negative for a gain [s].
    """

    place: int
    layer: str | None
    what: str
    ratio: Ratio
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison(Saved):
    """Several profiles side by side; the first is what the others are compared with.

    Attributes:
        names: What each one is, such as 'Net, mode eval'.
        profiles: The profiles.
        matches: Per row of layers that correspond: the place of each profile's layer.
        interleaved: They were measured in turns, so that replicates come in pairs.
        warnings: What a reader must know before trusting a ratio.
        digits: Significant digits to show; `None` for the usual ones.

    Raises:
        ValueError: If the parts don't fit together.
    """

    _word: ClassVar[str] = "comparison"

    names: tuple[str, ...]
    profiles: tuple[Profile, ...]
    matches: tuple[tuple[int | None, ...], ...]
    interleaved: bool
    warnings: tuple[str, ...] = ()
    digits: int | None = None

    def __post_init__(self) -> None:
        count = len(self.profiles)
        if not 2 <= count <= len(LETTERS) or len(self.names) != count:  # noqa: PLR2004, one is no comparison
            raise ValueError(
                f"profiles: not 2 to {len(LETTERS)} with a name each (got {count} and "
                f"{len(self.names)} names)",
            )
        for match in self.matches:
            places = [
                place is None or 0 <= place < len(profile.layers)
                for place, profile in zip(match, self.profiles, strict=False)
            ]
            if len(match) != count or not all(places) or all(place is None for place in match):
                raise ValueError(f"matches: no such layers (got {match!r})")

    @property
    def letters(self) -> str:
        """One letter for each profile."""
        return LETTERS[: len(self.profiles)]

    @property
    def total(self) -> tuple[Ratios, ...]:
        """The first model as a whole over each of the others."""
        first, *others = (profile.total for profile in self.profiles)
        return tuple(self._between(first, other, self._claims_like(1)) for other in others)

    @property
    def rows(self) -> tuple[MatchedLayers, ...]:
        """The layers that correspond and, last, everything else."""
        rows = [
            tuple(
                None if place is None else profile.layers[place]
                for place, profile in zip(match, self.profiles, strict=True)
            )
            for match in self.matches
        ]
        rows.append(tuple(profile.other for profile in self.profiles))
        return tuple(
            MatchedLayers(
                layers=row,
                ratios=tuple(self._ratios(row[0], other) for other in row[1:]),
            )
            for row in rows
        )

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Every difference in time that is surely no noise, of whole models first."""
        return tuple(self._claims())

    def _claims(self) -> Iterator[Claim]:
        wholes = [profile.total for profile in self.profiles]
        for place, ratios in enumerate(self.total, 1):
            yield from _claimed(place, None, ratios, wholes[0], wholes[place])
        for row in self.rows:
            for place, found in enumerate(row.ratios, 1):
                first, other = row.layers[0], row.layers[place]
                if found and first and other:
                    yield from _claimed(place, other.name, found, first, other)

    def _claims_like(self, rows: int) -> int:
        """Return how many claims share the level: whole models half of it, layers the other."""
        passes = 2 if any(profile.plain_backward for profile in self.profiles) else 1
        return 2 * rows * passes * (len(self.profiles) - 1)

    def _ratios(self, first: LayerProfile | None, other: LayerProfile | None) -> Ratios | None:
        if first is None or other is None:
            return None
        return self._between(first, other, self._claims_like(len(self.matches) + 1))

    def _between(
        self, first: LayerProfile | Totals, other: LayerProfile | Totals, claims: int
    ) -> Ratios:
        paired = self.interleaved
        return Ratios(
            params=of_counts(first.params, other.params),
            macs=of_counts(first.macs, other.macs),
            bytes_moved=of_counts(first.bytes_moved, other.bytes_moved),
            forward=of_times(first.forward, other.forward, paired=paired, claims=claims),
            backward=of_times(first.backward, other.backward, paired=paired, claims=claims),
        )

    def _lines(self) -> list[dict[str, Any]]:
        """Return one flat dictionary per row: counts, times [s], ratios with their intervals."""
        lines = []
        for row in self.rows:
            line: dict[str, Any] = {}
            for letter, layer in zip(self.letters, row.layers, strict=True):
                line |= {
                    f"{letter}_name": layer.name if layer else None,
                    f"{letter}_kind": layer.kind if layer else None,
                    f"{letter}_params": layer.params if layer else None,
                    f"{letter}_macs": layer.macs if layer else None,
                    f"{letter}_bytes_moved": layer.bytes_moved if layer else None,
                }
                for what in ("forward", "backward"):
                    measured = getattr(layer, what, None)
                    line[f"{letter}_{what}_s"] = measured.median_s if measured else None
            for letter, ratios in zip(self.letters[1:], row.ratios, strict=True):
                for what in ("macs", "forward", "backward"):
                    ratio = getattr(ratios, what, None)
                    for part in ("value", "low", "high"):
                        line[f"{what}_A_over_{letter}_{part}"] = getattr(ratio, part, None)
            lines.append(line)
        return lines

    def __repr__(self) -> str:
        """Return one line; all fields would be pages."""
        return f"<Comparison of {' and '.join(self.names)}: {len(self.matches)} rows of layers>"


def _claimed(
    place: int,
    layer: str | None,
    ratios: Ratios,
    first: LayerProfile | Totals,
    other: LayerProfile | Totals,
) -> Iterator[Claim]:
    for what in ("forward", "backward"):
        ratio: Ratio | None = getattr(ratios, what)
        if ratio is not None and (ratio.is_gain or ratio.is_loss):
            longer = getattr(other, what).median_s - getattr(first, what).median_s
            yield Claim(place=place, layer=layer, what=what, ratio=ratio, seconds=longer)
