"""``python -m magics MODULE:MODEL SHAPE``: the text table, without IPython."""

from __future__ import annotations

import inspect
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import magics
from magics.arguments import parser
from magics.errors import ConvProfileError, InputError
from magics.options import near


def main(arguments: list[str] | None = None) -> int:
    """Profile the model that the command line names, and print its table.

    Returns:
        0, or 2 after a wrong argument, with one line on standard error.
    """
    known = parser("python -m magics", "Show what each layer of a PyTorch model costs.")
    known.add_argument("-h", "--help", action="help", help="show this and end")
    known.add_argument("model", metavar="MODULE:MODEL",
                       help="nets:resnet18, nets.py:Net(), nets.ipynb:net")  # fmt: skip
    known.add_argument("inputs", metavar="SHAPE", nargs="*", help="such as 1x3x224x224")
    words = sys.argv[1:] if arguments is None else arguments
    try:
        known.options_known(words)
        given = vars(known.parse_args(words))
        model = load(given.pop("model"))
        result = magics.profile(model, *given.pop("inputs"), **given)
    except ConvProfileError as error:
        sys.stderr.write(f"python -m magics: {error}\n")
        return 2
    sys.stdout.write(f"{result}\n")
    return 0


def load(text: str) -> Any:  # noqa: ANN401, whatever the name stands for
    """Return the model that 'MODULE:MODEL' names; MODEL may be an expression such as 'Net()'.

    A model given by the name of its class or of a function without arguments is created.

    Raises:
        InputError: If the module or the name is not found.
    """
    place, colon, name = text.partition(":")
    if not colon or not name:
        raise InputError(f"MODEL: not MODULE:MODEL (got {text!r}); write nets:resnet18, say")
    module = _module(place)
    public = {key for key in vars(module) if not key.startswith("_")}
    try:
        model = eval(name, dict(vars(module)))  # noqa: S307, the user's own command line
    except NameError as error:
        unknown = error.name or name
        raise InputError(f"{place}: no {unknown} in it; {near(unknown, public)}") from error
    except Exception as error:
        raise InputError(
            f"{place}:{name}: raised {type(error).__name__}: {error}; check the expression",
        ) from error
    return _created(model)


def _created(model: Any) -> Any:  # noqa: ANN401, whatever the name stands for
    if isinstance(model, type) or inspect.isfunction(model):
        parameters = inspect.signature(model).parameters.values()
        open_ended = {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
        if all(item.default is not item.empty or item.kind in open_ended for item in parameters):
            return model()
    return model


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
    except (ImportError, OSError) as error:
        raise InputError(f"{place}: can't be imported ({error}); check the name") from error


def _from_file(path: Path) -> Any:  # noqa: ANN401, a module
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the path")
    if path.suffix == ".ipynb":
        return import_module("nbimport").load(path)
    sys.path.insert(0, str(path.resolve().parent))
    return import_module(path.stem)


if __name__ == "__main__":
    sys.exit(main())
