"""``python -m magics MODULE:MODEL SHAPE``: what the magic shows, as text, without IPython."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

from magics import outcome, questions
from magics.arguments import parser
from magics.bars import bar_for
from magics.errors import ConvProfileError, InputError
from magics.expressions import evaluate
from magics.hints import nearest
from magics.outcome import Outcome
from magics.progress import counted_to, reported_to
from magics.questions import COMPARE
from magics.records.views import formed
from magics.studies import history

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magics.questions import Asked
    from magics.records.saved import Saved

_EXAMPLES = """\
examples:
  python -m magics nets:resnet18 1x3x224x224
  python -m magics demo_notebooks/lib/nets.ipynb:mobilenet_v2 8x3x224x224 --budget 10
  python -m magics compare last_week.json today.json --fail-over 5%
  python -m magics nets:resnet18 1x3x224x224 --only conv --top 10 --save resnet18.html
  python -m magics --compare nets:dense nets:separable 1x64x56x56
  python -m magics --sweep batch=1,2,4,... nets:resnet18 1x3x224x224 --save batches.json
  python -m magics --advise nets:resnet18 8x3x224x224
  torchrun --nproc-per-node 2 -m magics --distributed nets:resnet18 8x3x224x224
"""
_IMPORTERS = frozenset({__file__, importlib.__file__})
"""Files whose frames are between the command and the code that it imports."""

_SOURCES = frozenset({".py", ".ipynb"})
_INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ended


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks about the model that it names, and print what is found.

    Returns:
        0; 2 after a wrong argument, with one line on standard error; 130 after Ctrl-C, with
        what had been measured.
    """
    given_words = sys.argv[1:] if arguments is None else arguments
    if given_words[:1] == ["compare"]:
        return _compared(given_words[1:])
    known = parser("python -m magics", "Show what each layer of a PyTorch model costs.", _EXAMPLES)
    outcome.add_options(known)
    questions.add_options(known)
    known.add_argument("-h", "--help", action="help", help="show this and end")
    known.add_argument(
        "model",
        metavar="MODULE:MODEL",
        help="a module, or a .py or .ipynb file; a name in it, or an expression",
    )
    known.add_argument("inputs", metavar="SHAPE", nargs="*", default=(),
                       help="such as 1x3x224x224")  # fmt: skip
    silent = _is_silent(given_words)
    try:
        known.options_known(given_words)
        given = vars(known.parse_intermixed_args(given_words))
        if silent:
            given.pop("save", None)
        asked = questions.taken_from(given)
        what = Outcome.taken_from(given)
        with counted_to(what.view.check), reported_to(None if silent else bar_for()):
            found, status = _answered(asked, given.pop("model"), given.pop("inputs"), given)
        if found is not None:  # else another process prints it
            view = what.viewed(found)
            _printed(what.compared(view))
            what.save(view)
    except ConvProfileError as error:
        if silent:
            return 0
        sys.stderr.write(f"python -m magics: {error}\n")
        return 2
    except KeyboardInterrupt:
        return _INTERRUPTED
    return status


def _is_silent(words: Sequence[str]) -> bool:
    """Return whether this is one of several ranks, of which the first speaks for all.

    What fails on one fails on all. The others end with 0 then: torchrun would end the first one
    before it has said a word.
    """
    return "--distributed" in words and os.environ.get("RANK", "0") != "0"


def _compared(words: list[str]) -> int:
    """Compare saved profiles.

    Returns:
        0; 1 for a regression over what is allowed; 2 after a wrong argument.
    """
    try:
        text, status = history.command(words)
        _printed(text)
    except ConvProfileError as error:
        sys.stderr.write(f"python -m magics compare: {error}\n")
        return 2
    return status


def _answered(
    asked: Asked, model: str, inputs: Sequence[str], given: dict[str, Any]
) -> tuple[Saved | None, int]:
    """Return what is found, or what Ctrl-C left of it, and what to tell the shell."""
    try:
        if asked.question.loading:
            return asked.question.call("loading")(lambda: load(model), inputs, given), 0
        if asked.question is COMPARE:
            first = model if model.endswith(".json") else load(model)
            values = [first, *(load(text) if ":" in text else text for text in inputs)]
        else:
            values = [load(model), *inputs]
        return asked.answer(values, {}, given, {}), 0
    except KeyboardInterrupt as interruption:
        partial = getattr(interruption, "partial", None)
        if partial is None:
            raise
        return partial, _INTERRUPTED


