"""Alarms of real runs: each fires on a planted failure and not on a healthy run; stopped runs lose nothing."""

import json

import numpy as np
import pytest

from jaxgen.commands import train
from jaxgen.devices import parallel
from jaxgen.errors import UserError
from jaxgen.runs import session
from jaxgen.training.alarms import Watch


@pytest.fixture
def small(tiny_config):
    """`small("gan", **{"recipe.loss": "hinge"})`: a dense GAN, or a VAE, on 8x8 digits, with alarms after 100 steps."""

    def make(recipe, **changes):
        config = tiny_config(recipe)
        config.model.name = f"mlp_{recipe}"
        if recipe == "gan":
            config.model.architecture = "pytorch_gan"
        config.steps, config.steps_per_dispatch, config.log_every = 600, 50, 50
        config.sample_every = config.histogram_every = 0
        config.checkpoint_every = 300
        config.compilation_cache = ""
        for rule in ("divergence", "collapse", "vanishing_gradient", "posterior_collapse"):
            config.alarms[rule].patience = 100
        config.update_from_flattened_dict(changes)
        return config

    return make


COLLAPSE = {"optimizers.generator.learning_rate": 0.05}
FAILURES = {
    "posterior_collapse": ("vae", {"recipe.beta": 100.0}),
    "divergence": ("gan", {"recipe.loss": "wasserstein", "optimizers.discriminator.learning_rate": 0.1}),  # unbounded
    "vanishing_gradient": (
        "gan",
        {
            "recipe.loss": "saturating",
            "optimizers.generator.learning_rate": 0.0,
            "optimizers.discriminator.learning_rate": 0.02,
        },
    ),
}


def raised(config):
    """Names of the alarms that go off, and the metrics of the last step."""
    opened = session.open_session(config)
    state = parallel.init_state(opened.recipe, opened.mesh, config.seed)
    data = session.training_data(opened)
    compiled = session.compile_steps(opened, state)
    watch = Watch(config.alarms)
    for step in range(config.log_every, config.steps + 1, config.log_every):
        state, metrics = compiled.run(state, data)
        window = {name: np.asarray(values, np.float64).tolist() for name, values in metrics.items()}
        assert np.isfinite(list(window.values())).all()
        watch.judge(step, window, {name: float(np.mean(values)) for name, values in window.items()})
    return {event["alarm"] for event in watch.events}, {name: values[-1] for name, values in window.items()}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "posterior_collapse" else pytest.mark.full) for name in FAILURES]
)
def test_a_planted_failure_sets_off_its_alarm(small, name):
    recipe, changes = FAILURES[name]
    names, last = raised(small(recipe, **changes))
    assert name in names, last


@pytest.mark.full
@pytest.mark.parametrize("recipe", ["gan", "vae"])
def test_a_healthy_run_sets_off_none(small, recipe):
    changes = {"optimizers.generator.learning_rate": 2e-3, "optimizers.discriminator.learning_rate": 2e-3}
    names, last = raised(small(recipe, **changes))
    assert names == set(), last


def contents(folder):
    return [(folder / name).read_bytes() for name in ("metrics.jsonl", "alarms.json")]


@pytest.mark.full
def test_a_stopped_run_is_saved_refused_again_and_goes_on_to_the_same_end(small, tmp_path, monkeypatch, capsys):
    train.train(small("gan", **COLLAPSE), tmp_path / "whole")
    assert "ALARM collapse" in capsys.readouterr().err
    record = json.loads((tmp_path / "whole" / "alarms.json").read_text())
    assert (record["step"], record["lines"]) == (600, 12)
    first = record["events"][0]
    assert first["alarm"] == "collapse"
    assert first["step"] < 600
    final = json.loads((tmp_path / "whole" / "evaluation.json").read_text())
    assert final["_run"]["alarms"] == record["events"]
    assert first["message"] in (tmp_path / "whole" / "log.txt").read_text()

    folder = tmp_path / "stopped"
    stopping = small("gan", **COLLAPSE, **{"alarms.stop": ("collapse",)})
    with pytest.raises(UserError, match=f"stopped by config.alarms.stop: collapse at step {first['step']}") as stopped:
        train.train(stopping, folder)
    assert (folder / "checkpoints" / str(first["step"])).is_dir()
    assert not (folder / "evaluation.json").exists()
    before = contents(folder)
    with monkeypatch.context() as patched:
        patched.delattr(session, "compile_steps")  # refused before anything is computed
        with pytest.raises(UserError) as again:
            train.train(stopping, folder)
    assert str(again.value) == str(stopped.value)
    assert contents(folder) == before

    train.train(small("gan", **COLLAPSE), folder)
    assert contents(folder) == contents(tmp_path / "whole")
    assert (folder / "evaluation.json").exists()
