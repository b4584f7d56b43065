"""What a line may ask about a model, and who answers: a profile, or one of the studies.

Each question is a line of a table: the option that asks it, the function that answers it, and
which options go with it. The magic and ``python -m magics`` both read this table.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from magics.arguments import unquoted
from magics.errors import InputError
from magics.expressions import evaluate
from magics.hints import near, short
from magics.studies.sweeping.axes import AXES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from magics.arguments import Parser
    from magics.records.saved import Saved

_OF_LAYERS = dict.fromkeys(
    ("only", "depth", "sort", "top"), "it chooses rows of layers, which there are none of"
)
_OLDER = {"against": "it compares two profiles; save and compare profiles instead"}
_MEASURED = dict.fromkeys(
    ("stable", "measure"), "what this finds out is measured, or it is nothing"
)


@dataclass(frozen=True, slots=True)
class Question:
    """Something that a line may ask.

    Attributes:
        option: The option that asks it, without hyphens; '' for what is asked without one.
        home: Where the function is that answers it.
        function: Its name.
        usage: What stands behind the option.
        without: Options that don't go with it, and why.
        own: Options that go with nothing else.
        loading: The name of a function that makes the model itself, where several processes
            do it and one may fail; '' where there is none.
    """

    option: str
    home: str
    function: str
    usage: str = "MODEL INPUT"
    without: Mapping[str, str] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    loading: str = ""

    def call(self, which: str = "function") -> Callable[..., Any]:
        """Return the function of one of these names."""
        found: Callable[..., Any] = getattr(import_module(self.home), getattr(self, which))
        return found


PROFILE = Question("", "magics.session", "profile")
COMPARE = Question(
    "compare",
    "magics.studies.compare",
    "compare",
    "MODEL MODEL INPUT",
    {"against": "write the saved profile's name among the models, such as 'last.json'"},
)
QUESTIONS = (
    PROFILE,
    COMPARE,
    Question("sweep", "magics.studies.sweep", "sweep", "AXIS=VALUES MODEL INPUT",
             {**_OF_LAYERS, **_OLDER}, own=("resume", "on")),
    Question("advise", "magics.studies.advise", "advise",
             without={**_OF_LAYERS, **_OLDER, **_MEASURED}),
    Question("distributed", "magics.studies.distributed", "spread",
             without={**_OF_LAYERS, **_OLDER, **_MEASURED}, loading="spread_of"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as a line asked it.

    Attributes:
        question: Which one.
        axes: What is swept: texts such as 'batch=1,2,4'.
        resume: The file that a sweep goes on from.
        on: The cluster that a sweep runs on: an address, or an expression.
    """

    question: Question = PROFILE
    axes: tuple[str, ...] = ()
    resume: str | None = None
    on: str | None = None

    def answer(
        self,
        values: Sequence[object],
        named: Mapping[str, object],
        options: Mapping[str, object],
        names: Mapping[str, object],
    ) -> Saved | None:
        """Return what is found, or `None` where another process shows it.

        Args:
            values: Models and inputs.
            named: The model's keyword arguments.
            options: Options of a profile.
            names: The namespace for expressions.

        Raises:
            ConvProfileError: If something is wrong with them.
        """
        asked = {**options, **_swept(self.axes, options, names)}
        if self.resume is not None:
            asked["resume"] = self.resume
        if self.on is not None:
            asked["on"] = self.on if _is_address(self.on) else evaluate(self.on, names)
        if named:
            asked["kwargs"] = dict(named)
        found: Saved | None = self.question.call()(*values, **asked)
        return found