def _printed(found: Saved | str) -> None:
    """Write a report, or a text, as this terminal can show it: without what its encoding lacks.

    Where nobody reads on, as in ``| head -1``, that is no mistake.

    Raises:
        InputError: If it can't be written, such as to a full disk.
    """
    stream = sys.stdout
    if stream is None:  # closed by the shell: ``>&-``
        return
    text = found if isinstance(found, str) else formed(found, "terminal", stream)
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(f"{text.encode(encoding, 'replace').decode(encoding)}\n")
        stream.flush()
    except OSError as error:
        # Python flushes once more when it ends; what is left must have somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if not isinstance(error, BrokenPipeError):
            raise InputError(
                f"standard output: can't be written (got {error.strerror}); "
                f"make room, or write elsewhere",
            ) from error


def load(text: str) -> Any:  # noqa: ANN401, whatever the name stands for
    """Return the model that 'MODULE:MODEL' names; MODEL may be an expression such as 'Net()'.

    A model given by the name of its class or of a function without arguments is created.

    Raises:
        InputError: If the module or the name is not found.
    """
    place, colon, name = text.partition(":")
    if not colon or not place or not name:
        raise InputError(
            f"MODEL: not MODULE:MODEL (got {text!r}); write nets:resnet18 or nets.ipynb:resnet18",
        )
    return _created(evaluate(name, vars(_module(place))), text)


def _created(model: Any, text: str) -> Any:  # noqa: ANN401, whatever the name stands for
    if not isinstance(model, type) and not inspect.isfunction(model):
        return model
    parameters = inspect.signature(model).parameters.values()
    open_ended = {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    if any(item.default is item.empty and item.kind not in open_ended for item in parameters):
        return model
    try:
        return model()
    except Exception as error:
        raise InputError(
            f"{text}: raised {type(error).__name__}: {error}; write the call, {text}(...)",
        ) from error


def _module(place: str) -> Any:  # noqa: ANN401, a module
    path = Path(place)
    try:
        if path.suffix in _SOURCES:
            return _from_file(path)
        sys.path.insert(0, str(Path.cwd()))
        if find_spec("nbimport") is not None:
            import_module("nbimport")  # the module may be a notebook
        return import_module(place)
    except ConvProfileError:
        raise
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == place
        close = nearest(place, [item.stem for item in _sources(Path.cwd())]) if missing else None
        hint = f"did you mean {close}?" if close else "check the name, and that 'import' works"
        raise InputError(
            f"{place}: can't be imported ({type(error).__name__}: {error}{_place_of(error)}); "
            f"{hint}",
        ) from error


def _sources(folder: Path) -> list[Path]:
    """Return the files of a folder that can be imported."""
    if not folder.is_dir():
        return []
    return sorted(item for item in folder.iterdir() if item.suffix in _SOURCES)


def _place_of(error: Exception) -> str:
    """Return where the code that was imported raised: ', in nets.ipynb cell 3, line 2'."""
    frames = [
        frame
        for frame in extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and frame.filename not in _IMPORTERS
    ]
    in_nbimport = f"{os.sep}nbimport{os.sep}"
    if not frames or in_nbimport in frames[-1].filename or isinstance(error, SyntaxError):
        return ""
    return f", in {Path(frames[-1].filename).name}, line {frames[-1].lineno}"


def _from_file(path: Path) -> Any:  # noqa: ANN401, a module
    if not path.is_file():
        close = nearest(path.name, [item.name for item in _sources(path.parent)])
        hint = f"did you mean {path.parent / close}?" if close else "check the path"
        raise InputError(f"{path}: no such file; {hint}")
    if path.suffix == ".ipynb":
        return import_module("nbimport").load(path)
    sys.path.insert(0, str(path.resolve().parent))
    return import_module(path.stem)


if __name__ == "__main__":
    sys.exit(main())
