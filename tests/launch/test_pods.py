"""The shell of the pods in launch/kubernetes, as it stands: with a stand-in for Python, and as two real pods."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.launch.commands import ROOT, VARIABLES, free_port, program, run
from tests.launch.manifests import JOB, container_of, variables_of

SHELL = container_of(JOB)["args"][0]


def test_the_pods_shell_is_bash_and_shellcheck_finds_nothing(shellcheck, tmp_path):
    path = tmp_path / "pod.sh"
    path.write_text(f"#!/usr/bin/env bash\n{SHELL}")
    found = shellcheck(path)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("finishes", "signalled", "code"), [(True, False, 0), (False, True, 1), (False, False, 7), (False, False, 2)]
)
def test_a_pod_ends_well_only_when_the_run_is_complete(tmp_path, finishes, signalled, code):
    """Kubernetes would take a saved and stopped run for a finished one if the pod ended with 0."""
    body = f'echo "$@" > {tmp_path}/arguments\n'
    if signalled:
        body += (
            f'trap "sleep 0.3; touch {tmp_path}/saved; exit 0" TERM\nkill -TERM "$PPID"\nwhile true; do sleep 0.1; done'
        )
    else:
        body += f"touch {tmp_path}/evaluation.json; exit 0" if finishes else f"exit {code}"
    environment = program(tmp_path / "bin", "python", body)
    environment |= {**variables_of(JOB), "WORKDIR": str(tmp_path), "JOB_COMPLETION_INDEX": "1"}
    done = run(["bash", "-c", SHELL], env=environment)
    assert done.returncode == code
    assert (tmp_path / "saved").exists() == signalled
    assert (
        "--coordinator_address jaxgen-0.jaxgen:8476 --num_processes 2 --process_id 1"
        in (tmp_path / "arguments").read_text()
    )


@pytest.mark.slow
def test_pods_of_an_indexed_job_meet_again_after_one_was_killed(tmp_path, write_tiny):
    """A Job starts each failed index again by itself, while the others may not have noticed yet."""
    config = write_tiny(
        tmp_path / "tiny.py",
        "config.steps, config.log_every = 300, 5",
        "config.checkpoint_every, config.sample_every = 50, 300",
    )
    folder = tmp_path / "run"
    environment = program(tmp_path / "bin", "python", f'exec {sys.executable} "$@"')
    environment |= {**VARIABLES, "CONFIG": str(config), "WORKDIR": str(folder), "PROCESSES": "2"}
    environment |= {"COORDINATOR": f"127.0.0.1:{free_port()}", "KUBERNETES_SERVICE_HOST": "10.0.0.1"}

    def start(index):
        with open(tmp_path / f"{index}.log", "a") as log:
            return subprocess.Popen(
                ["bash", "-c", SHELL],
                env={**environment, "JOB_COMPLETION_INDEX": str(index)},
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    pods, failures = {index: start(index) for index in range(2)}, []
    try:
        deadline = time.monotonic() + 400
        while any(pod.poll() != 0 for pod in pods.values()):
            assert time.monotonic() < deadline, (tmp_path / "0.log").read_text()[-3000:]
            time.sleep(0.05)
            if not failures and (folder / "checkpoints" / "50").is_dir():
                os.killpg(pods[1].pid, signal.SIGKILL)
                pods[1].wait()
            for index, pod in pods.items():
                if pod.poll():
                    failures.append((index, pod.returncode))
                    assert len(failures) < 10, (tmp_path / "0.log").read_text()[-3000:]
                    pods[index] = start(index)
    finally:
        for pod in pods.values():
            if pod.poll() is None:
                os.killpg(pod.pid, signal.SIGKILL)
                pod.wait()
    assert (1, -signal.SIGKILL) in failures
    assert {index for index, _ in failures} == {0, 1}
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(5, 301, 5))
    log = (tmp_path / "0.log").read_text()
    assert "resuming at step" in log
    # JAX asks for a package by which it would learn from the cluster what the flags say.
    assert "Kubernetes environment detected" not in log
    # What comes too late ends well, since it would find none of the others.
    again = run(["bash", "-c", SHELL], env={**environment, "JOB_COMPLETION_INDEX": "1"})
    assert again.returncode == 0
    assert again.stdout.startswith(f"complete: {folder}/evaluation.json is there")
