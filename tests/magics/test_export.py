"""What a profile is saved as is documented, and older forms can still be read."""

import json
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
from examples import everything

from magics.records import SCHEMA, Ceilings, LayerProfile, Measurement, Profile, ReceptiveField

DOCUMENT = Path(__file__).parents[2] / "docs" / "profile-json.md"
SAVED = Path(__file__).parent / "saved_profile_1.json"


def tables():
    """Return the documented fields of each table: name -> default, as written."""
    found, current = [], None
    for line in DOCUMENT.read_text(encoding="utf-8").split("\n"):
        if line.startswith("| field"):
            current = {}
            found.append(current)
        elif line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            for name in re.findall(r"`(\w+)`", cells[0]):
                current[name] = cells[-1].strip("`")
    return found


def defaults(record):
    """Return the fields of a record: name -> default, as JSON writes it."""
    found = {}
    for item in fields(record):
        if item.default_factory is not MISSING:
            found[item.name] = json.dumps(item.default_factory())
        else:
            found[item.name] = "required" if item.default is MISSING else json.dumps(item.default)
    return found


@pytest.mark.parametrize(
    ("place", "record"),
    list(enumerate([Profile, LayerProfile, Measurement, ReceptiveField, Ceilings])),
)
def test_every_field_is_documented_with_its_default(place, record):
    documented = tables()[place]
    if record is Profile:
        assert documented.pop("schema") == "required"
    assert documented == defaults(record)


def test_the_documented_version_is_the_one_that_is_written():
    assert f"**{SCHEMA}**" in DOCUMENT.read_text(encoding="utf-8")
    assert json.loads(everything().to_json())["schema"] == SCHEMA


def test_what_the_first_release_saved_is_still_read_and_shown():
    made = Profile.from_json(SAVED)
    assert made.model == "Net"
    assert [row.name for row in made.layers] == ["stem", "stem", "head"]
    assert made.total.macs == 41_472_000  # 6,912,000 times 1 + 2 + 3
    assert "stem (call 2)" in str(made)


def test_fields_of_a_later_release_are_left_alone():
    data = json.loads(SAVED.read_text(encoding="utf-8"))
    data["mood"] = "good"
    data["layers"][0]["colour"] = "blue"
    assert Profile.from_json(json.dumps(data)) == Profile.from_json(SAVED)
