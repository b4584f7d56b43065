"""The public names are fixed: others build on them."""

import subprocess
import sys
from pathlib import Path

import pytest

import magics
import nbimport

NBIMPORT = {
    "Config",
    "ConfigError",
    "ImportHook",
    "MagicError",
    "MountError",
    "NotebookFormatError",
    "NotebookImportError",
    "NotebookNotFoundError",
    "install",
    "load",
    "mount",
    "uninstall",
    "unmount",
}


def test_nbimport_exports_what_is_documented():
    assert set(nbimport.__all__) == NBIMPORT
    assert nbimport.__version__


def test_public_names_present_themselves_as_living_in_the_package():
    for name in NBIMPORT:
        assert getattr(nbimport, name).__module__ == "nbimport", name


def test_magics_exports_what_is_documented():
    for name in ("profile", "register_formula", "ConvProfileError", "Profile", "LayerProfile"):
        assert name in magics.__all__, name
        assert getattr(magics, name) is not None


def test_a_sweep_has_what_is_documented():
    assert {"sweep", "Sweep", "SweepPoint"} <= set(magics.__all__)
    assert callable(magics.sweep)
    assert set(dir(magics.Sweep)) >= set(
        "model inputs axes points environment options warnings overhead digits lines knees to_json "
        "from_json to_csv to_dataframe to_html plot _repr_mimebundle_".split()
    )
    assert set(dir(magics.SweepPoint)) >= set(
        "values status reason batch forward backward params macs bytes_moved peak_bytes "
        "predicted_bytes where seconds seconds_per_sample samples_per_s bytes_per_sample".split()
    )


def test_advice_has_what_is_documented():
    assert {"Advice", "Suggestion", "advise"} <= set(magics.__all__)
    assert set(dir(magics.Advice)) >= set(
        "suggestions helps ordered baseline environment warnings to_json from_json to_csv "
        "to_dataframe to_html _repr_mimebundle_".split()
    )
    assert set(dir(magics.Suggestion)) >= set(
        "name verdict why gain error tolerance cost code link layers before after "
        "break_even".split()
    )


def test_a_profile_has_what_is_documented():
    profile = set(dir(magics.Profile))
    assert profile >= set(
        "by_kind coverage from_json other plain rows to_csv to_dataframe to_json total uncounted "
        "warnings environment layers overhead _repr_mimebundle_".split()
    )
    assert set(dir(magics.LayerProfile)) >= set(
        "name kind call_index input_shape output_shape params macs flops bytes_moved forward "
        "backward arithmetic_intensity bound receptive_field saved_bytes".split()
    )


@pytest.mark.parametrize("package", ["nbimport", "magics"])
def test_importing_a_package_imports_neither_notebook_tools_nor_torch(package):
    code = f"import sys, {package}; print(*sorted(m.partition('.')[0] for m in sys.modules))"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert not {"IPython", "nbformat", "torch", "pytest"} & set(output.split())


def test_both_packages_carry_their_types():
    root = Path(__file__).parents[1]
    assert (root / "nbimport" / "py.typed").exists()
    assert (root / "magics" / "py.typed").exists()
