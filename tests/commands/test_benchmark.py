"""The benchmark sizes itself: which program is timed, for how long, and what is said of it. The clock is the test's."""

import json
from types import SimpleNamespace

import jax.numpy as jnp
import pytest

from jaxgen.commands import benchmark
from jaxgen.errors import UserError
from jaxgen.training.compiled_steps import CompiledSteps


@pytest.fixture
def slow(monkeypatch, tiny_config):
    """`slow(step seconds, first step's seconds) -> compiled programs`: steps of this length, which compute nothing."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(benchmark, "time", SimpleNamespace(perf_counter=lambda: clock.now))

    def make(seconds, first, busiest=100.0, loss=1.0):
        compiled_for = []

        def compile_steps(opened, state):
            steps, calls = opened.config.steps_per_dispatch, []
            compiled_for.append(steps)

            def run(state, data):
                assert data is not None
                clock.now += first if not calls and steps == 1 else steps * seconds
                calls.append(steps)
                return state, {"loss": jnp.full(steps, loss)}

            return CompiledSteps(run, 1.5, 100.0, busiest, 0)

        monkeypatch.setattr(benchmark.session, "compile_steps", compile_steps)
        return compiled_for, clock

    return make


def _result(config, tmp_path, seconds):
    return json.loads(benchmark.benchmark(config, tmp_path / "none", seconds))


def test_whole_dispatches_are_timed_where_they_fit(slow, tiny_config, tmp_path):
    compiled_for, clock = slow(seconds=0.5, first=2.0)
    result = _result(tiny_config(), tmp_path, 60.0)
    assert compiled_for == [1, 5]
    assert (result["steps_per_dispatch"], result["step_ms"], result["images_per_s"]) == (5, 500.0, 32.0)
    assert (result["first_step_s"], result["compile_s"]) == (2.0, 1.5)
    # 60 s less the first step, the second and the dispatch that warms up: 55 s of 2.5 s each.
    assert result["steps_timed"] == 22 * 5
    assert clock.now == 60.0
    assert not (tmp_path / "none").exists()


def test_slow_steps_are_timed_one_by_one_and_end_in_time(slow, tiny_config, tmp_path, capsys):
    compiled_for, clock = slow(seconds=25.0, first=30.0)
    result = _result(tiny_config(), tmp_path, 60.0)
    assert compiled_for == [1]
    assert (result["steps_per_dispatch"], result["steps_timed"], result["step_ms"]) == (1, 2, 25_000.0)
    assert clock.now == 80.0  # the step that has begun is finished
    said = capsys.readouterr().err
    assert "first step: 30.00 s" in said
    assert "25 of 5 s: 1 steps, 25 s a step, 0.64 images/s" in said
    assert "steps timed one by one: 2. Dispatches of 5 steps would take too long" in said


@pytest.mark.parametrize(("left", "fits"), [(30.0, True), (29.0, False)])
def test_six_dispatches_must_fit(left, fits):
    assert benchmark.whole_dispatches_fit(5, 1.0, left) is fits


def test_work_of_some_steps_is_told(slow, tiny_config, tmp_path, capsys):
    slow(seconds=25.0, first=30.0, busiest=130.0)
    assert _result(tiny_config(), tmp_path, 60.0)["flops_of_busiest_step"] == 130.0
    assert "The busiest step has 1.30 times the average's operations" in capsys.readouterr().err


def test_a_training_that_diverges_has_no_speed(slow, tiny_config, tmp_path):
    slow(seconds=0.5, first=2.0, loss=float("nan"))
    with pytest.raises(UserError, match="diverged"):
        _result(tiny_config(), tmp_path, 60.0)