def taken_from(options: dict[str, Any]) -> Asked:
    """Take the options that `add_options` added out of what was parsed.

    Raises:
        InputError: If the options don't go together.
    """
    asked = [question for question in QUESTIONS if question.option in options] or [PROFILE]
    if len(asked) > 1:
        first, second = (f"--{question.option}" for question in asked[:2])
        raise InputError(
            f"{second}: not together with {first} (got both); ask one after the other",
        )
    question = asked[0]
    for other in QUESTIONS:
        for name in set(other.own) & options.keys():
            if other is not question:
                raise InputError(
                    f"--{name}: only with --{other.option} (got --{name} alone); "
                    f"leave it out, or write --{other.option} too",
                )
    for name, why in question.without.items():
        if name in options:
            shown = "no-measure" if name == "measure" else name
            raise InputError(
                f"--{shown}: not together with --{question.option} (got both): {why}",
            )
    axes = tuple(options.pop(question.option, ())) if question.option == "sweep" else ()
    options.pop(question.option, None)
    return Asked(question, axes, options.pop("resume", None), options.pop("on", None))


def _swept(
    texts: Iterable[str], options: Mapping[str, object], names: Mapping[str, object]
) -> dict[str, object]:
    """Return the axes that texts such as 'batch=1,2,4' stand for.

    Raises:
        InputError: If one of them is no axis with several values.
    """
    found: dict[str, object] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        if name not in AXES:
            raise InputError(f"--sweep: no such axis (got {name!r}); {near(name, AXES)}")
        if name in found or name in options:
            raise InputError(
                f"--sweep: {name}: has its values already (got {text!r} as well); leave one out",
            )
        if not equals or values.endswith(",") or not values:
            raise InputError(
                f"--sweep: {name}: values are missing (got {text!r}); write them with commas "
                f"and without blanks: {name}=1,2,4",
            )
        found[name] = _values(name, unquoted(values), names)
    return found


def _values(name: str, text: str, names: Mapping[str, object]) -> object:
    """Return several values: a text with commas, or what an expression makes of it."""
    value: object = text
    if _is_expression(text, names):
        value = evaluate(text, names)
    several = "," in value if isinstance(value, str) else isinstance(value, list | tuple | range)
    if not several:
        raise InputError(
            f"--sweep: {name}: one value is no sweep (got {short(value)}); give several, "
            f"such as {name}={_EXAMPLES.get(name, '1,2,4')}",
        )
    return value


_EXAMPLES = {"dtype": "float32,bfloat16", "layout": "contiguous,channels_last",
             "device": "cpu,cuda"}  # fmt: skip


def _is_expression(text: str, names: Mapping[str, object]) -> bool:
    """Return whether a text is Python, such as 'range(1, 9)', and not 'float32,bfloat16'."""
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError:  # '32x32,64x64', 'cuda:0,cuda:1'
        return False
    if isinstance(tree, ast.Name):
        return tree.id in names
    if isinstance(tree, ast.Constant):  # one value, which is told as it was written
        return False
    return not isinstance(tree, ast.Tuple) or text.startswith("(")


def _is_address(text: str) -> bool:
    """Return whether a text is no expression: 'tcp://host:8786', 'host:8786'."""
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return True
    return False


def add_options(parser: Parser) -> None:
    """Add the options that ask for something other than a profile."""
    group = parser.add_argument_group(
        "questions", "what to find out instead of a profile; one of them"
    )
    add = group.add_argument
    add(
        "--compare",
        action="store_true",
        help="compare the models (or saved profiles) that come first; or one model in the modes "
        "that an option lists: --mode eval,train",
    )
    add(
        "--sweep",
        metavar="AXIS=VALUES",
        type=unquoted,
        action="append",
        help="time and memory for each value, such as batch=1,2,4 or batch=1,2,4,... (until "
        f"memory ends, or nothing is gained); AXIS is one of {', '.join(AXES)}; twice for two",
    )
    add(
        "--resume",
        metavar="FILE",
        type=unquoted,
        help="of a sweep: write every point to this file, and go on from what it holds",
    )
    add(
        "--on",
        metavar="CLUSTER",
        type=unquoted,
        help="of a sweep: a dask cluster, by an address such as tcp://host:8786, or a Client",
    )
    add("--advise", action="store_true", help="what would make the model faster, each tried out")
    add("--distributed", action="store_true",
        help="profile the model on every rank, inside torchrun")  # fmt: skip
