"""What a sweep was asked for: checked before anything is run, and made into tasks."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.modules.conv import _ConvNd

from magics.errors import ConvProfileError, InputError
from magics.hints import short
from magics.measurement.machine.clock import TIMED
from magics.measurement.machine.process import ProcessState
from magics.measurement.models import altering
from magics.measurement.models.inputs import as_shape, in_words, is_shape_text, keywords, prepare
from magics.measurement.models.modules import Target, target
from magics.options import Options
from magics.studies.sweeping import axes as reading
from magics.studies.sweeping import resizing
from magics.studies.sweeping.resuming import structure
from magics.studies.sweeping.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magics.studies.sweeping.axes import Value

_OF_LAYERS = ("kernels", "fresh_ceilings")
"""Options of a profile that are about its rows."""


class Plan:
    """What a sweep was asked for.

    Attributes:
        axes: What is varied.
        title: The model's name.
        words: The inputs in words.
        dimensions: How many axes the size of an input has.
    """

    def __init__(
        self, model: object, inputs: tuple[object, ...], given: dict[str, Any], *, here: bool
    ) -> None:
        """Read and check what was asked for; nothing is run.

        Args:
            model: A model, or what makes one.
            inputs: What to call it with.
            given: Axes, options, and keyword arguments of the model.
            here: Points run in this process, so that its devices count.

        Raises:
            ConvProfileError: If the model, an input, an axis or an option is wrong.
        """
        self._model, self._inputs = model, inputs
        self._options: dict[str, Any] = {}
        self._is_factory = any(
            altering.is_factory(model, name) and reading.several(given.get(name)) is not None
            for name in altering.MODEL_AXES
        )
        self.axes, self._fixed, rest = reading.read(given, self._is_argument)
        aim = None if self._is_factory else target(model)
        options, self._kwargs = Options.read(rest, lambda: keywords(aim or self._made()))
        self._options = _chosen(options, rest)
        for axis in self.axes:
            if axis.step is not None and not options.measure:
                raise InputError(
                    f"{axis.name}: without times nothing ends it (got '...' and measure=False); "
                    f"give it a last value, such as 1,2,4,...,64",
                )
        self.title = aim.title if aim else getattr(model, "__name__", type(model).__name__)
        self.words = self._in_words()
        if aim is not None and not inputs:
            prepare(aim, inputs, self._kwargs)  # raises if inputs are missing
        sizes = resizing.sizes_of((inputs, self._kwargs))
        self.dimensions = next((len(size) - 2 for size in sizes if size[2:]), 0)
        if aim is not None and sizes:
            _check_batch(aim, sizes[0])
        self._check_inputs(sizes)
        self._check_models(aim)
        if here:
            for name in self._values("device"):
                _check_device(str(name), is_timed=options.measure)

    def task(self, values: dict[str, Value]) -> Task:
        """Return what is to be done at some values."""
        return Task(
            values=values,
            model=self._model,
            inputs=self._inputs,
            kwargs=self._kwargs,
            options=self._options,
            fixed=self._fixed,
        )

    def remembered(self) -> dict[str, int | float | str | bool | None]:
        """Return what a sweep must have alike that goes on from this one's file."""
        return {**self._options, **self._fixed, "structure": structure(self._model)}

    def _names(self, among: tuple[str, ...]) -> list[str]:
        return [name for name in among if any(True for _ in self._values(name))]

    def _values(self, name: str) -> Iterator[Value]:
        """Yield all values that are known from the start, of an axis or for all points."""
        for axis in self.axes:
            if axis.name == name:
                yield from axis.values
        for given in (self._fixed, self._options):
            if given.get(name) is not None:
                yield given[name]

    def _is_argument(self, name: str) -> bool:
        """Return whether the model itself takes an argument of this name."""
        if self._is_factory or isinstance(self._model, type):
            return False
        return name in keywords(target(self._model))

    def _made(self) -> Target:
        """Return a model that the factory makes.

        Raises:
            InputError: If it makes none.
        """
        values = {axis.name: axis.values[0] for axis in self.axes} | self._fixed
        asked = {name: int(values[name]) for name in altering.MODEL_AXES if name in values}
        state = ProcessState()
        try:
            return target(altering.altered(self._model, asked, None))
        except ConvProfileError:
            raise
        except Exception as error:
            name = getattr(self._model, "__name__", "it")
            raise InputError(
                f"MODEL: {name} raised {type(error).__name__}: {error} (got {asked}); "
                f"mend it, or the first values",
            ) from error
        finally:
            state.restore()

    def _in_words(self) -> str:
        shapes = [as_shape(value) for value in self._inputs]
        words = [
            in_words((value,), {}) if shape is None else "x".join(map(str, shape))
            for value, shape in zip(self._inputs, shapes, strict=True)
        ]
        words += [
            f"{name}={value}" if is_shape_text(value) else in_words((), {name: value})
            for name, value in self._kwargs.items()
        ]
        return ", ".join(words)

    def _check_inputs(self, sizes: list[tuple[int, ...]]) -> None:
        """See whether the inputs can be had at all values, by their sizes alone.

        Raises:
            InputError: If they can't.
        """
        alike: resizing.Inputs = (tuple("x".join(map(str, size)) for size in sizes if size), {})
        for batch in self._values("batch"):
            resizing.with_batch(alike, int(batch))
        for size in self._values("size"):
            resizing.with_size(alike, size)
        if not self._is_factory:
            for channels in self._values("channels"):
                resizing.with_channels(alike, int(channels))

    def _check_models(self, aim: Target | None) -> None:
        """See whether the model can be had at all values, without making it.

        Raises:
            InputError: If it can't.
        """
        channels = resizing.channels_of((self._inputs, self._kwargs))
        for name in self._names(altering.MODEL_AXES):
            for value in self._values(name):
                altering.check(self._model, {name: int(value)}, channels)
        if aim is not None and self._options.get("backward") and aim.is_for_inference_only():
            raise InputError(
                "backward: the model was made in inference mode, where nothing has a gradient "
                "(got backward=True); make it outside torch.inference_mode()",
            )


