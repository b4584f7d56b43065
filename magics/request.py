"""A line of `%convprofile`, read: question, options, expressions, and what becomes of it all."""

from __future__ import annotations

import keyword
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from magics import outcome, questions
from magics.arguments import Parser, parser, unquoted
from magics.errors import InputError
from magics.expressions import evaluate, expressions, words
from magics.outcome import Outcome
from magics.progress import counted_to
from magics.questions import PROFILE, Asked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magics.records.saved import Saved

_EXAMPLES = """\
examples:
  %convprofile net 8x3x224x224
  %convprofile make_net(width=2) images[:8] --mode eval -o before
  %convprofile net x --only conv,bn --sort time --top 10 --save net.html
  %convprofile --compare dense separable 1x64x56x56
  %convprofile --sweep batch=1,2,4,... net 1x3x224x224
  %convprofile --sweep batch=8,16,32 --sweep layout=contiguous,channels_last net x --resume s.json
  %convprofile --advise net x
  profile = %convprofile -r net x mask=m --budget 10

on the first line of a cell, every layer that the cell calls, in its one run:
  %%convprofile --depth 2 -o training
"""
_OF_CELLS = frozenset({"measure", "threads", "memory", "roofline", "fresh_ceilings"})
_LEFT_OUT = frozenset({"receptive_field", "kernels"})
"""What a cell's profile is without anyway: to leave it out is no mistake."""
_TOLD = frozenset({"backward"})
"""What it tells anyway."""


def line_parser() -> Parser:
    """Return the parser of the magic's lines."""
    made = parser(
        "%convprofile",
        "Show what each layer of a PyTorch model costs on an input.",
        _EXAMPLES,
    )
    outcome.add_options(made)
    questions.add_options(made)
    add = made.add_argument
    add(
        "-r",
        "--return",
        dest="returned",
        action="store_true",
        default=False,
        help="return what is found instead of showing it",
    )
    add(
        "-o",
        "--output",
        metavar="NAME",
        type=unquoted,
        default=None,
        help="store what is found under this name",
    )
    add("-q", "--quiet", action="store_true", default=False, help="show nothing")
    add("-h", "--help", action="store_true", default=False, help="show this")
    add("what", metavar="MODEL INPUT", nargs="*", default=(),
        help="expressions; an INPUT may be a shape such as 8x3x224x224, "
        "or NAME=EXPRESSION")  # fmt: skip
    return made


PARSER = line_parser()


def cell_options() -> list[str]:
    """Return the options that change something for a cell."""
    views = Parser(add_help=False)
    outcome.add_options(views)
    taken = {action.dest for action in views.options.values()} | _OF_CELLS
    taken |= {"output", "quiet", "help"}
    return [option for option, action in PARSER.options.items() if action.dest in taken]


@dataclass(frozen=True, slots=True)
class Request:
    """What a line asks for.

    Attributes:
        texts: Expressions: the model, or models, and inputs.
        named: Expressions of the model's keyword arguments.
        asked: What it wants to know.
        options: Options of the profile.
        outcome: What becomes of it.
        returned: Return it instead of showing it.
        quiet: Show nothing.
        name: Store it under this name.
        help: Show the options, and do nothing else.
    """

    texts: tuple[str, ...]
    named: Mapping[str, str]
    asked: Asked
    options: dict[str, Any]
    outcome: Outcome
    returned: bool = False
    quiet: bool = False
    name: str | None = None
    help: bool = field(default=False)

    def answer(self, names: Mapping[str, Any]) -> Saved | None:
        """Return what the line asks for, or `None` where another process shows it.

        Args:
            names: The namespace of its expressions.

        Raises:
            ConvProfileError: If something is wrong with what it says.
        """
        values = [evaluate(text, names) for text in self.texts]
        named = {name: evaluate(text, names) for name, text in self.named.items()}
        with counted_to(self.outcome.view.check):
            return self.asked.answer(values, named, self.options, names)

    def for_cell(self) -> dict[str, Any]:
        """Return the options of a cell's profile.

        Raises:
            InputError: If there are expressions, or options that the cell itself decides on.
        """
        if self.texts or self.named:
            text = " ".join(self.texts or self.named)
            raise InputError(
                f"a cell says itself what it runs (got {text!r}); leave it out, or write one %: "
                f"%convprofile {text}",
            )
        if self.asked.question is not PROFILE:
            option = f"--{self.asked.question.option}"
            raise InputError(
                f"{option}: not for a cell, which runs once as it is written; write one %: "
                f"%convprofile {option} {self.asked.question.usage}",
            )
        if self.returned:
            raise InputError("-r: a cell keeps its own value; write -o NAME")
        for name, value in self.options.items():
            if name not in _OF_CELLS | _TOLD and not (name in _LEFT_OUT and value is False):
                option = f"--{name.replace('_', '-')}"
                raise InputError(
                    f"{option}: not for a cell, which runs once as it is written; leave it out, "
                    f"or profile the model itself: %convprofile MODEL INPUT {option}",
                )
        return {name: value for name, value in self.options.items() if name in _OF_CELLS}


def read(line: str, *, cell: bool = False) -> Request:
    """Split a line into options and expressions; a final semicolon means quiet.

    Args:
        line: What stands behind the magic's name.
        cell: It stands above a cell, so that it needs no model.

    Raises:
        InputError: If an option is unknown or malformed, or no model is given.
    """
    silent = line.rstrip().endswith(";")
    found = words(line.rstrip().removesuffix(";"))
    PARSER.options_known(found)
    # Intermixed: options may stand before, between and after the expressions.
    options = vars(PARSER.parse_intermixed_args(found))
    texts = expressions(options.pop("what"))
    named = {text: text.partition("=") for text in texts if _is_named(text)}
    positional = tuple(text for text in texts if text not in named)
    asked = questions.taken_from(options)
    empty = next((name for name, _, value in named.values() if not value.strip()), None)
    if empty is not None:
        raise InputError(f"{empty}: no value; write {empty}=EXPRESSION, without blanks around =")
    request = Request(
        positional,
        {name: value for name, _, value in named.values()},
        asked,
        options,
        Outcome.taken_from(options),
        returned=options.pop("returned"),
        quiet=options.pop("quiet") or silent,
        name=options.pop("output"),
        help=options.pop("help"),
    )
    name = request.name
    if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
        raise InputError(f"-o: not a name (got {name!r}); choose one such as 'result'")
    if not positional and not cell and not request.help:
        raise InputError("no model given; write %convprofile MODEL INPUT")
    return request


def _is_named(text: str) -> bool:
    """Return whether a word is a keyword argument: 'mask=m', but not 'x==y'."""
    name, equals, value = text.partition("=")
    return bool(equals) and name.isidentifier() and not value.startswith("=")
