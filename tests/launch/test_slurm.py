"""launch/slurm.sh: as itself with stand-ins for srun and scontrol; one stand-in starts real tasks as SLURM does."""

import json
import random
import sys

import pytest

from tests.launch.commands import LAUNCH, ROOT, VARIABLES, is_free, program, run

SCRIPT = LAUNCH / "slurm.sh"
# Two tasks of one node with what JAX reads of SLURM's variables; the exit code is the highest, as srun's is.
SRUN = """
while [[ $1 == -* ]]; do shift; done
export SLURM_NTASKS=2 SLURM_STEP_NODELIST=localhost,node2 SLURM_STEP_NUM_NODES=1
for i in 0 1; do
  SLURM_PROCID=$i SLURM_LOCALID=$i "$@" & pids+=($!)
done
highest=0
for pid in "${pids[@]}"; do
  wait "$pid" && code=0 || code=$?
  ((code <= highest)) || highest=$code
done
exit "$highest"
"""


@pytest.fixture
def cluster(tmp_path):
    """The environment of a job whose srun ends with SRUN_CODE, and which leaves what it was asked in files."""
    environment = program(tmp_path / "bin", "srun", f'echo "$@" > {tmp_path}/srun; exit "${{SRUN_CODE:-0}}"')
    program(tmp_path / "bin", "scontrol", f'echo "$@" > {tmp_path}/scontrol')
    return {**environment, "SLURM_JOB_ID": "42", "SLURM_SUBMIT_DIR": str(tmp_path)}


def free_job():
    """The id of a job at whose port, which JAX derives from it, nobody listens."""
    ids = random.sample(range(4096), 100)
    return str(next(job for job in ids if is_free(65535 - 4096 + 1 + job)))


@pytest.mark.full
def test_tasks_find_each_other_by_slurms_variables_and_train_together(tmp_path, write_tiny):
    config = write_tiny(tmp_path / "tiny.py", "config.data.limit, config.steps = 64, 10")
    environment = program(tmp_path / "bin", "srun", SRUN)
    program(tmp_path / "bin", "scontrol", f'echo "$@" > {tmp_path}/scontrol')
    job = {"SLURM_JOB_ID": free_job(), "SLURM_SUBMIT_DIR": str(ROOT), "PYTHON": sys.executable}
    command = ["bash", SCRIPT, "--config", config, "--workdir", tmp_path / "run"]
    done = run(command, env={**environment, **VARIABLES, **job})
    assert done.returncode == 0, done.stderr[-3000:]
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert (evaluation["_run"]["device"]["count"], evaluation["_run"]["device"]["processes"]) == (4, 2)
    assert evaluation["_run"]["step"] == 10
    assert not (tmp_path / "scontrol").exists()


@pytest.mark.full
def test_what_all_tasks_refuse_ends_the_job_with_code_2(tmp_path, write_tiny):
    """Both are told before they end, so that srun's exit code says so too."""
    config = write_tiny(tmp_path / "tiny.py", "config.num_devices = 3")
    environment = program(tmp_path / "bin", "srun", SRUN)
    program(tmp_path / "bin", "scontrol", f'echo "$@" > {tmp_path}/scontrol')
    job = {"SLURM_JOB_ID": free_job(), "SLURM_SUBMIT_DIR": str(ROOT), "PYTHON": sys.executable}
    done = run(
        ["bash", SCRIPT, "--config", config, f"--workdir={tmp_path}/run"], env={**environment, **VARIABLES, **job}
    )
    assert done.returncode == 2, done.stderr[-3000:]
    assert done.stderr.count("jaxgen: error: ") == 2
    assert not (tmp_path / "scontrol").exists()


@pytest.mark.parametrize(
    ("code", "restarts", "requeued"), [(0, 99, True), (2, 0, False), (1, 0, True), (137, 19, True), (137, 20, False)]
)
def test_what_is_not_complete_goes_back_into_the_queue(tmp_path, cluster, code, restarts, requeued):
    variables = {"SRUN_CODE": str(code), "SLURM_RESTART_COUNT": str(restarts)}
    done = run(["bash", SCRIPT, "--config", "a b.py", "--workdir", tmp_path / "work"], env={**cluster, **variables})
    assert done.returncode == code
    assert (tmp_path / "scontrol").exists() == requeued
    if requeued:
        assert (tmp_path / "scontrol").read_text() == "requeue 42\n"
    assert "-m jaxgen.main --distributed --config a b.py" in (tmp_path / "srun").read_text()


def test_a_complete_run_stays_ended(tmp_path, cluster):
    (tmp_path / "evaluation.json").write_text("{}")
    for workdir in (["--workdir", tmp_path], [f"--workdir={tmp_path}"]):
        assert run(["bash", SCRIPT, "--config", "a.py", *workdir], env=cluster).returncode == 0
        assert (tmp_path / "srun").exists()
        assert not (tmp_path / "scontrol").exists()


def test_a_job_without_workdir_is_refused(cluster):
    missing = run(["bash", SCRIPT, "--config", "a.py"], env=cluster)
    assert missing.returncode == 2
    assert "--workdir is missing" in missing.stderr


def test_the_job_asks_for_a_signal_in_time_and_one_process_per_gpu():
    options = dict(
        line.removeprefix("#SBATCH --").partition("=")[::2]
        for line in SCRIPT.read_text().splitlines()
        if line.startswith("#SBATCH")
    )
    assert options["signal"] == "TERM@60"
    assert "requeue" in options
    assert options["ntasks-per-node"] == options["gpus-per-node"]
