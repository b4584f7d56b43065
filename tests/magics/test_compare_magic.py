"""Comparisons from the magic: models, modes, and profiles that were saved."""

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from nets import CONV, SQUARE
from timed_profiles import saved, timed
from torch import nn

import magics
from magics.records import Comparison, Profile


@pytest.fixture
def shell():
    made = InteractiveShell()
    made.run_line_magic("load_ext", "magics")
    made.user_ns.update(one=CONV(), two=nn.Sequential(CONV(), nn.Conv2d(4, 4, 3)), x=SQUARE()[0])
    return made


def test_the_magic_compares_models(time, shell):
    found = shell.run_line_magic(
        "convprofile", "--compare two one x --budget 0.05 --no-roofline --no-memory -r"
    )
    assert isinstance(found, Comparison)
    assert found.total[0].forward.value == pytest.approx(2)


def test_the_magic_compares_modes_and_saved_profiles(time, shell, tmp_path):
    options = "--no-measure -r"
    found = shell.run_line_magic("convprofile", f"--compare one x --mode eval,train {options}")
    assert found.names == ("Conv2d, mode eval", "Conv2d, mode train")
    found = shell.run_line_magic("convprofile", f"--compare one x --threads 1,2 {options}")
    assert found.names == ("Conv2d, threads 1", "Conv2d, threads 2")
    shell.user_ns["last"] = magics.profile(CONV(), *SQUARE(), measure=False)
    found = shell.run_line_magic("convprofile", f"--compare last two x {options}")
    assert found.names == ("Conv2d", "Sequential")


def test_save_and_against_tell_what_changed(time, shell, tmp_path):
    place = tmp_path / "last.json"
    quick = "--budget 0.05 --no-roofline --no-memory"
    shell.run_line_magic("convprofile", f"one x {quick} --save {place} -q")
    assert isinstance(Profile.from_json(place), Profile)
    found = shell.run_line_magic(
        "convprofile", f"two x {quick} --against {place} --save {place} -r"
    )
    assert found.names == ("Conv2d, last.json", "Sequential, now")
    assert found.total[0].forward.value == pytest.approx(1 / 2)
    assert found.total[0].forward.is_loss
    assert Profile.from_json(place) == found.profiles[1]


def test_a_bad_file_is_told_before_anything_runs(time, shell):
    runs = dict(time.runs)
    with pytest.raises(UsageError, match=r"^%convprofile: nowhere\.json: can't be read"):
        shell.run_line_magic("convprofile", "one x --against nowhere.json")
    assert dict(time.runs) == runs


def test_against_does_not_go_with_compare(shell, tmp_path):
    place = saved(tmp_path, "a.json", timed())
    with pytest.raises(UsageError, match="--against: not together with --compare"):
        shell.run_line_magic("convprofile", f"--compare one two x --against {place}")
