"""``%convprofile`` in a real kernel, with nothing but ``import nbimport`` before it."""

import re
from contextlib import contextmanager

import pytest
from jupyter_client.manager import KernelManager


@contextmanager
def started(folder):
    """Start a kernel, and import nbimport in it."""
    manager = KernelManager()
    manager.start_kernel(cwd=str(folder))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        run(client, "import nbimport")
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with started(tmp_path_factory.mktemp("notebooks")) as client:
        yield client


NET = "import torch\nnet = torch.nn.Conv2d(3, 4, 3, bias=False)\n"


def run(client, code):
    """Run a cell; return its reply and the contents of what it sent, by type of message."""
    sent = {}

    def keep(message):
        sent.setdefault(message["msg_type"], []).append(message["content"])

    reply = client.execute_interactive(code, timeout=120, output_hook=keep)
    return reply["content"], sent


def text_of(sent):
    return "".join(content["text"] for content in sent.get("stream", []))


def test_importing_nbimport_offers_the_magic_and_loads_nothing_for_it(client):
    _, sent = run(client, "import sys; print({'magics', 'torch'} & set(sys.modules))")
    assert text_of(sent) == "set()\n"


def test_the_first_use_loads_it_and_shows_text_and_html(client):
    cell = f"{NET}%convprofile net 1x3x8x8 --no-measure -o kept\nkept.total.macs"
    reply, sent = run(client, cell)
    assert reply["status"] == "ok"
    (shown,) = sent["display_data"]
    assert set(shown["data"]) == {"text/plain", "text/html"}
    assert sent["execute_result"][0]["data"]["text/plain"] == "3888"


def test_a_mistake_is_one_line(client):
    run(client, NET)
    reply, sent = run(client, "%convprofile nett 1x3x8x8")
    assert reply["status"] == "error"
    assert reply["ename"] == "UsageError"
    assert text_of(sent) == "UsageError: %convprofile: nett: no such name; did you mean net?\n"


def help_of(client):
    reply, _ = run(client, "%convprofile?")
    (page,) = reply["payload"]
    return re.sub(r"\x1b\[[0-9;]*m", "", page["data"]["text/plain"])


def test_a_question_mark_shows_the_help(client):
    help_text = help_of(client)
    assert "--backward" in help_text
    assert "%convprofile net 8x3x224x224" in help_text


def test_a_question_mark_and_tab_work_before_the_first_use(client, tmp_path):
    with started(tmp_path) as fresh:
        assert help_of(fresh) == help_of(client)
    with started(tmp_path) as fresh:
        text = "%convprofile --ba"
        matches = fresh.complete(text, len(text), reply=True, timeout=120)["content"]["matches"]
        assert matches == ["--backward", "--batch"]


def test_nothing_is_printed_but_the_report(client):
    _, sent = run(client, f"{NET}%convprofile net 1x3x32x32 --budget 0.2")
    assert "stream" not in sent
    # On a busy machine a progress bar may have come and gone: an output without content.
    assert len([shown for shown in sent["display_data"] if shown["data"]]) == 1


def test_a_cell_is_profiled_with_its_output_and_its_value(client):
    cell = f"%%convprofile -o kept\n{NET}print('seen')\nnet(torch.rand(1, 3, 8, 8)).shape[1]"
    reply, sent = run(client, cell)
    assert reply["status"] == "ok"
    assert text_of(sent) == "seen\n"
    assert sent["execute_result"][0]["data"]["text/plain"] == "4"
    (shown,) = sent["display_data"]
    assert "the cell ran once" in shown["data"]["text/plain"]
    _, sent = run(client, "kept.total.macs, Out[max(Out)]")
    assert sent["execute_result"][0]["data"]["text/plain"] == "(3888, 4)"


def test_an_error_in_a_cell_is_an_error_of_the_cell(client):
    reply, sent = run(client, f"%%convprofile\n{NET}net(torch.rand(1, 3, 8, 8))\n1 / 0")
    assert reply["status"] == "error"
    assert reply["ename"] == "ZeroDivisionError"
    (error,) = sent["error"]
    trace = re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(error["traceback"]))
    assert "line 5" in trace
    assert "magics" not in trace
    assert "net" in sent["display_data"][0]["data"]["text/plain"]
