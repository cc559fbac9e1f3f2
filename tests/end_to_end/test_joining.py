"""How a process joins the others of its run: what is wrong with the flags is one line and exit code 2."""

import socket
import subprocess

import pytest

from jaxgen.devices import processes
from jaxgen.errors import UserError

CLUSTERS = ("SLURM_JOB_ID", "OMPI_MCA_orte_hnp_uri", "PMIX_NAMESPACE", "KUBERNETES_SERVICE_HOST")


@pytest.fixture
def refused(tmp_path, write_tiny, start_process, monkeypatch):
    """`refused("--distributed", ...) -> line`: all that a process says, which ends with code 2 and makes no run."""
    for name in (*CLUSTERS, "JAX_COORDINATOR_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    config = write_tiny(tmp_path / "tiny.py")

    def run(*arguments, **variables):
        process = start_process(
            *("-m", "jaxgen.main", "--config", config, "--workdir", tmp_path / "run", *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **variables,
        )
        out, err = process.communicate(timeout=240)
        assert (process.returncode, out) == (2, ""), err
        assert not (tmp_path / "run").exists()
        assert err.startswith("jaxgen: error: --")
        assert err.count("\n") == 1, err
        return err

    return run


@pytest.mark.parametrize(
    "variables",
    [{}, pytest.param({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, marks=pytest.mark.full)],
    ids=["machine", "pod"],
)
def test_distributed_outside_a_cluster_says_which_flags_are_missing(refused, variables):
    line = refused("--distributed", "--num_processes=2", **variables)
    assert "no cluster gives --coordinator_address, --process_id" in line
    assert "pass these flags, or leave out --distributed" in line


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::")], ids=["4", "6"])
def test_a_port_that_is_taken_is_named(family, host):
    with socket.socket(family) as taken:
        taken.bind((host, 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UserError, match=f"^--coordinator_address={address}: process 0 cannot listen .*in use"):
            processes.start_processes(address, 2, 0)


def test_a_port_that_is_taken_on_slurm_is_named(monkeypatch):
    job = {"JOB_ID": "42", "STEP_NODELIST": "localhost", "NTASKS": "2", "PROCID": "0", "LOCALID": "0"}
    for name, value in job.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("JAX_COORDINATOR_PORT", str(port))
        with pytest.raises(UserError, match=f"^--distributed on SLURM, localhost:{port}: .*JAX_COORDINATOR_PORT=PORT"):
            processes.start_processes(None, None, None)


def test_flags_of_one_of_several_need_distributed(refused):
    assert "--num_processes needs --distributed" in refused("--num_processes=2", "--process_id=1")


@pytest.mark.parametrize(
    "address", ["node1", "node1:", ":8476", "node1:port", "node1:0", "node1:65536", "fd00::1", "a b:1"]
)
def test_an_address_is_a_host_and_a_port(address):
    with pytest.raises(UserError, match=r"^--coordinator_address=.*: not host:port, such as "):
        processes.start_processes(address, 2, 0)


@pytest.mark.parametrize(
    ("count", "number", "line"),
    [
        (2, 2, "--process_id=2 with --num_processes=2: the numbers go from 0 to 1"),
        (None, -1, "--process_id=-1: at least 0"),
        (0, None, "--num_processes=0: at least 1"),
    ],
)
def test_numbers_of_processes_fit_together(count, number, line):
    with pytest.raises(UserError) as error:
        processes.start_processes("[fd00::1]:8476", count, number)
    assert str(error.value).startswith(line)
