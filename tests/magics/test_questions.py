"""What a line may ask: each question by its option, alone, with what goes with it."""

from types import SimpleNamespace

import pytest
import torch
from asking import refusal, run
from IPython.core.error import UsageError
from torch import nn

import magics.__main__ as command
from magics.errors import InputError
from magics.questions import QUESTIONS
from magics.request import PARSER, read
from magics.studies.sweeping.axes import AXES


class Counts(nn.Module):
    """Counts how often it is called."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.calls = []

    def forward(self, x):
        self.calls.append(tuple(x.shape))
        return self.conv(x)


@pytest.fixture
def shell(one_shell):
    one_shell.user_ns.update(net=Counts(), x=torch.rand(1, 3, 8, 8), sizes=[1, 2], one=1)
    return one_shell


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--sweep batch=0 net x", "--sweep: batch: one value is no sweep (got '0'); give several"),
        ("--compare --sweep batch=1,2 net net x",
         "--sweep: not together with --compare (got both); ask one after the other"),
        ("--advise --distributed net x",
         "--distributed: not together with --advise (got both); ask one after the other"),
        ("net x --on tcp://localhost:1", "--on: only with --sweep (got --on alone)"),
        ("net x --resume s.json --advise", "--resume: only with --sweep"),
        ("--sweep batch=1,2 net x --top 3",
         "--top: not together with --sweep (got both): it chooses rows of layers"),
        ("--sweep batch=1,2 net x --only conv", "--only: not together with --sweep"),
        ("--sweep batch=1,2 net x --depth 1", "--depth: not together with --sweep"),
        ("--advise net x --sort time", "--sort: not together with --advise"),
        ("--advise net x --stable", "--stable: not together with --advise"),
        ("--advise net x --no-measure", "--no-measure: not together with --advise"),
        ("--sweep batch=1,2 net x --against a.json", "--against: not together with --sweep"),
        ("--compare net net x --against a.json", "--against: not together with --compare"),
        ("--sweep batc=1,2 net x", "--sweep: no such axis (got 'batc'); did you mean batch?"),
        ("--sweep colour=1,2 net x",
         "--sweep: no such axis (got 'colour'); choose from batch, size, channels, groups"),
        ("--sweep batch net x", "--sweep: batch: values are missing (got 'batch'); write them"),
        ("--sweep batch= net x", "--sweep: batch: values are missing (got 'batch=')"),
        ("--sweep batch=1, 2, 4 net x",
         "--sweep: batch: values are missing (got 'batch=1,'); write them with commas and without"),
        ("--sweep batch=8 net x",
         "--sweep: batch: one value is no sweep (got '8'); give several, such as batch=1,2,4"),
        ("--sweep batch=one net x", "--sweep: batch: one value is no sweep (got 1)"),
        ("--sweep dtype=float32 net x",
         "one value is no sweep (got 'float32'); give several, such as dtype=float32,bfloat16"),
        ("--sweep batch=1,2 --sweep batch=4,8 net x",
         "--sweep: batch: has its values already (got 'batch=4,8' as well); leave one out"),
        ("--sweep batch=1,2 net x --batch 4",
         "--sweep: batch: has its values already (got 'batch=1,2' as well); leave one out"),
        ("--sweep batch=rang(3) net x", "rang: no such name; define it first"),
        ("--sweep", "argument --sweep: expected one argument; see %convprofile?"),
        ("--sweep batch=1,2", "no model given"),
        ("net x --kwargs 3",
         "--kwargs: no such option; write the model's arguments as they are: NAME=EXPRESSION"),
        ("net x --advice", "--advice: no such option; did you mean --advise?"),
        ("net x --zzz", "--zzz: no such option; choose from --advise, --against"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_one_line_and_nothing_runs(shell, line, message):
    assert message in refusal(shell, line)
    assert shell.user_ns["net"].calls == []


@pytest.mark.parametrize("question", [q for q in QUESTIONS if q.option], ids=lambda q: q.option)
def test_a_cell_asks_nothing_but_its_own_profile(shell, question):
    value = " batch=1,2" if question.option == "sweep" else ""
    with pytest.raises(UsageError) as caught:
        run(shell, f"--{question.option}{value}", "net(x)")
    assert f"--{question.option}: not for a cell, which runs once as it is written" in (
        str(caught.value)
    )  # fmt: skip
    assert f"%convprofile --{question.option} " in str(caught.value)
    assert shell.user_ns["net"].calls == []


def test_every_question_has_someone_who_answers_it():
    for question in QUESTIONS:
        assert callable(question.call())
        if question.loading:
            assert callable(question.call("loading"))


def test_the_help_tells_every_question_and_axis(shell):
    text = shell.find_line_magic("convprofile").__doc__
    for question in QUESTIONS[1:]:
        assert f"--{question.option}" in text
    assert all(axis in text for axis in AXES)
    assert "--sweep batch=1,2,4,... net" in text


def test_a_wrong_only_is_noticed_before_anything_is_measured(shell):
    with pytest.raises(UsageError, match=r"only: no such layer \(got 'cnov'\); did you mean conv"):
        run(shell, "net x --only cnov --budget 60")
    assert len(shell.user_ns["net"].calls) <= 2  # to count; a measurement has tens of them


def test_a_wrong_only_of_a_comparison_is_noticed_before_anything_is_measured(shell):
    with pytest.raises(UsageError, match="only: no such layer"):
        run(shell, "--compare net net x --mode eval,train --only cnov --budget 60")
    assert len(shell.user_ns["net"].calls) <= 4


@pytest.mark.parametrize(
    "line",
    [
        "last.json now.json",
        "./last.json {folder}/now.json",
        "'last.json' \"now.json\"",
        "last now.json",
        "saved.json, now.json",
    ],
)
def test_saved_profiles_are_compared_by_the_names_of_their_files(
    shell, tmp_path, monkeypatch, line
):
    monkeypatch.chdir(tmp_path)
    for name in ("last", "now"):
        run(shell, f"net x --no-measure --save {name}.json")
    calls = len(shell.user_ns["net"].calls)
    shell.user_ns["last"] = "last.json"
    shell.user_ns["saved"] = SimpleNamespace(json="last.json")  # what there is goes first
    found, _ = run(shell, f"-r --compare {line.format(folder=tmp_path)}")
    assert [profile.total.params for profile in found.profiles] == [112, 112]
    assert len(shell.user_ns["net"].calls) == calls


def test_a_saved_profile_is_compared_with_a_model(shell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(shell, "net x --no-measure --save last.json")
    found, _ = run(shell, "-r --compare last.json net x --no-measure")
    assert len(found.profiles) == 2
    with pytest.raises(UsageError, match=r"lost\.json: can't be read"):
        run(shell, "--compare last.json lost.json")


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "asked_nets.py").write_text(
        "from torch import nn\n"
        "dense = nn.Conv2d(8, 8, 3, bias=False)\n"
        "grouped = nn.Conv2d(8, 8, 3, groups=8, bias=False)\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_models_are_compared_from_the_shell(module, capsys):
    words = ["--compare", "asked_nets.py:dense", "asked_nets.py:grouped", "1x8x8x8", "--no-measure"]
    assert command.main(words) == 0
    assert "8.00x fewer MACs" in " ".join(capsys.readouterr().out.split())


def test_a_saved_profile_is_compared_with_a_model_from_the_shell(module, capsys):
    words = ["asked_nets.py:dense", "1x8x8x8", "--no-measure", "--save", "dense.json"]
    assert command.main(words) == 0
    words = ["--compare", "dense.json", "asked_nets.py:grouped", "1x8x8x8", "--no-measure"]
    assert command.main(words) == 0
    assert "8.00x fewer MACs" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sweep", "batch=1,2", "--advise"], "--advise: not together with --sweep"),
        (["--sweep", "batc=1,2"], "--sweep: no such axis (got 'batc'); did you mean batch?"),
        (["--on", "tcp://localhost:1"], "--on: only with --sweep"),
        (["--only", "cnov"], "only: no such layer (got 'cnov')"),
    ],
)
def test_the_shell_is_told_the_same_in_one_line(module, capsys, words, message):
    assert command.main(["asked_nets.py:dense", "1x8x8x8", *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert message in said.err
    assert said.err.count("\n") == 1


def test_a_question_must_be_one_of_the_table():
    with pytest.raises(InputError, match="no such option"):
        command.parser("x", "").options_known(["--spread"])


def test_every_example_of_a_sweep_in_the_help_has_an_input_with_a_batch():
    lines = [line.strip() for line in PARSER.epilog.splitlines() if "--sweep" in line]
    assert lines
    for line in lines:
        shapes = [text for text in read(line.removeprefix("%convprofile")).texts if "x3x" in text]
        assert all(text.count("x") == 3 for text in shapes)
        assert "3x224x224" not in read(line.removeprefix("%convprofile")).texts
