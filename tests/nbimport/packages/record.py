"""Plugin of the inner pytest: write what was seen of a package to the file that ``$RECORD`` names.

That is the outcome of every test, and of every module of the packages in ``$PACKAGES``: its names,
its doctests' result, and the source and comments that `inspect` finds for each class and function.
The tests listed in the file ``$SPARED`` are known to pass, and not run.
"""

import contextlib
import doctest
import inspect
import io
import json
import os
import sys
from pathlib import Path

_outcomes = {}
_details = {}
_slow = []
_SLOW_S = 1.0


def pytest_collection_modifyitems(items):
    spared = set(json.loads(Path(os.environ["SPARED"]).read_text(encoding="utf-8")))
    for item in items:
        if item.nodeid in spared:
            _outcomes[item.nodeid] = dict.fromkeys(("setup", "call", "teardown"), "passed")
    items[:] = [item for item in items if item.nodeid not in spared]


def pytest_runtest_logreport(report):
    outcome = "xfailed" if hasattr(report, "wasxfail") else report.outcome
    _outcomes.setdefault(report.nodeid, {})[report.when] = outcome
    if report.when == "call" and outcome == "passed" and report.duration > _SLOW_S:
        _slow.append(report.nodeid)
    if report.failed:
        _details[report.nodeid] = str(report.longrepr)[-4000:]


def pytest_collectreport(report):
    if report.failed:
        _outcomes[f"collecting {report.nodeid}"] = {"collect": report.outcome}
        _details[f"collecting {report.nodeid}"] = str(report.longrepr)[-4000:]


def pytest_sessionfinish():
    packages = os.environ["PACKAGES"].split()
    modules = {
        name: _seen_of(name, module)
        for name, module in sorted(sys.modules.items())
        if name.partition(".")[0] in packages and getattr(module, "__file__", None)
    }
    suffixes = sorted(
        {Path(sys.modules[name].__file__).suffix for name in modules if ".tests" not in name}
    )
    found = {
        "tests": _outcomes,
        "modules": modules,
        "suffixes": suffixes,
        "details": _details,
        "slow": _slow,
    }
    Path(os.environ["RECORD"]).write_text(json.dumps(found), encoding="utf-8")


def _seen_of(name, module):
    sources = {}
    _add_sources(vars(module), name, "", sources)
    with contextlib.redirect_stdout(io.StringIO()):
        results = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    names = sorted(key for key in vars(module) if key != "__warningregistry__" and key[0] != "@")
    return {
        "names": names,
        "doc": module.__doc__,
        "doctests": list(results[:2]),
        "sources": sources,
    }


def _add_sources(space, module, prefix, sources):
    for key, value in sorted(space.items()):
        function = getattr(value, "__func__", getattr(value, "fget", value))
        if not (inspect.isclass(function) or inspect.isfunction(function)):
            continue
        if function.__module__ == module and key == function.__name__:
            try:
                text = inspect.getsource(function)
            except (OSError, TypeError) as error:
                text = repr(error)
            sources[prefix + key] = [text, inspect.getcomments(function)]
            if inspect.isclass(function):
                _add_sources(vars(function), module, f"{prefix}{key}.", sources)
