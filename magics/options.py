"""The options of a profile, checked once, whoever gives them: Python, the magic, the shell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import inf
from typing import TYPE_CHECKING, Any, Self

from magics.errors import InputError
from magics.hints import near, short
from magics.records import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from magics.measurement.models.inputs import Keywords

MODES = ("as_is", "eval", "train")
LAYOUTS = ("contiguous", "channels_last", "channels_last_3d")
DTYPES = ("float32", "float64", "float16", "bfloat16")
_SHORT = {"fp32": "float32", "fp64": "float64", "fp16": "float16", "bf16": "bfloat16",
          "nchw": "contiguous", "nhwc": "channels_last"}  # fmt: skip
_SWITCHES = ("measure", "backward", "receptive_field", "memory", "roofline", "fresh_ceilings",
             "kernels")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to profile.

    Attributes:
        measure: Measure times; otherwise count only, in one pass.
        mode: 'eval', 'train', or 'as_is': whatever each module is in.
        backward: Measure the backward pass too.
        device: Device to run on, such as 'cuda' or 'meta'; as the model is by default.
        dtype: Element type of parameters and inputs, such as 'bfloat16'.
        layout: 'contiguous' or 'channels_last'.
        threads: Threads for torch; as set by default, 1 on a contended machine.
        batch: Batch size that inputs given as shapes get.
        budget: How long to measure times at most [s]; by default as long as some eleven runs
            take, but at least 1 and at most 10.
        receptive_field: Follow the receptive field of every layer over the whole graph.
        memory: Follow the memory of every layer; `None` means as `measure` says.
        roofline: Measure the device's ceilings and say what bounds each timed layer.
        fresh_ceilings: Measure the ceilings again, even if they are known from before.
        kernels: Name the kernels that ran for each layer, from one run more.
        kwargs: Keyword arguments for the model, where a name is also that of an option.
    """

    measure: bool = True
    mode: str = "as_is"
    backward: bool = False
    device: str | None = None
    dtype: str | None = None
    layout: str | None = None
    threads: int | None = None
    batch: int | None = None
    budget: float | None = None
    receptive_field: bool = True
    memory: bool | None = None
    roofline: bool = True
    fresh_ceilings: bool = False
    kernels: bool = False
    kwargs: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for name in _SWITCHES:
            value = getattr(self, name)
            if type(value) is not bool and not (name == "memory" and value is None):
                raise InputError(
                    f"{name}: must be True or False (got {short(value)}); write {name}=True",
                )
        _one_of("mode", self.mode, MODES)
        for name, known in (("dtype", DTYPES), ("layout", LAYOUTS)):
            value = getattr(self, name)
            if value is not None:
                text = str(value).removeprefix("torch.")
                object.__setattr__(self, name, _SHORT.get(text, text))
                _one_of(name, getattr(self, name), known)
        if self.device is not None:
            object.__setattr__(self, "device", str(self.device))
        for name in ("threads", "batch"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise InputError(
                    f"{name}: must be a whole number from 1 (got {short(value)}); "
                    f"leave it out for the default",
                )
        number = isinstance(self.budget, int | float) and type(self.budget) is not bool
        if self.budget is not None and not (number and 0 < self.budget < inf):
            raise InputError(
                f"budget: must be a number of seconds above 0 (got {short(self.budget)}); "
                f"write such as budget=2.0",
            )

    @classmethod
    def read(
        cls, given: Mapping[str, Any], arguments: Callable[[], Keywords]
    ) -> tuple[Self, dict[str, Any]]:
        """Split keywords into options and arguments of the model.

        Args:
            given: Keywords and their values.
            arguments: Returns the model's; asked only if some are no options.

        Raises:
            InputError: If a keyword is neither; the message suggests the near one.
        """
        known = {item.name for item in fields(cls)}
        keywords = given.get("kwargs") or {}
        if not isinstance(keywords, Mapping) or not all(isinstance(name, str) for name in keywords):
            raise InputError(
                f"kwargs: must be the model's keyword arguments by name (got {short(keywords)}); "
                f"write such as kwargs={{'mask': mask}}",
            )
        inputs = dict(keywords)
        options: dict[str, Any] = {}
        for name, value in given.items():
            if name in known:
                options[name] = value
            elif name in arguments():
                inputs[name] = value
            else:
                raise _unknown(name, value, known, arguments().names)
        return cls(**options), inputs


def _unknown(name: str, value: object, known: set[str], others: Iterable[str]) -> InputError:
    got = f"{name}: no such option (got {name}={short(value)})"
    if name in _VIEW:
        return InputError(f"{got}; it is a view's: profile(...).view({name}={short(value)})")
    return InputError(f"{got}; {near(name, sorted(known), others)}")


_VIEW = frozenset(item.name for item in fields(View))


def _one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        shorts = [text for text, long in _SHORT.items() if long in known]
        hint = near(str(value), known, shorts)
        raise InputError(f"{name}: unknown (got {short(value)}); {hint}")
