"""config.json knows every version and device that trained a run, and from which step on."""

import json

import pytest

from jaxgen.files import sessions, workdir
from jaxgen.settings.configuration import to_dict

FACTS = {
    "jaxgen": "0.1.0",
    "commit": "abc",
    "python": "3.11.7",
    "packages": {"jax": "0.10.0", "numpy": "2.4.6"},
    "machine": "x86_64, 2 cores",
    "device": {"platform": "cpu", "kind": "cpu", "count": 1, "processes": 1},
    "seeds": [0],
}
NEWER = {**FACTS, "packages": {"jax": "0.12.0", "numpy": "2.4.6"}}
MORE = {**NEWER, "device": {**FACTS["device"], "count": 4}}


@pytest.fixture
def begin(tmp_path, tiny_config):
    plain = to_dict(tiny_config())
    workdir.bind(tmp_path, tiny_config(), FACTS)

    def session(step, facts, config=plain):
        return sessions.begin(tmp_path, step, facts, config)

    return session


def kept(folder):
    contents = json.loads((folder / "config.json").read_text())
    return contents, [entry["from_step"] for entry in contents["sessions"]]


def test_every_session_is_kept_with_its_step(begin, tmp_path):
    assert begin(0, FACTS) == []
    assert begin(10, FACTS) == []
    assert kept(tmp_path)[1] == [0]  # the same versions need no second entry
    assert begin(20, NEWER) == ["jax 0.10.0 there, 0.12.0 now"]
    assert begin(30, MORE) == ["device count 1 there, 4 now"]
    contents, steps = kept(tmp_path)
    assert steps == [0, 20, 30]
    assert [entry["packages"]["jax"] for entry in contents["sessions"]] == ["0.10.0", "0.12.0", "0.12.0"]
    assert contents["packages"] == FACTS["packages"]  # what was there stays
    found = sessions.stretches(sessions.recorded(contents))
    assert [(stretch.first, stretch.last) for stretch in found] == [(0, 20), (20, 30), (30, None)]
    assert sessions.unlike([stretch.session for stretch in found]) == [
        {"jax": "0.10.0", "device count": "1"},
        {"jax": "0.12.0", "device count": "1"},
        {"jax": "0.12.0", "device count": "4"},
    ]


def test_steps_that_were_trained_again_count_for_the_later_session(begin, tmp_path):
    """A damaged checkpoint sends a run back before the step at which its last session began."""
    begin(0, FACTS)
    begin(20, NEWER)
    begin(10, NEWER)
    contents, steps = kept(tmp_path)
    assert steps == [0, 20, 10]
    found = sessions.stretches(sessions.recorded(contents))
    assert [(stretch.first, stretch.last) for stretch in found] == [(0, 10), (10, None)]
    assert found[1].session["packages"]["jax"] == "0.12.0"


def test_a_run_of_an_earlier_version_has_its_first_session_beside_the_list(begin, tmp_path):
    assert "sessions" not in json.loads((tmp_path / "config.json").read_text())
    assert begin(20, NEWER) == ["jax 0.10.0 there, 0.12.0 now"]
    contents, steps = kept(tmp_path)
    assert steps == [0, 20]
    assert contents["sessions"][0]["commit"] == "abc"


def test_another_folder_of_the_data_is_a_session(begin, tmp_path, tiny_config):
    begin(0, FACTS)
    moved = tiny_config()
    moved.data.dir = "/elsewhere"
    assert begin(20, FACTS, to_dict(moved)) == ["data.dir unknown there, /elsewhere now"]
    assert kept(tmp_path)[0]["sessions"][1]["data_dir"] == "/elsewhere"


@pytest.mark.parametrize("damage", [3, {}, [3, {"from_step": "x"}, {}], [{"from_step": True}]])
def test_a_list_of_another_form_is_begun_anew(begin, tmp_path, damage):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "sessions": damage}))
    begin(20, NEWER)
    assert kept(tmp_path)[1] == [0, 20]
