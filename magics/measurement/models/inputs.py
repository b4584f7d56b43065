"""From what a user writes to what a model takes: shapes, tensors, dtype, device, layout."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from magics.errors import InputError
from magics.measurement.models.modules import own_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magics.measurement.models.modules import Target

_SHAPE = re.compile(r"\d+(x\d+)*", re.IGNORECASE)
_NEARLY_A_SHAPE = re.compile(r"[\s(\[]*\d+(\s*[*x\u00d7X,;]\s*\d+)+[\s)\],]*")
_BEGUN_AS_A_SHAPE = re.compile(r"\d+x[\w.+-]*", re.IGNORECASE)  # no Python begins like that, but
_HEXADECIMAL = re.compile(r"0x[0-9a-f_]+", re.IGNORECASE)
_SEED = 0
_SHORTEST_SHAPE = 2  # a list of one number is an input, not a shape


def parse_shape(text: str) -> tuple[int, ...] | None:
    """Return the sizes in a shape such as '8x3x224x224', or `None` for anything else.

    Raises:
        InputError: If it is meant to be a shape, but malformed.
    """
    text = text.strip()
    if _SHAPE.fullmatch(text):
        sizes = tuple(map(int, text.lower().split("x")))
        if 0 in sizes:
            raise InputError(
                f"INPUT: a shape with an empty dimension (got {text!r}); "
                f"every dimension needs at least 1",
            )
        return sizes
    several = [part.strip() for part in text.split(",")]
    if len(several) > 1 and all(map(is_shape_text, several)):
        raise InputError(f"INPUT: several shapes in one (got {text!r}); write {' '.join(several)}")
    if _NEARLY_A_SHAPE.fullmatch(text):
        sizes = tuple(map(int, re.findall(r"\d+", text)))
        raise InputError(
            f"INPUT: not a shape (got {text!r}); write it as {'x'.join(map(str, sizes))}",
        )
    if _BEGUN_AS_A_SHAPE.fullmatch(text) and not _HEXADECIMAL.fullmatch(text):
        raise _no_input(text)
    return None


def _no_input(text: str) -> InputError:
    return InputError(
        f"INPUT: neither a tensor nor a shape (got {text!r}); write a shape such as 8x3x224x224"
    )


def prepare(
    target: Target,
    inputs: tuple[object, ...],
    kwargs: Mapping[str, object],
    batch: int | None = None,
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments to call with: shapes become tensors, the rest stays as it is.

    A single shape serves every tensor that the model's forward requires.

    Args:
        target: The model.
        inputs: Positional arguments.
        kwargs: Keyword arguments.
        batch: First size of every shape, instead of its own.

    Raises:
        InputError: If there is no input, a shape is malformed, the first tensor is empty, or
            there is no shape to give the batch to.
    """
    required = _required(target)
    if not inputs and not kwargs and required:
        raise InputError(
            f"INPUT: missing (got none); {target.title} takes {', '.join(required)}: "
            f"pass tensors, or a shape such as 1x3x224x224",
        )
    given = [*inputs, *kwargs.values()]
    shapes = [as_shape(value) for value in inputs]
    # A keyword may be meant as it is: mode="bilinear", output_size=[7, 7].
    shapes += [as_shape(value) if is_shape_text(value) else None for value in kwargs.values()]
    if batch is not None:
        if not any(shapes):
            raise InputError(
                f"batch: is for inputs given as shapes (got {batch}, but {in_words(inputs, kwargs)}"
                f"); leave it out, or write the shape",
            )
        shapes = [(batch, *shape[1:]) if shape else None for shape in shapes]
    made = [
        value if shape is None else example(target, shape, place)
        for place, (value, shape) in enumerate(zip(given, shapes, strict=True))
    ]
    args, named = made[: len(inputs)], dict(zip(kwargs, made[len(inputs) :], strict=True))
    first = shapes[0] if len(inputs) == 1 else None
    if first is not None:
        places = range(1, len(required) - len(kwargs))
        args.extend(example(target, first, place) for place in places)
    if made and isinstance(made[0], torch.Tensor) and not made[0].is_nested and 0 in made[0].shape:
        raise InputError(
            f"INPUT: empty (got {in_words(tuple(made[:1]), {})}); "
            f"every dimension needs at least 1 element",
        )
    return tuple(args), named


