"""Alarms: fire on what stays bad, not on one bad line; remember to the bit; stop a run if they are told to."""

import json
import statistics

import pytest

from jaxgen.errors import UserError
from jaxgen.settings import default
from jaxgen.training import alarms
from jaxgen.training.alarm_rules import RULES

HEALTHY = {
    "loss_g": 0.9,
    "loss_d": 1.2,
    "grad_norm_g": 2.0,
    "weight_norm_g": 40.0,
    "alike_fake": 0.01,
    "alike_real": 0.0,
    "pair_distance_ratio": 0.8,
    "accuracy_real_d": 0.7,
    "accuracy_fake_d": 0.8,
    "kl": 12.0,
    "posterior_collapse": 0.5,
    "perplexity": 20.0,
}
BAD = {
    "divergence": {"loss_g": 500.0},
    "collapse": {"alike_fake": 0.9, "pair_distance_ratio": 0.01},
    "vanishing_gradient": {"grad_norm_g": 1e-9, "accuracy_real_d": 1.0},
    "posterior_collapse": {"posterior_collapse": 1.0, "kl": 0.001},
    "codebook_collapse": {"perplexity": 1.0},
}


def settings(**changes):
    config = default.get_config().alarms
    for name in RULES:
        config[name].patience = 200
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    return config


def lines(watch, *changes, start=0, every=100):
    """Judges one line after the other; returns what was said of each."""
    said = []
    for i, change in enumerate(changes):
        line = HEALTHY | change
        window = {name: [value] * every for name, value in line.items()}
        said.append(watch.judge(start + (i + 1) * every, window, line))
    return said


@pytest.mark.parametrize("name", RULES)
def test_an_alarm_fires_after_its_patience_and_ends_with_a_good_line(name):
    watch, bad = alarms.Watch(settings()), BAD[name]
    said = lines(watch, {}, bad, bad, bad, {}, bad, bad)
    assert [len(news) for news in said] == [0, 0, 1, 0, 1, 0, 1]
    assert said[2][0].startswith(f"ALARM {name} at step 300: ")
    assert "since step 100" in said[2][0]
    assert said[4] == [f"the alarm {name} of step 300 ended at step 500"]
    first, second = watch.events
    assert (first["alarm"], first["step"], first["since"], first["ended"]) == (name, 300, 100, 500)
    assert (second["step"], second["since"], second["ended"]) == (700, 500, None)
    assert watch.active == (name,)
    # A sentence tells what was seen, where the limit is, and what to try.
    assert f"{first['threshold']:g}" in first["message"]
    assert "Try " in first["message"]
    assert len(first["message"]) > 100


@pytest.mark.parametrize("name", RULES)
def test_one_bad_line_or_a_healthy_run_fires_nothing(name):
    watch = alarms.Watch(settings())
    assert not any(lines(watch, *[{}, BAD[name], {}] * 5))
    long = alarms.Watch(settings())  # even where a line covers more steps than the patience
    assert not any(lines(long, {}, BAD[name], {}, every=1000))
    off = alarms.Watch(settings(**{f"{name}__patience": 0}))
    assert not any(lines(off, *[BAD[name]] * 9))


def test_what_the_rules_read():
    history = {"loss_g": [0.2, -0.4, 0.1], "loss_d": [-10.0, 30.0, 20.0]}
    line = {"loss_g": -5.0, "loss_d": 60.0, "grad_norm_g": 3.0, "weight_norm_g": 12.0}
    line |= {"alike_fake": 0.4, "alike_real": 0.125, "posterior_collapse": 0.7, "perplexity": 3.0}
    assert RULES["divergence"].read(line, history) == max(5 / 1, 60 / statistics.median([10, 30, 20]))
    assert RULES["vanishing_gradient"].read(line, history) == 0.25
    assert RULES["collapse"].read(line, history) == pytest.approx(0.275)
    assert RULES["posterior_collapse"].read(line, history) == 0.7
    assert RULES["codebook_collapse"].read(line, history) == 3.0
    for name, rule in RULES.items():  # a recipe that logs nothing of the kind
        assert rule.read({"cost": 1.0}, {}) is None, name