def _chosen(options: Options, given: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given, but for those that a sweep decides.

    Raises:
        InputError: If one of them doesn't go with a sweep.
    """
    for name in _OF_LAYERS:
        if getattr(options, name):
            raise InputError(
                f"{name}: a sweep has no rows of layers (got {name}={short(given[name])}); "
                f"leave it out, and profile one point with it",
            )
    names = ("mode", "backward", "device", "dtype", "layout", "threads")
    known = {item.name for item in fields(Options)} & given.keys()
    counted = {} if options.measure else {"measure": False}
    return {name: getattr(options, name) for name in names if name in known} | counted


def _check_batch(aim: Target, sizes: tuple[int, ...]) -> None:
    """See whether the model's first layer takes the input for a batch.

    In a sample alone channels would be taken for samples, to be varied and to be divided by.

    Raises:
        InputError: If it takes it for a single sample.
    """
    own = (item for item in aim.modules.values() if [*item.parameters(recurse=False)])
    first = next(own, None)
    if isinstance(first, _ConvNd) and len(sizes) == len(first.kernel_size) + 1:
        shown = "x".join(map(str, sizes))
        raise InputError(
            f"INPUT: no batch (got {shown}, which {type(first).__name__} takes for one sample); "
            f"give it an axis for the batch: 1x{shown}",
        )


def _check_device(name: str, *, is_timed: bool) -> None:
    """See whether there is such a device here, and a clock for it if times are measured.

    Raises:
        InputError: If not.
    """
    try:
        kind = torch.device(name).type
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(
            f"device: not to be had here (got {name!r}); choose cpu, or a device that torch finds",
        ) from error
    if is_timed and kind not in TIMED:
        raise InputError(
            f"device: there is no clock for it (got {name!r}); choose cpu or cuda",
        )
