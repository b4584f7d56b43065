"""What a profile says: plain frozen records, to and from JSON.

Measured numbers are kept raw, as replicates; everything that follows from others is a
property. A record knows neither torch nor a renderer: renderers announce themselves with
`register_view`, so that a saved profile shows itself wherever they are imported.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass, field, fields
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, Self

from magics.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

SCHEMA = 1
"""Version of the JSON form; `Profile.from_json` reads this one and older ones."""

_MIN_HALVES = 4  # fewer replicates have no two halves with a median each


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A time, measured several times.

    Attributes:
        replicates_s: Every replicate, in the order measured [s].
        clock: 'wall', 'cpu' (time this thread spent on a processor) or 'cuda' (events).
    """

    replicates_s: tuple[float, ...]
    clock: str = "wall"

    @property
    def median_s(self) -> float:
        """Median of the replicates [s]."""
        return median(self.replicates_s)

    @property
    def iqr_s(self) -> float:
        """Distance of the quartiles [s]; 0 for a single replicate."""
        if len(self.replicates_s) == 1:
            return 0.0
        low, _, high = quantiles(self.replicates_s, n=4, method="inclusive")
        return high - low

    @property
    def minimum_s(self) -> float:
        """Shortest replicate [s]."""
        return min(self.replicates_s)

    @property
    def count(self) -> int:
        """Number of replicates."""
        return len(self.replicates_s)

    @property
    def split_half(self) -> float | None:
        """Difference of the medians of even and odd replicates, relative to the median.

        `None` for fewer than four replicates, which tell nothing about their noise.
        """
        if self.count < _MIN_HALVES or not self.median_s:
            return None
        even, odd = median(self.replicates_s[::2]), median(self.replicates_s[1::2])
        return abs(even - odd) / self.median_s


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerProfile:
    """One call of one layer.

    Attributes:
        name: Dotted path of the module; ``path.conv2d()`` for a functional call in it.
        kind: 'conv2d', 'max_pool2d', 'batch_norm', 'linear', ... or 'other'.
        type: Class of the module, or name of the function.
        call_index: 0 for the first call of this name in one forward, 1 for the second.
        input_shape: (N, C_in, *spatial), or as the layer got it.
        output_shape: (N, C_out, *spatial), or as the layer gave it.
        dtype: Element type of the output.
        kernel_size: Window per axis [elements].
        stride: Step per axis [elements].
        padding: (before, after) per axis [elements].
        dilation: Distance of two taps per axis [elements].
        groups: Groups of channels.
        params: Parameters, counted at the first layer that uses them.
        macs: Multiply-adds of convolutions and matrix products.
        useful_macs: Those whose input element is not zero padding.
        elementwise_flops: Operations of all else: bias, norm, pool, activation.
        bytes_moved: Input, weights and output, each once [bytes].
        backward_macs: Multiply-adds of the backward pass.
        backward_elementwise_flops: Its other operations.
        backward_bytes_moved: Its compulsory traffic [bytes].
        forward: Time of one forward, or `None` where it was not measured.
        backward: Time of one backward, or `None`.
        saved_bytes: Kept from forward for backward, first saved by this layer [bytes].
        output_bytes: Size of the output [bytes].
        peak_bytes: Most memory of tensors alive during the call [bytes].
        bound: 'compute', 'memory', 'kernel' or 'overhead', or `None`.
        roof_s: Shortest time that the measured ceilings allow [s].
        receptive_field: Size, effective stride and padding per axis, or `None`.
        kernel: Name of the implementation that ran.
        note: What a reader should know about this row.
    """

    name: str
    kind: str
    type: str = ""
    call_index: int = 0
    input_shape: tuple[int, ...] = ()
    output_shape: tuple[int, ...] = ()
    dtype: str = ""
    kernel_size: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    padding: tuple[tuple[int, int], ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    params: int = 0
    macs: int = 0
    useful_macs: int = 0
    elementwise_flops: int = 0
    bytes_moved: int = 0
    backward_macs: int = 0
    backward_elementwise_flops: int = 0
    backward_bytes_moved: int = 0
    forward: Measurement | None = None
    backward: Measurement | None = None
    saved_bytes: int | None = None
    output_bytes: int | None = None
    peak_bytes: int | None = None
    bound: str | None = None
    roof_s: float | None = None
    receptive_field: ReceptiveField | None = None
    kernel: str | None = None
    note: str = ""

    @property
    def flops(self) -> int:
        """FLOPs of the multiply-adds: twice the MACs."""
        return 2 * self.macs

    @property
    def arithmetic_intensity(self) -> float | None:
        """FLOPs, elementwise ones included, per byte moved [FLOP/byte]."""
        if not self.bytes_moved:
            return None
        return (self.flops + self.elementwise_flops) / self.bytes_moved

    @property
    def flops_per_s(self) -> float | None:
        """FLOPs, elementwise ones included, per second of the forward."""
        if self.forward is None or not self.forward.median_s:
            return None
        return (self.flops + self.elementwise_flops) / self.forward.median_s

    @property
    def bytes_per_s(self) -> float | None:
        """Bytes moved per second of the forward."""
        if self.forward is None or not self.forward.median_s:
            return None
        return self.bytes_moved / self.forward.median_s

    @property
    def efficiency(self) -> float | None:
        """Share of the attainable speed that was reached: roof over time, 1 at the roof."""
        if self.roof_s is None or self.forward is None or not self.forward.median_s:
            return None
        return self.roof_s / self.forward.median_s

    @property
    def useful_taps(self) -> float:
        """Share of the MACs that don't fall on zero padding, from 0 to 1."""
        return self.useful_macs / self.macs if self.macs else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceptiveField:
    """What of the input one output element sees; every tuple has one entry per axis.

    Attributes:
        size: Extent in the input [elements].
        stride: Step in the input between neighbouring outputs; 0.5 after upsampling by two.
        padding: How far the first output's field starts before the input [elements].
        coverage: Share of the extent that is really touched, from 0 to 1 (gridding).
        whole_input: The field is the input, whatever its size (global pool, linear).
    """

    size: tuple[int, ...]
    stride: tuple[float, ...] = ()
    padding: tuple[float, ...] = ()
    coverage: float = 1.0
    whole_input: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncounted:
    """An operation that has no formula: its work is missing from the counts.

    Attributes:
        op: Name of the operation, such as 'aten::topk'.
        layer: Path of the module that called it.
        calls: How often.
    """

    op: str
    layer: str
    calls: int

    def __str__(self) -> str:
        times = "" if self.calls == 1 else f" ({self.calls} calls)"
        return f"{self.op} in {self.layer or 'the model'}{times}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over layers; times are those of the plain model where it is the whole model."""

    calls: int
    params: int
    macs: int
    elementwise_flops: int
    bytes_moved: int
    backward_macs: int = 0
    forward: Measurement | None = None
    backward: Measurement | None = None
    forward_s: float | None = None
    backward_s: float | None = None

    @property
    def flops(self) -> int:
        """FLOPs of the multiply-adds: twice the MACs."""
        return 2 * self.macs

    @property
    def backward_flops(self) -> int:
        """FLOPs of the backward pass' multiply-adds."""
        return 2 * self.backward_macs


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
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
    """

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

    @property
    def rows(self) -> tuple[LayerProfile, ...]:
        """Return the layers and, last, everything else."""
        return (*self.layers, self.other)

    @property
    def total(self) -> Totals:
        """Return the sums over all rows; the time is that of the plain model."""
        sums = _sum(self.rows)
        return Totals(
            calls=len(self.layers),
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
        sums = {kind: _sum(layers) for kind, layers in kinds.items()}
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
        return _paired(self.instrumented, self.plain)

    @property
    def backward_overhead(self) -> float | None:
        """Instrumented over plain backward, median of the pairs."""
        return _paired(self.instrumented_backward, self.plain_backward)

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

    def to_json(self, path: str | Path | None = None) -> str:
        """Return the profile as JSON, and write it to `path` if given."""
        text = json.dumps({"schema": SCHEMA, **asdict(self)}, ensure_ascii=False, indent=1)
        return _written(text, path)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            RecordError: If the text is no profile, or one of a newer schema.
        """
        try:
            data = json.loads(text)
            schema = data.pop("schema")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RecordError(
                f"from_json: no saved profile (got {text[:40]!r}); pass what to_json wrote",
            ) from error
        if schema > SCHEMA:
            raise RecordError(
                f"from_json: schema {schema} is newer than {SCHEMA}, the newest known here; "
                f"update nbimport-convprofile",
            )
        try:
            return cls(
                **{
                    **data,
                    "layers": tuple(_layer(item) for item in data["layers"]),
                    "other": _layer(data["other"]),
                    "uncounted": tuple(Uncounted(**item) for item in data["uncounted"]),
                    "warnings": tuple(data["warnings"]),
                    **{name: _measurement(data[name]) for name in _MEASUREMENTS},
                },
            )
        except (KeyError, TypeError) as error:
            raise RecordError(
                f"from_json: not a whole profile ({error}); pass what to_json wrote",
            ) from error

    def to_csv(self, path: str | Path | None = None) -> str:
        """Return one line per row as CSV, and write it to `path` if given."""
        stream = io.StringIO()
        table = self._table()
        writer = csv.DictWriter(stream, fieldnames=list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
        return _written(stream.getvalue(), path)

    def to_dataframe(self) -> Any:  # noqa: ANN401, pandas is an optional extra
        """Return one line per row as a pandas DataFrame."""
        import pandas as pd  # noqa: PLC0415, an optional extra

        return pd.DataFrame(self._table())

    def _table(self) -> list[dict[str, Any]]:
        return [
            {
                **{
                    name: value
                    for name, value in asdict(row).items()
                    if name not in {"forward", "backward", "receptive_field"}
                },
                "flops": row.flops,
                "arithmetic_intensity": row.arithmetic_intensity,
                "forward_s": row.forward.median_s if row.forward else None,
                "forward_iqr_s": row.forward.iqr_s if row.forward else None,
                "backward_s": row.backward.median_s if row.backward else None,
                "receptive_field": row.receptive_field.size if row.receptive_field else None,
            }
            for row in self.rows
        ]

    def _repr_mimebundle_(
        self,
        include: object = None,  # noqa: ARG002, part of IPython's protocol
        exclude: object = None,  # noqa: ARG002, part of IPython's protocol
    ) -> dict[str, str]:
        return {mime: view(self) for mime, view in _views.items()} or {"text/plain": repr(self)}

    def __str__(self) -> str:
        view = _views.get("text/plain")
        return view(self) if view else repr(self)


RELEVANT_SHARE = 0.005
"""Share of the whole from which on a layer's noise matters [1]."""

_MEASUREMENTS = ("plain", "instrumented", "plain_backward", "instrumented_backward")
_views: dict[str, Callable[[Profile], str]] = {}


def register_view(mime: str, view: Callable[[Profile], str]) -> None:
    """Let `view` show profiles as `mime`."""
    _views[mime] = view


def _written(text: str, path: str | Path | None) -> str:
    if path is not None:
        with open(path, "w", encoding="utf-8") as stream:  # noqa: PTH123, str and Path alike
            stream.write(text)
    return text


def _sum(layers: Iterable[LayerProfile]) -> Totals:
    rows = list(layers)
    forward = [row.forward.median_s for row in rows if row.forward]
    backward = [row.backward.median_s for row in rows if row.backward]
    return Totals(
        calls=len(rows),
        params=sum(row.params for row in rows),
        macs=sum(row.macs for row in rows),
        elementwise_flops=sum(row.elementwise_flops for row in rows),
        bytes_moved=sum(row.bytes_moved for row in rows),
        backward_macs=sum(row.backward_macs for row in rows),
        forward_s=sum(forward) if forward else None,
        backward_s=sum(backward) if backward else None,
    )


def _coverage(rows: Iterable[Measurement | None], whole: Measurement | None) -> float | None:
    if whole is None or not whole.median_s:
        return None
    return sum(row.median_s for row in rows if row) / whole.median_s


def _paired(first: Measurement | None, second: Measurement | None) -> float | None:
    if first is None or second is None:
        return None
    pairs = zip(first.replicates_s, second.replicates_s, strict=False)
    ratios = [one / other for one, other in pairs if other]
    return median(ratios) if ratios else None


def _measurement(data: dict[str, Any] | None) -> Measurement | None:
    if data is None:
        return None
    return Measurement(replicates_s=tuple(data["replicates_s"]), clock=data["clock"])


def _layer(data: dict[str, Any]) -> LayerProfile:
    known = {item.name for item in fields(LayerProfile)}
    values = {name: _frozen(value) for name, value in data.items() if name in known}
    values["forward"] = _measurement(data.get("forward"))
    values["backward"] = _measurement(data.get("backward"))
    if data.get("receptive_field") is not None:
        seen = data["receptive_field"]
        values["receptive_field"] = ReceptiveField(
            **{name: _frozen(value) for name, value in seen.items()},
        )
    return LayerProfile(**values)


def _frozen(value: Any) -> Any:  # noqa: ANN401, whatever JSON holds
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
