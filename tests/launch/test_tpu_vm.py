"""launch/tpu_vm.sh: the gcloud commands of its four verbs."""

import os
import shlex

import pytest

from tests.launch.commands import LAUNCH, ROOT, program, run

SCRIPT = LAUNCH / "tpu_vm.sh"
TRAINING = ("run", "my-tpu", "--config", "configs/a b.py", "--workdir", "/mnt/runs")


@pytest.fixture
def commands(tmp_path):
    """`commands("delete", "my-tpu")`: what gcloud is asked, printed by DRY_RUN and again by a stand-in for gcloud."""
    asked = tmp_path / "asked"
    environment = program(tmp_path / "bin", "gcloud", f"printf '%q ' gcloud \"$@\" >> {asked}; echo >> {asked}")
    environment["ZONE"] = "z"

    def of(*arguments):
        dry = run([SCRIPT, *arguments], env={**environment, "DRY_RUN": "1"}, cwd=tmp_path)
        assert dry.returncode == 0, dry.stderr
        assert not asked.exists()
        done = run([SCRIPT, *arguments], env=environment, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        # Of the archive's folder only the name differs.
        lines = [[shlex.split(line) for line in text.splitlines()] for text in (dry.stdout, asked.read_text())]
        assert [[part for part in line if "/tmp" not in part] for line in lines[0]] == [
            [part for part in line if "/tmp" not in part] for line in lines[1]
        ]
        for line in lines[0]:
            assert line[:4] == ["gcloud", "compute", "tpus", "tpu-vm"]
            assert "--zone=z" in line
        return [[part for part in line[4:] if part != "--zone=z"] for line in lines[0]]

    return of


def test_create_and_delete(commands):
    flags = ("--accelerator-type=v4-16", "--version=tpu-ubuntu2204-base", "--spot")
    assert commands("create", "my-tpu", *flags) == [["create", "my-tpu", *flags]]


def test_delete_asks_nothing(commands):
    assert commands("delete", "my-tpu") == [["delete", "my-tpu", "--quiet"]]


def test_fetch_copies_from_one_worker_into_a_folder_that_is_made(commands, tmp_path):
    assert commands("fetch", "my-tpu", "/mnt/runs/a", "got/runs") == [
        ["scp", "--recurse", "my-tpu:/mnt/runs/a", "got/runs", "--worker=0"]
    ]
    assert (tmp_path / "got" / "runs").is_dir()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a git checkout")
def test_run_reaches_every_worker_with_arguments_intact(commands):
    copy, install, train = commands(*TRAINING)
    assert [copy[0], install[0], train[0]] == ["scp", "ssh", "ssh"]
    assert copy[2] == "my-tpu:jaxgen.tar.gz"
    assert all("--worker=all" in command for command in (copy, install, train))
    assert ".uv/uv venv -q --allow-existing --python 3.12 .venv" in install[-1]
    assert ".uv/uv pip install -q --python .venv/bin/python -c .constraints.txt -e '.[tpu]'" in install[-1]
    assert "python3" not in install[-1]  # Python 3.10 there
    remote = shlex.split(train[-1].removeprefix("--command="))
    assert remote[:3] == ["cd", "jaxgen", "&&"]
    assert remote[-5:] == ["--distributed", *TRAINING[2:]]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a git checkout")
@pytest.mark.parametrize("there", [True, False])
def test_run_installs_with_a_python_that_is_new_enough(commands, tmp_path, there):
    """The shell of the worker, with stand-ins for the installer and for uv."""
    install = commands(*TRAINING)[1][-1].removeprefix("--command=")
    (tmp_path / "source" / "jaxgen").mkdir(parents=True)
    (tmp_path / "source" / "jaxgen" / "constraints.txt").write_text("jax==0.10.2\nlibtpu==0.0.52\n")
    assert run(["tar", "czf", tmp_path / "jaxgen.tar.gz", "-C", tmp_path / "source", "jaxgen"]).returncode == 0
    program(tmp_path / "bin", "uv", f'echo "$@" >> {tmp_path}/uv_asked')
    (tmp_path / "install.sh").write_text(
        f'mkdir -p "$UV_UNMANAGED_INSTALL" && cp {tmp_path}/bin/uv "$UV_UNMANAGED_INSTALL"\n'
    )
    environment = program(tmp_path / "bin", "curl", f"cat {tmp_path}/install.sh" if there else "exit 22")
    done = run(["bash", "-c", install], env=environment, cwd=tmp_path)
    if not there:
        assert done.returncode != 0
        return
    assert done.returncode == 0, done.stderr
    venv, packages = (tmp_path / "uv_asked").read_text().splitlines()
    assert venv == "venv -q --allow-existing --python 3.12 .venv"
    assert packages == "pip install -q --python .venv/bin/python -c .constraints.txt -e .[tpu]"
    assert (tmp_path / "jaxgen" / ".constraints.txt").read_text() == "jax==0.10.2\n"


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a git checkout")
def test_run_ends_with_the_code_of_what_failed(tmp_path):
    environment = program(tmp_path / "bin", "gcloud", f"echo x >> {tmp_path}/asked; [[ $4 != ssh ]] || exit 3")
    assert run([SCRIPT, *TRAINING], env={**environment, "ZONE": "z"}).returncode == 3
    assert (tmp_path / "asked").read_text() == "x\nx\n"  # nothing trains where nothing was installed


@pytest.mark.parametrize(
    "arguments", [(), ("run",), ("run", "my-tpu"), ("fetch", "my-tpu", "/a"), ("delete", "my-tpu", "b"), ("crate", "a")]
)
def test_anything_else_shows_how(arguments):
    shown = run([SCRIPT, *arguments], env={**os.environ, "ZONE": "z", "DRY_RUN": "1"})
    assert (shown.returncode, shown.stdout) == (2, "")
    for verb in ("create", "run", "fetch", "delete"):
        assert f"launch/tpu_vm.sh {verb} NAME" in shown.stderr
    assert "set -euo" not in shown.stderr


def test_without_a_zone_it_shows_how():
    environment = {name: value for name, value in os.environ.items() if name != "ZONE"}
    assert run([SCRIPT, "delete", "my-tpu"], env=environment).returncode == 2
