"""Whatever lies where bytecode should: the right module is imported, and the entry mended."""

import marshal
import os
import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nbimport.machinery import cache

# Imports nb anew for every damaged entry, and expects it to be what it is.
EVERY = """
import importlib, os, random, sys
import nb
entry = nb.__cached__
with open(entry, "rb") as file:
    good = file.read()
def check(damaged):
    with open(entry, "wb") as file:
        file.write(damaged)
    del sys.modules["nb"]
    again = importlib.import_module("nb")
    assert (again.x, again.f()) == ([1, "two"], 3), damaged
    with open(entry, "rb") as file:
        assert file.read() != damaged, damaged
"""


@pytest.fixture
def nb(notebook):
    return notebook("nb.ipynb", "x = [1, 'two']", "def f():\n    return x[0] + 2")


def test_an_entry_truncated_at_any_length_is_ignored_and_replaced(nb, python):
    python(EVERY + "for length in range(len(good)): check(good[:length])")


def test_an_entry_with_any_byte_changed_is_ignored_and_replaced(nb, python):
    python(
        EVERY + "for place in range(len(good)):\n"
        "    flipped = good[place] ^ (1 << place % 8)\n"
        "    check(good[:place] + bytes([flipped]) + good[place + 1 :])"
    )


def test_an_entry_with_its_blocks_missing_doubled_or_zeroed_is_ignored_and_replaced(nb, python):
    python(
        EVERY + "dice = random.Random(1)\n"
        "for _ in range(60):\n"
        "    a, b = sorted(dice.sample(range(len(good) + 1), 2))\n"
        "    check(good[:a] + good[b:])\n"
        "    check(good[:b] + good[a:])\n"
        "    zeroed = good[:a] + bytes(b - a) + good[b:]\n"
        "    if zeroed != good: check(zeroed)"
    )


PAYLOADS = st.lists(
    st.none() | st.integers() | st.text(max_size=5) | st.binary(max_size=5), max_size=4
).map(tuple)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("entries") / "entry.pyc"


@given(st.binary(max_size=60), st.data(), PAYLOADS)
@settings(max_examples=100, deadline=None)
def test_whatever_is_read_back_is_what_was_written_or_nothing(place, digest, data, payload):
    status = Path(__file__).stat()
    stamp = cache.stamp_of(status)
    packed = cache.packed(stamp, "path", "key", digest, (payload,))
    place.write_bytes(packed)
    entry = cache.read(str(place), "path", "key", status)
    assert (entry.fresh, entry.digest, entry.payload) == (True, digest, (payload,))
    assert cache.read(str(place), "another", "key", status) is None
    assert cache.read(str(place), "path", "another", status) is None
    spot = data.draw(st.integers(0, len(packed) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != packed[spot]))
    place.write_bytes(packed[:spot] + bytes([byte]) + packed[spot + 1 :])
    assert cache.read(str(place), "path", "key", status) is None
    place.write_bytes(data.draw(st.binary(max_size=80)))
    assert cache.read(str(place), "path", "key", status) is None


def test_what_cannot_be_stored_is_not_written(tmp_path):
    assert cache.packed((0, 0, 0, 0), "path", "key", b"", (object(),)) == b""
    cache.write(str(tmp_path / "entry.pyc"), 0o644, b"")
    assert not any(tmp_path.iterdir())


def put_fifo(entry):
    os.mkfifo(entry)


def put_folder(entry):
    entry.mkdir()
    (entry / "inside").write_text("")


def put_dangling_link(entry):
    entry.symlink_to(entry.parent / "nowhere")


def put_link_loop(entry):
    entry.symlink_to(entry)


def put_device(entry):
    entry.symlink_to("/dev/zero")


def put_unreadable(entry):
    entry.write_bytes(b"")
    entry.chmod(0)


@pytest.mark.parametrize(
    "put",
    [put_fifo, put_folder, put_dangling_link, put_link_loop, put_device, put_unreadable],
)
def test_what_is_no_file_in_the_place_of_the_entry_neither_hangs_nor_fails_the_import(
    nb, python, tmp_path, put
):
    entry = tmp_path / "__pycache__" / f"nb.ipynb.{sys.implementation.cache_tag}.pyc"
    entry.parent.mkdir()
    put(entry)
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    snippet = "import nb; print(nb.f()); print(nb.__cached__)"
    assert python(snippet, env=env) == python(snippet, env=env) == f"3\n{entry}\n"
    assert put is put_folder or stat.S_ISREG(entry.lstat().st_mode)
    if put is put_folder:  # then it lies among the user's caches
        assert list((tmp_path / "cache").rglob(entry.name))


def test_an_entry_that_is_a_link_is_not_written_through(nb, python, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    entry = tmp_path / "__pycache__" / f"nb.ipynb.{sys.implementation.cache_tag}.pyc"
    entry.parent.mkdir()
    entry.symlink_to(precious)
    assert python("import nb; print(nb.f())") == "3\n"
    assert precious.read_text() == "keep me"
    assert not entry.is_symlink()


def test_marshalled_values_that_are_no_entry_are_ignored(nb, python, tmp_path):
    python("import nb")
    (entry,) = (tmp_path / "__pycache__").iterdir()
    good = entry.read_bytes()
    for value in ((), 5, "text", [1] * 5, ((0,) * 4, "a", "b", b"", ()), None, (1,) * 6):
        body = marshal.dumps(value)
        # With a checksum that is right: nobody but nbimport writes one, but it must not raise.
        bad = good[:8] + cache.source_hash(cache._HASH_KEY, body) + body
        entry.write_bytes(bad)
        assert python("import nb; print(nb.f())") == "3\n", value
        assert entry.read_bytes() != bad, value
