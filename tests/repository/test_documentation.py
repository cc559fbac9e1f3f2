"""The commands of the documentation parse: their flags exist, and their configs can be runs."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from absl import flags
from ml_collections import config_flags

from jaxgen.settings import checks
from jaxgen.study import definition

# ml_collections reads config files by a way that Python gives up in 3.12.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "launch" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# What jaxgen.main has beside the config.
FLAGS = ("workdir", "mode", "checkpoint", "topology", "coordinator_address", "num_processes", "process_id")


def commands():
    """`jaxgen.main` with a file of configs/, as arguments, with the page that shows it."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for block in re.findall(r"^```bash\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                if "jaxgen.main" in words and "configs/" in line:
                    arguments = words[words.index("jaxgen.main") + 1 :]
                    found.append(pytest.param(arguments, id=f"{page.relative_to(ROOT)}: {' '.join(arguments)[:60]}"))
    return found


def test_there_are_commands():
    assert len(commands()) > 40


@pytest.mark.parametrize("arguments", commands())
def test_a_command_can_be_run(arguments, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["jaxgen.main", *arguments])  # ml_collections looks for overrides there
    values = flags.FlagValues()
    for name in FLAGS:
        flags.DEFINE_string(name, None, "as in jaxgen.main", flag_values=values)
    flags.DEFINE_bool("distributed", False, "as in jaxgen.main", flag_values=values)
    chosen = config_flags.DEFINE_config_file("config", lock_config=True, flag_values=values)
    assert values(sys.argv) == ["jaxgen.main"]
    if definition.is_study(chosen.value):
        definition.read(chosen.value, values["config"].config_filename)
    else:
        checks.check(chosen.value)


WALKS = {"a": 8, "b": 8, "c": 9, "d": 9, "e": 9}  # at most so many files


def steps_of_walks():
    """(walk, file, names in it) of each numbered line of docs/concepts/architecture.md."""
    walk, steps = "", []
    for line in (ROOT / "docs" / "concepts" / "architecture.md").read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"### \((\w)\)", line):
            walk = heading[1]
        if step := re.match(r"\d+\. `([^`]+)`: (?:`(\w+)(?:\(\))?`|)(?:.*?`(\w+)\(\)`)?", line):
            steps.append((walk, step[1], [name for name in step.groups()[1:] if name]))
    return steps


def test_walks_through_the_code_are_short():
    lengths = {walk: [w for w, *_ in steps_of_walks()].count(walk) for walk in WALKS}
    assert all(3 < lengths[walk] <= most for walk, most in WALKS.items()), lengths


@pytest.mark.parametrize(("walk", "file", "names"), steps_of_walks())
def test_steps_of_walks_are_there(walk, file, names):
    assert names or file.startswith("configs/")
    text = (ROOT / file).read_text(encoding="utf-8")
    for name in names:
        assert re.search(rf"^ *(def|class) {name}\b", text, re.MULTILINE), name