def as_shape(value: object) -> tuple[int, ...] | None:
    """Return the shape that a value stands for, or `None` for an input that is meant as it is.

    Raises:
        InputError: If it is text and no shape.
    """
    if isinstance(value, str):
        shape = parse_shape(value)
        if shape is None:
            raise _no_input(value)
        return shape
    if not isinstance(value, list | tuple) or len(value) < _SHORTEST_SHAPE:
        return None
    if not all(type(item) is int for item in value):
        return None
    return parse_shape("x".join(map(str, value)))


def is_shape_text(value: object) -> bool:
    """Return whether a keyword's value is a shape in words: '8x3x224x224', not 'bilinear'."""
    return isinstance(value, str) and "x" in value and _SHAPE.fullmatch(value) is not None


def _required(target: Target) -> list[str]:
    """Return the names of the positional arguments that forward requires."""
    call = target.model.forward if target.model is not None else target.call
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return ["input"]
    return [
        item.name
        for item in parameters
        if item.kind in {item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD}
        and item.default is item.empty
    ]


@dataclass(frozen=True, slots=True)
class Keywords:
    """The arguments of a model that can be given by name.

    Attributes:
        names: Their names.
        others: It takes whatever else there is, too.
    """

    names: tuple[str, ...] = ()
    others: bool = False

    def __contains__(self, name: object) -> bool:
        """Return whether an argument of this name can be given."""
        return self.others or name in self.names


def keywords(target: Target) -> Keywords:
    """Return what the model's forward takes by name."""
    call = target.model.forward if target.model is not None else target.call
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return Keywords()
    named = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    return Keywords(
        tuple(item.name for item in parameters if item.kind in named),
        others=any(item.kind is item.VAR_KEYWORD for item in parameters),
    )


def example(target: Target, shape: tuple[int, ...], place: int = 0) -> torch.Tensor:
    """Return random numbers of this shape that the model can take.

    Never zeros: kernels may be quicker or, with subnormal numbers, far slower on them.
    torch's generator is left alone.
    """
    modules = list(target.modules.values())
    weight = next(
        (
            p
            for module in modules
            for p in own_parameters(module)
            if p.dtype.is_floating_point or p.dtype.is_complex
        ),
        None,
    )
    generator = torch.Generator().manual_seed(_SEED + place)
    device = weight.device if weight is not None else torch.device("cpu")
    first = next((module for module in modules if not module._modules), None)
    if isinstance(first, nn.Embedding | nn.EmbeddingBag):
        indices = torch.randint(0, first.num_embeddings, shape, generator=generator)
        return indices.to(device)
    dtype = weight.dtype if weight is not None else torch.get_default_dtype()
    if device.type == "meta":
        return torch.empty(shape, dtype=dtype, device=device)
    return torch.randn(shape, generator=generator).to(device=device, dtype=dtype)


def in_words(args: tuple[object, ...], kwargs: Mapping[str, object]) -> str:
    """Describe the inputs: '1x3x224x224 float32'."""
    named = [f"{name}={_in_words(value)}" for name, value in kwargs.items()]
    return ", ".join([*map(_in_words, args), *named])


def _in_words(value: object) -> str:
    if isinstance(value, torch.Tensor):
        size = "x".join(map(str, value.shape)) or "scalar"
        return f"{size} {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_in_words, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_in_words(item)}" for key, item in value.items()) + "}"
    return str(value) if isinstance(value, int | float) or value is None else type(value).__name__


def unusual(tensors: list[torch.Tensor]) -> list[str]:
    """Return warnings about inputs that are no numbers."""
    found = []
    for place, tensor in enumerate(tensors):
        if tensor.is_meta or tensor.is_nested or _is_finite(tensor):
            continue
        kind = "NaN" if bool(tensor.isnan().any()) else "infinite values"
        found.append(
            f"Input {place} has {kind} in it: the counts hold, but times may not be those of "
            f"ordinary numbers.",
        )
    return found


def _is_finite(tensor: torch.Tensor) -> bool:
    if not (tensor.is_floating_point() or tensor.is_complex()) or tensor.layout != torch.strided:
        return True
    return bool(tensor.isfinite().all())