def test_losses_are_compared_with_the_first_step_and_with_good_lines_only():
    watch = alarms.Watch(settings())
    exploded = {"loss": [1e9] * 150}
    assert watch.judge(150, {"loss": [2.0] + [1e9] * 149}, {"loss": 9e8}) == []
    assert len(watch.judge(300, exploded, {"loss": 1e9})) == 1
    for step in range(450, 15_000, 150):
        watch.judge(step, exploded, {"loss": 1e9})
    assert watch.active == ("divergence",)  # what exploded has not become usual
    slow = alarms.Watch(settings())
    assert not any(lines(slow, *({"loss_g": 1.05**i} for i in range(300))))  # a drift is no explosion


def test_a_resumed_watch_says_the_same():
    changes = [{}, BAD["collapse"], BAD["collapse"] | BAD["divergence"], BAD["divergence"], {}, BAD["collapse"]] * 3
    whole = alarms.Watch(settings())
    said = lines(whole, *changes)
    assert sum(map(len, said)) > 6
    for cut in range(len(changes)):
        watch = alarms.Watch(settings())
        before = lines(watch, *changes[:cut])
        watch = alarms.Watch(settings(), json.loads(json.dumps(watch.state())))
        assert before + lines(watch, *changes[cut:], start=100 * cut) == said
        assert watch.state() == whole.state()


def test_stop_and_how_to_go_on():
    bad = BAD["collapse"]
    watch = alarms.Watch(settings(stop=("divergence, collapse",)))
    lines(watch, bad)
    assert watch.stopping() is None
    lines(watch, bad, start=100)
    reason = watch.stopping()
    assert "collapse at step 200" in reason
    assert "config.alarms.stop" in reason
    state = json.loads(json.dumps(watch.state()))
    assert alarms.Watch(settings(stop=("collapse",)), state).stopping() == reason  # the same command again
    for other in ({}, {"stop": ("divergence",)}, {"stop": ("collapse",), "collapse__threshold": 0.95}):
        assert alarms.Watch(settings(**other), state).stopping() is None
    lines(watch, {}, start=200)
    assert watch.stopping() is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stop": ("colapse",)}, "config.alarms.stop='colapse' is unknown: did you mean 'collapse'"),
        ({"stop": ("collapse",), "collapse__patience": 0}, "config.alarms.collapse.patience=0 turns it off"),
        ({"divergence__threshold": float("nan")}, "config.alarms.divergence.threshold=nan"),
        ({"posterior_collapse__patience": -1}, "config.alarms.posterior_collapse.patience=-1: it must be 0 or more"),
    ],
)
def test_impossible_settings_are_refused(changes, words):
    with pytest.raises(UserError, match=words):
        alarms.check(settings(**changes))


def test_the_record_tells_how_it_was_at_any_step(tmp_path):
    assert alarms.recorded(tmp_path, 100) is None
    watch = alarms.Watch(settings(divergence__patience=0))
    lines(watch, BAD["collapse"], BAD["collapse"], {}, BAD["codebook_collapse"], BAD["codebook_collapse"])
    watch.record(tmp_path, 500)
    record = json.loads((tmp_path / "alarms.json").read_text())
    assert (record["step"], record["lines"]) == (500, 5)
    assert set(record["rules"]) == set(RULES) - {"divergence"}
    assert record["rules"]["collapse"] == {"threshold": 0.25, "patience": 200}
    assert [event["alarm"] for event in record["events"]] == ["collapse", "codebook_collapse"]
    ended = {step: [event["ended"] for event in alarms.recorded(tmp_path, step)] for step in (100, 200, 300, 500)}
    assert ended == {100: [], 200: [None], 300: [300], 500: [300, None]}
