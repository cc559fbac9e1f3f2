"""An evaluation by several processes: each does its share, and the numbers are those of one process."""

import json

import pytest

TIMED = 8  # images of a batch with which the first process times the network (jaxgen/evaluation/cost.py)
METRICS = ("psnr", "bits_per_dim", "active_units", "fid", "kid", "memorisation", "feature_path_length")
CHANGES = (
    "config.recipe.name, config.model.name, config.model.batch_norm = 'vae', 'conv_vae', False",
    "config.eval_every, config.evaluation.num_samples_in_training = 10, 32",
    f"config.evaluation.metrics, config.evaluation.extractor = {METRICS}, 'counted.network'",
    "config.evaluation.num_samples, config.evaluation.batch_size = 90, 32",
    "config.evaluation.allow_few_samples, config.evaluation.latent_samplers = True, ('normal',)",
    "config.evaluation.pictures = False",  # they show up to 2,000 images to the primary process's network
)
# The name of the file tells the process; each line of it is a call.
NETWORK = '''
"""A random projection that takes note of how many images it is shown."""

import os

import jax
import jax.numpy as jnp

from jaxgen.metrics.extractors.base import Extractor

WEIGHTS = 0.01 * jax.random.normal(jax.random.key(0), (64, 12))


@jax.jit
def project(images):
    features = jnp.tanh(images.reshape(len(images), -1).astype(jnp.float32) @ WEIGHTS)
    return features, features


def apply(images):
    if jax.core.is_concrete(images):
        with open(f"{os.environ['COUNTED']}_{jax.process_index()}", "a") as file:
            file.write(f"{len(images)}\\n")
    return project(images)


def load(**options):
    return Extractor("counted.network", "0", 8, "none", "none", 12, apply, label="counted")
'''


@pytest.fixture
def counted(start_run, tmp_path):
    """`counted(name, mode, processes)` runs to the end: evaluation.json, and images shown to each process's network."""
    (tmp_path / "counted").mkdir()
    (tmp_path / "counted" / "network.py").write_text(NETWORK)

    def run(name, mode, processes, *changes):
        # A cache of its own: what one run has computed must not spare the next one the work.
        variables = {"PYTHONPATH": str(tmp_path), "JAXGEN_CACHE": str(tmp_path / f"{name}_cache")}
        variables |= {"COUNTED": str(tmp_path / name)}
        devices = 4 // processes
        running = start_run(
            *CHANGES, *changes, processes=processes, devices=devices, arguments=[f"--mode={mode}"], **variables
        )
        codes = [process.wait(timeout=240) for process in running]
        logs = [(tmp_path / f"{i}.log").read_text() for i in range(processes)]
        assert not any(codes), "\n".join(text[-3000:] for text in logs)
        batches = [[int(n) for n in (tmp_path / f"{name}_{i}").read_text().split()] for i in range(processes)]
        shown = [sum(n for n in each if n != TIMED) for each in batches]
        return json.loads((tmp_path / "run" / "evaluation.json").read_text()), shown

    return run


def numbers(results):
    """What does not depend on when and where it was measured."""
    return {
        f"{name}.{key}": value
        for name, record in results.items()
        if not name.startswith("_")
        for key, value in record.items()
        if isinstance(value, int | float) and not key.startswith("seconds")
    }


@pytest.mark.full
@pytest.mark.parametrize(
    "change", ["config.shard_optimizer = True", pytest.param("config.num_seeds = 2", marks=pytest.mark.slow)]
)
def test_two_processes_share_an_evaluation_and_give_the_numbers_of_one(counted, tmp_path, change):
    """After training, where one was made in its midst too, and by --mode=evaluate."""
    trained, shown_in_training = counted("trained", "train", 2, change)
    two, shown = counted("two", "evaluate", 2, change)
    one, shown_to_one = counted("one", "evaluate", 1, change)
    assert shown[0] == shown[1] == shown_to_one[0] / 2
    assert shown_in_training[0] == shown_in_training[1] > shown[0]
    expected = numbers(one)
    assert {name.split(".")[0] for name in expected} >= {"psnr", "bits_per_dim", "kid_counted", "kid_counted_normal"}
    assert numbers(two) == pytest.approx(expected, rel=1e-5)
    assert numbers(trained) == pytest.approx(expected, rel=1e-5)
    assert (trained["_run"]["device"]["processes"], one["_run"]["device"]["processes"]) == (2, 1)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert {line["step"] for line in lines if "psnr" in line} == {10}
