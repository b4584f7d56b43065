"""What a model costs on an input: all layers, and how well that is known."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar, Self

from magics import units
from magics.errors import InputError
from magics.hints import near, short
from magics.records import exchange
from magics.records.ceilings import Ceilings  # noqa: TC001, read when decoding
from magics.records.layer import LayerProfile  # noqa: TC001, read when decoding
from magics.records.measurement import Measurement, paired_ratio
from magics.records.saved import Saved
from magics.records.selecting import View
from magics.records.totals import Totals, Uncounted
from magics.records.views import formed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from os import PathLike

RELEVANT_SHARE = 0.005
"""Share of the whole from which on a layer's noise matters [1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile(Saved):
    """What a model costs on an input, layer by layer, and how well that is known.

    Attributes:
        model: Class of the model.
        inputs: The inputs in words, such as '1x3x224x224 float32'.
        layers: One record per call, in the order of the calls' ends.
        other: Everything that is no layer of its own: glue, containers, framework.
        params: Parameters of the whole model, shared ones once.
        uncounted: Operations without a formula.
        warnings: What a reader must know before trusting a number, in plain words.
        environment: Machine, torch, dtype, threads, clock and so on.
        plain: The model as it is, one forward, measured between the instrumented ones.
        instrumented: The forwards that the rows come from.
        plain_backward: The backward of the model as it is.
        instrumented_backward: The backward that the rows come from.
        memory: Sizes in bytes: parameters, buffers, gradients, peaks; empty if not measured.
        ceilings: What the device can do at best, or `None` where that was not asked.
        once: Rows are sums over a cell's one run, clocks and all; `plain` is the time of that
            run outside backward passes, `plain_backward` the time within.
        input_space: Sizes of the axes of the input that receptive fields are in; empty if there
            are no fields.
        order: Of layers that were sorted, the place of each among their calls; empty where they
            are in the order of their calls.
        digits: Significant digits to show; `None` for the usual ones.
    """

    _word: ClassVar[str] = "profile"

    model: str
    inputs: str
    layers: tuple[LayerProfile, ...]
    other: LayerProfile
    params: int
    uncounted: tuple[Uncounted, ...] = ()
    warnings: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    plain: Measurement | None = None
    instrumented: Measurement | None = None
    plain_backward: Measurement | None = None
    instrumented_backward: Measurement | None = None
    memory: Mapping[str, int] = field(default_factory=dict)
    ceilings: Ceilings | None = None
    once: bool = False
    input_space: tuple[int, ...] = ()
    order: tuple[int, ...] = ()
    digits: int | None = None

    def __post_init__(self) -> None:
        count = len(self.layers)
        if self.order and not len(self.order) == len(set(self.order)) == count:
            raise ValueError(
                f"order: not one place per layer (got {len(self.order)} places, "
                f"{len(set(self.order))} different, for {count} layers)"
            )

    @property
    def rows(self) -> tuple[LayerProfile, ...]:
        """Return the layers and, last, everything else."""
        return (*self.layers, self.other)

    @property
    def in_order(self) -> Self:
        """Return the profile with its layers in the order of their calls."""
        if not self.order:
            return self
        placed = sorted(zip(self.order, self.layers, strict=True), key=lambda item: item[0])
        return replace(self, layers=tuple(row for _, row in placed), order=())

    @property
    def other_calls(self) -> int:
        """Return how many calls of layers are in everything else, which is one row of its own."""
        return self.other.calls - 1

    @property
    def total(self) -> Totals:
        """Return the sums over all rows; the time is that of the plain model."""
        sums = Totals.of(self.rows)
        return Totals(
            calls=sum(layer.calls for layer in self.layers) + self.other_calls,
            params=self.params,
            macs=sums.macs,
            elementwise_flops=sums.elementwise_flops,
            bytes_moved=sums.bytes_moved,
            backward_macs=sums.backward_macs,
            forward=self.plain,
            backward=self.plain_backward,
            forward_s=self.plain.median_s if self.plain else None,
            backward_s=self.plain_backward.median_s if self.plain_backward else None,
        )

    def by_kind(self) -> dict[str, Totals]:
        """Return the sums per kind, the longest (or else largest) first."""
        kinds: dict[str, list[LayerProfile]] = {}
        for layer in self.layers:
            kinds.setdefault(layer.kind, []).append(layer)
        sums = {kind: Totals.of(layers) for kind, layers in kinds.items()}
        return dict(
            sorted(sums.items(), key=lambda item: (-(item[1].forward_s or 0), -item[1].macs)),
        )

    @property
    def coverage(self) -> float | None:
        """Sum of all rows' forward times over the plain forward; 1 is perfect."""
        return _coverage((row.forward for row in self.rows), self.plain)

    @property
    def backward_coverage(self) -> float | None:
        """Sum of all rows' backward times over the plain backward; 1 is perfect."""
        return _coverage((row.backward for row in self.rows), self.plain_backward)

    @property
    def overhead(self) -> float | None:
        """Instrumented over plain forward, median of the pairs; 1 is no overhead."""
        return paired_ratio(self.instrumented, self.plain)

    @property
    def backward_overhead(self) -> float | None:
        """Instrumented over plain backward, median of the pairs."""
        return paired_ratio(self.instrumented_backward, self.plain_backward)

    @property
    def noise(self) -> float | None:
        """Median split-half difference of the layers above 0.5 % of the forward."""
        if self.plain is None:
            return None
        halves = [
            row.forward.split_half
            for row in self.rows
            if row.forward and row.forward.median_s >= RELEVANT_SHARE * self.plain.median_s
        ]
        known = [half for half in halves if half is not None]
        return median(known) if known else None

    def view(self, **options: Any) -> Self:  # noqa: ANN401, each option has a type of its own
        """Return a view of the profile: fewer rows, summed up, sorted, or nothing measured.

        What a view leaves out is in its row *everything else*.

        Args:
            **options: Fields of `magics.records.View`: only, depth, sort, top, stable, digits.

        Raises:
            InputError: If there is no such option, or its value makes no sense.
        """
        known = [item.name for item in fields(View)]
        for name, value in options.items():
            if name not in known:
                raise InputError(
                    f"{name}: no such option (got {name}={short(value)}); {near(name, known)}",
                )
        return View(**options).of(self)  # type: ignore[return-value]  # replaced, so of this class

    def _lines(self) -> list[dict[str, Any]]:
        lines = exchange.table_of(self.rows)
        lines[-1]["calls"] = self.other_calls  # so that the column adds up
        return lines

    def to_trace(self, path: str | PathLike[str] | None = None) -> str:
        """Return one forward (and backward) as a trace, and write it to `path` if given.

        The text is JSON that chrome://tracing and ui.perfetto.dev open.

        Raises:
            RecordError: If no times were measured.
        """
        return exchange.written(formed(self, "trace"), path)

    def plot(self, kind: str = "roofline") -> Any:  # noqa: ANN401, matplotlib is an optional extra
        """Return a figure of matplotlib.

        Args:
            kind: 'roofline' (layers under the measured ceilings), 'timeline' (time and memory
                of each layer), 'receptive_field' (how it grows) or 'kinds' (shares of each kind
                of layer).

        Raises:
            InputError: If there is no such picture.
            RecordError: If the profile has nothing to show in it.
            ModuleNotFoundError: If matplotlib is not installed.
        """
        return formed(self, "figure", kind)

    def __repr__(self) -> str:
        """Return one line; all fields would be pages."""
        total = self.total
        calls = f"{total.calls} call{'' if total.calls == 1 else 's'}"
        facts = [calls, f"{units.whole(total.macs)} MACs"]
        if self.plain is not None:
            facts.append(units.seconds(self.plain.median_s))
        return f"<Profile of {self.model} on {self.inputs or 'no input'}: {', '.join(facts)}>"


def _coverage(rows: Iterable[Measurement | None], whole: Measurement | None) -> float | None:
    if whole is None or not whole.median_s:
        return None
    return sum(row.median_s for row in rows if row) / whole.median_s
