"""``python -m magics MODULE:MODEL SHAPE``: the text table, without IPython."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import magics
from magics.errors import ConvProfileError, InputError
from magics.options import LAYOUTS, MODES, near


def main(arguments: list[str] | None = None) -> int:
    """Profile the model that the command line names, and print its table.

    Returns:
        0, or 2 after a wrong argument, with one line on standard error.
    """
    parser = argparse.ArgumentParser(
        prog="python -m magics",
        description="Show what each layer of a PyTorch model costs.",
    )
    parser.add_argument("model", metavar="MODULE:MODEL", help="as in mypackage.nets:resnet18, "
                        "or nets.py:Net(), or nets.ipynb:resnet18()")  # fmt: skip
    parser.add_argument("inputs", metavar="SHAPE", nargs="*", help="such as 1x3x224x224")
    parser.add_argument("--mode", choices=MODES, default="as_is")
    parser.add_argument("--backward", action="store_true", help="measure the backward pass too")
    parser.add_argument("--no-measure", action="store_true", help="count only")
    parser.add_argument("--device")
    parser.add_argument("--dtype")
    parser.add_argument("--layout", choices=LAYOUTS)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--budget", type=float, default=2.0, help="seconds to measure at most")
    given = vars(parser.parse_args(arguments))
    try:
        model = load(given.pop("model"))
        inputs, measure = given.pop("inputs"), not given.pop("no_measure")
        result = magics.profile(model, *inputs, measure=measure, **given)
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
    import inspect  # noqa: PLC0415, needed for functions and classes only

    if isinstance(model, type) or inspect.isfunction(model):
        parameters = inspect.signature(model).parameters.values()
        if all(item.default is not item.empty or item.kind in {item.VAR_KEYWORD, item.VAR_POSITIONAL}
               for item in parameters):  # fmt: skip
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
