"""Every bad file, in every command that reads files: code 2 and exactly one line."""

from __future__ import annotations

import json

import pytest
from bad_inputs import INSTANCE, bad_instances, bad_results

INSTANCES = list(bad_instances())
# Facts without channel counts are bad only where there is no instance beside them.
RESULTS = [case for case in bad_results() if "field 'channels' is missing" not in case.phrase]


@pytest.mark.parametrize("case", INSTANCES, ids=lambda case: case.name)
def test_bad_instance_is_refused(refused, tmp_path, case):
    """A bad instance is refused by name, with the rule it breaks."""
    path = tmp_path / case.name
    path.write_bytes(case.data)
    line = refused("solve", path, "--backend", "identity")
    assert case.name in line
    assert case.phrase in line


@pytest.mark.parametrize("command", ["show", "convert", "verify"])
@pytest.mark.parametrize("case", INSTANCES[::9], ids=lambda case: case.name)
def test_bad_instance_is_refused_by_the_others(refused, tmp_path, case, command):
    """The other commands refuse the same files in the same words."""
    path = tmp_path / case.name
    path.write_bytes(case.data)
    more = {"show": [], "convert": [tmp_path / "out.json"], "verify": [tmp_path / "r.json"]}
    assert case.phrase in refused(command, path, *more[command])
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize("case", RESULTS, ids=lambda case: case.name)
def test_bad_result_is_refused(refused, tmp_path, case):
    """A bad result is refused by name, with the rule it breaks."""
    instance, result = tmp_path / "good.json", tmp_path / case.name
    instance.write_text(json.dumps(INSTANCE), encoding="utf-8")
    result.write_bytes(case.data)
    line = refused("verify", instance, result)
    assert case.name in line
    assert case.phrase in line


@pytest.mark.parametrize("command", ["show", "solve"])
@pytest.mark.parametrize("case", RESULTS[::9], ids=lambda case: case.name)
def test_bad_result_is_refused_by_the_others(refused, tmp_path, case, command):
    """The other commands refuse the same results in the same words."""
    instance, result = tmp_path / "good.json", tmp_path / case.name
    instance.write_text(json.dumps(INSTANCE), encoding="utf-8")
    result.write_bytes(case.data)
    more = ["--warm-start", result] if command == "solve" else [result]
    assert case.phrase in refused(command, instance, *more)


@pytest.mark.parametrize("name", ["none.json", "no/folder/none.json", "nothing-*.json"])
def test_missing_file_is_bad_input(refused, tmp_path, name):
    """A file that is not there is named."""
    assert name in refused("solve", tmp_path / name)


def test_control_characters_in_a_name_are_escaped(refused, tmp_path):
    """A file name cannot send escape sequences to the terminal."""
    assert "\\x1b[31m" in refused("solve", tmp_path / "a\x1b[31m.json")
