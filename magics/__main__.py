"""``python -m magics MODULE:MODEL SHAPE``: the text table, without IPython."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import magics
from magics.arguments import parser
from magics.errors import ConvProfileError, InputError
from magics.expressions import evaluate
from magics.records.views import formed

if TYPE_CHECKING:
    from magics.records import Profile

_EXAMPLES = """\
examples:
  python -m magics nets:resnet18 1x3x224x224
  python -m magics demo_notebooks/lib/nets.ipynb:mobilenet_v2 8x3x224x224 --budget 10
"""
_INTERRUPTED = 130  # what a shell reports of a program that Ctrl-C ended


def main(arguments: list[str] | None = None) -> int:
    """Profile the model that the command line names, and print its table.

    Returns:
        0; 2 after a wrong argument, with one line on standard error; 130 after Ctrl-C, with
        the table of what had been measured.
    """
    known = parser("python -m magics", "Show what each layer of a PyTorch model costs.", _EXAMPLES)
    known.add_argument("-h", "--help", action="help", help="show this and end")
    known.add_argument(
        "model",
        metavar="MODULE:MODEL",
        help="a module, or a .py or .ipynb file; a name in it, or an expression",
    )
    known.add_argument("inputs", metavar="SHAPE", nargs="*", default=(),
                       help="such as 1x3x224x224")  # fmt: skip
    given_words = sys.argv[1:] if arguments is None else arguments
    try:
        known.options_known(given_words)
        given = vars(known.parse_intermixed_args(given_words))
        model = load(given.pop("model"))
        result = magics.profile(model, *given.pop("inputs"), **given)
    except ConvProfileError as error:
        sys.stderr.write(f"python -m magics: {error}\n")
        return 2
    except KeyboardInterrupt as interruption:
        partial = getattr(interruption, "partial", None)
        if partial is not None:
            sys.stdout.write(f"{_writable(partial)}\n")
        return _INTERRUPTED
    sys.stdout.write(f"{_writable(result)}\n")
    return 0


def _writable(profile: Profile) -> str:
    """Return the report for this terminal, without what its encoding lacks, such as the bars."""
    encoding = sys.stdout.encoding or "utf-8"
    text: str = formed(profile, "terminal", sys.stdout)
    return text.encode(encoding, "replace").decode(encoding)


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
        if path.suffix in {".py", ".ipynb"}:
            return _from_file(path)
        sys.path.insert(0, str(Path.cwd()))
        if find_spec("nbimport") is not None:
            import_module("nbimport")  # the module may be a notebook
        return import_module(place)
    except ConvProfileError:
        raise
    except Exception as error:
        raise InputError(
            f"{place}: can't be imported ({type(error).__name__}: {error}); "
            f"check the name, and that 'import' works",
        ) from error


def _from_file(path: Path) -> Any:  # noqa: ANN401, a module
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    if path.suffix == ".ipynb":
        return import_module("nbimport").load(path)
    sys.path.insert(0, str(path.resolve().parent))
    return import_module(path.stem)


if __name__ == "__main__":
    sys.exit(main())
