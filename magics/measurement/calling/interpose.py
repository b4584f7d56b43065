"""Layer functions, replaced for a while where they are called from.

Only functions that have rows of their own are touched, in torch's namespaces and in that of
the calling code; a replaced function knows its name and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import functional

Wrap = Callable[[str, Callable[..., Any]], Callable[..., Any]]

_ABSENT = object()
_OPERATORS = {"matmul": ("__matmul__", "__rmatmul__")}


def _spellings(name: str) -> tuple[str, ...]:
    return (name, f"_{name}", f"{name}_with_indices", *_OPERATORS.get(name, ()))


def _originals(name: str) -> list[tuple[Any, str, Callable[..., Any]]]:
    """Return (namespace, attribute, function) for each public place of a layer function."""
    places: list[tuple[Any, str, Callable[..., Any]]] = []
    for owner in (functional, torch, torch.Tensor):
        for spelling in _spellings(name):
            function = getattr(owner, spelling, None)
            if callable(function):
                places.append((owner, spelling, function))
    return places


@contextmanager
def replaced_functions(
    wanted: Mapping[str, list[dict[str, Any]]],
    wrap: Wrap,
) -> Iterator[None]:
    """Replace layer functions for a while.

    Args:
        wanted: Names of layer functions, each with the globals of the code that calls it.
        wrap: Takes name and function; returns what is called instead.
    """
    attributes: list[tuple[Any, str, object]] = []
    names: list[tuple[dict[str, Any], str, object]] = []
    try:
        for name, namespaces in wanted.items():
            wrapped: dict[int, Callable[..., Any]] = {}
            for owner, spelling, function in _originals(name):
                replacement = wrapped.setdefault(id(function), wrap(name, function))
                attributes.append((owner, spelling, vars(owner).get(spelling, _ABSENT)))
                setattr(owner, spelling, replacement)
            for namespace in namespaces:
                for key, value in list(namespace.items()):
                    if callable(value) and id(value) in wrapped:
                        names.append((namespace, key, value))
                        namespace[key] = wrapped[id(value)]
        yield
    finally:
        for namespace, key, before in reversed(names):
            namespace[key] = before
        for owner, spelling, before in reversed(attributes):
            if before is _ABSENT:
                delattr(owner, spelling)
            else:
                setattr(owner, spelling, before)
