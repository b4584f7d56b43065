"""Write the same code as notebooks and as ``.py`` files, for `imports.py` to import."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_IMPORTS = (
    "from __future__ import annotations\n\nimport math\nimport os.path\nfrom itertools import chain"
)
_CONSTANT = (
    "LIMIT_{n} = {a} * 60\nNAMES_{n} = [{words}]\nprint_width_{n} = max(map(len, NAMES_{n}))"
)
_FUNCTION = '''\
def {verb}_{noun}(values, scale={a}, *, {word}=None):
    """Return the {noun} of some values, {verb}ed and scaled."""
    total = {b}
    for index, value in enumerate(values):
        if value % {c} == 0 and {word} is not None:
            total += scale * value - index
        elif index > {d}:
            break
        else:
            total -= math.sqrt(abs(value)) / {c}
    return round(total, {e})'''
_CLASS = '''\
class {Noun}{n}:
    """Hold a {noun} and what is {verb}ed of it."""

    {word}_size = {a}

    def __init__(self, {noun}, {word}=()):
        self.{noun} = {noun}
        self._{word} = dict({word})

    def {verb}(self, key):
        """{Verb} one key."""
        found = self._{word}.get(key, self.{noun})
        return found if found is not None else chain.from_iterable([[key]] * {c})'''
_WORK = (
    "{word}_{n} = [x**2 % {c} for x in range({d})]\n{noun}_{n} = sum({word}_{n}) / len({word}_{n})"
)
_KINDS = (_CONSTANT, _FUNCTION, _FUNCTION, _CLASS, _WORK)
_WORDS = (
    "layer stride kernel padding batch window border channel filter sample signal output "
    "weight margin corner pixel frame step group level"
).split()
_VERBS = "count scale sort merge split shift rank pack weigh trim".split()


def cells(number: int, seed: int = 0) -> list[str]:
    """Return the text of some cells as an analysis has them: no two alike, little work."""
    words = random.Random(seed)  # noqa: S311 - the same text at every run is the point
    texts = [_IMPORTS]
    for n in range(1, number):
        (noun, word), verb = words.sample(_WORDS, 2), words.choice(_VERBS)
        a, b, c, d, e = (words.randint(2, 40) for _ in range(5))
        listed = ", ".join(repr(words.choice(_WORDS)) for _ in range(5))
        named = {"noun": noun, "Noun": noun.title(), "verb": verb, "Verb": verb.title()}
        numbers = dict(zip("abcde", (a, b, c, d, e), strict=True))
        kind = _KINDS[n % len(_KINDS)]
        texts.append(kind.format(n=n, words=listed, word=word, **named, **numbers))
    return texts


def write_notebook(path: Path, texts: list[str], outputs_bytes: int = 0) -> None:
    """Write a notebook whose cells share some bytes of outputs, pictures in base64 as usual."""
    picture = "iVBORw0KGgo" * (outputs_bytes // (11 * len(texts)))
    outputs = [{"output_type": "display_data", "data": {"image/png": picture}, "metadata": {}}]
    document = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": number,
                "metadata": {},
                "outputs": outputs if picture else [],
                "source": text.splitlines(keepends=True),
            }
            for number, text in enumerate(texts, 1)
        ],
        "metadata": {"language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 4,
    }
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")


def write_script(path: Path, texts: list[str]) -> None:
    """Write the same cells as a ``.py`` file."""
    path.write_text("\n\n\n".join(texts) + "\n", encoding="utf-8")
