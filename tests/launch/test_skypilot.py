"""launch/skypilot.yaml: by SkyPilot's own parser, and its shell with a stand-in for Python."""

import importlib.util
import json
import os
import sys

import pytest
import yaml

from tests.launch.commands import LAUNCH, ROOT, program, run

PATH = LAUNCH / "skypilot.yaml"
TASK = yaml.safe_load(PATH.read_text())
PARSE = """
import json, sys
import sky
from sky.utils import schemas

task = sky.Task.from_yaml(sys.argv[1])
(resources,) = task.resources
print(json.dumps([task.name, task.num_nodes, resources.accelerators, resources.use_spot, list(task.storage_mounts)]))
# Of this part the parser takes any names.
_, recovery = schemas.get_resources_schema()["properties"]["job_recovery"]["anyOf"][:2]
print(sorted(resources.job_recovery.keys() - recovery["properties"].keys()))
"""


@pytest.fixture
def parse(tmp_path):
    """`parse(path)` -> the finished process in which SkyPilot has read a task; it keeps its state below the home."""
    if importlib.util.find_spec("sky") is None:
        pytest.skip("needs the extra launch (SkyPilot)")
    environment = {**os.environ, "HOME": str(tmp_path), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}
    return lambda path: run([sys.executable, "-c", PARSE, path], env=environment)


def test_skypilots_own_parser_reads_the_task(parse):
    done = parse(PATH)
    assert done.returncode == 0, done.stderr[-3000:]
    read, unknown = map(json.loads, done.stdout.splitlines()[-2:])
    assert read == ["jaxgen", 1, {"A100": 8}, True, ["/runs"]]
    assert unknown == []


@pytest.mark.parametrize(
    ("path", "field"), [((), "num_node"), (("resources",), "use_spots"), (("file_mounts", "/runs"), "modes")]
)
def test_the_parser_refuses_a_misspelt_field(parse, tmp_path, path, field):
    broken = yaml.safe_load(PATH.read_text())
    part = broken
    for name in path:
        part = part[name]
    part[field] = 1
    (tmp_path / "broken.yaml").write_text(yaml.safe_dump(broken))
    done = parse(tmp_path / "broken.yaml")
    assert done.returncode != 0
    assert field in done.stderr


def test_the_work_directory_is_in_the_bucket():
    assert TASK["envs"]["WORKDIR"].startswith(f"{next(iter(TASK['file_mounts']))}/")
    assert (ROOT / TASK["envs"]["CONFIG"]).is_file()


@pytest.mark.parametrize("part", ["setup", "run"])
def test_the_shell_is_bash_and_shellcheck_finds_nothing(shellcheck, tmp_path, part):
    path = tmp_path / "part.sh"
    path.write_text(f"#!/usr/bin/env bash\n{TASK[part]}")
    found = shellcheck(path)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("nodes", "flags"),
    [(1, ""), (2, " --distributed --coordinator_address 10.0.0.1:8476 --num_processes 2 --process_id 1")],
)
def test_one_node_trains_alone_and_several_together(tmp_path, nodes, flags):
    done = shell(tmp_path, nodes, f'echo "$@"; touch {tmp_path}/work/evaluation.json')
    assert done.returncode == 0
    assert done.stdout == f"-m jaxgen.main --config {TASK['envs']['CONFIG']} --workdir {tmp_path}/work{flags}\n"


@pytest.mark.parametrize(("python", "code"), [("exit 0", 1), ("exit 2", 2), ("exit 137", 137)])
def test_a_job_ends_well_only_when_the_run_is_complete(tmp_path, python, code):
    """SkyPilot would take a run that saved and stopped, since its node was taken away, for a finished one."""
    assert shell(tmp_path, 1, python).returncode == code


def shell(folder, nodes, python):
    """The task's `run` as it stands, as the second node where there are several."""
    (folder / "work").mkdir()
    (folder / ".venv").mkdir()
    environment = program(folder / ".venv" / "bin", "python", python)
    environment |= {
        **TASK["envs"],
        "WORKDIR": str(folder / "work"),
        "SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2",
        "SKYPILOT_NUM_NODES": str(nodes),
        "SKYPILOT_NODE_RANK": "1",
    }
    return run(["bash", "-c", TASK["run"]], env=environment, cwd=folder)
