"""The ring of eight Gaussians: good GANs cover it and raise no alarm; one with too large a rate collapses."""

import json

import pytest


def trained(start_process, folder, config, *changes):
    """evaluation.json of a run with the optimised program, and the names of the alarms that went off."""
    command = ["-m", "jaxgen.main", "--config", f"configs/{config}.py", "--workdir", folder]
    pictures = ["--config.sample_every=0", "--config.histogram_every=0", "--config.evaluation.pictures=False"]
    process = start_process(*command, *pictures, *changes, JAX_DISABLE_MOST_OPTIMIZATIONS="0")
    assert process.wait() == 0
    events = json.loads((folder / "alarms.json").read_text())["events"]
    return json.loads((folder / "evaluation.json").read_text()), {event["alarm"] for event in events}


@pytest.mark.slow
@pytest.mark.parametrize("config", ["wgan_gp_ring", "sngan_ring"])
def test_a_good_gan_covers_the_ring_without_an_alarm(start_process, tmp_path, config):
    evaluation, alarms = trained(start_process, tmp_path / "run", config)
    assert evaluation["modes"]["value"] == evaluation["modes"]["modes"] == 8
    assert evaluation["modes"]["high_quality"] >= 0.9
    assert not alarms


@pytest.mark.slow
def test_a_generator_that_learns_too_fast_collapses_and_the_alarm_says_so(start_process, tmp_path):
    changes = "--config.optimizers.generator.learning_rate=0.003", "--config.steps=2000"
    evaluation, alarms = trained(start_process, tmp_path / "run", "gan_ring", *changes)
    assert evaluation["modes"]["value"] <= 4
    assert alarms == {"collapse"}
