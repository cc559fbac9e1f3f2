"""A work directory in the place of a config file."""

import json

import pytest

from jaxgen import main
from jaxgen.errors import UserError
from jaxgen.settings import configuration, default, run_config

# ml_collections 1.1.0 loads config files by a method that Python has deprecated.
pytestmark = pytest.mark.filterwarnings(r"ignore:the load_module\(\) method is deprecated")


@pytest.fixture
def run(tmp_path):
    """A work directory of an older version: keys are missing."""
    config = default.get_config()
    config.steps = 70
    config.alarms.stop = ("collapse",)
    plain = configuration.to_dict(config)
    del plain["init_from"], plain["data"]["num_classes"]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(json.dumps({"config": plain}))
    return tmp_path / "run"


def test_a_config_comes_back_from_json(run):
    expected = default.get_config()
    expected.steps = 70
    expected.alarms.stop = ("collapse",)
    found = run_config.read(run)
    assert found.to_dict() == expected.to_dict()
    assert found.is_locked
    with pytest.raises(UserError, match="no run there"):
        run_config.read(run.parent)
    (run / "config.json").write_text("{")
    with pytest.raises(UserError, match="unreadable"):
        run_config.read(run)


def test_overrides_apply_to_it(run):
    for name in (run, run / "config.json"):
        config = run_config.load(str(name), ["--config.batch_size=16", "--config.evaluation.metrics=('psnr',)"])
        assert (config.steps, config.batch_size, config.evaluation.metrics) == (70, 16, ("psnr",))
    with pytest.raises(UserError, match=r"--config.stepz: unknown config key 'stepz': did you mean 'steps'"):
        run_config.load(str(run), ["--config.stepz=3"])
    with pytest.raises(UserError, match=rf"--config={run.parent}: no such file"):
        run_config.load(str(run.parent), [])


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("num_steps", "did you mean 'config.steps'?"),
        ("max_epochs", "did you mean 'config.steps'?"),
        ("budget.steps", "did you mean 'config.steps'?"),  # another part of the config has it
        ("data.batch_size", "did you mean 'config.batch_size'?"),
        ("evaluation.samplng_steps", "did you mean 'sampler_steps'?"),  # a near key of the same part
        ("recipe.lr", "did you mean 'config.optimizers.NAME.learning_rate'?"),
        ("data.nme", "did you mean 'name'?"),
        ("zzz", "jaxgen/settings/default.py lists all keys"),
    ],
)
def test_an_unknown_key_leads_to_the_key_that_was_meant(run, name, hint):
    with pytest.raises(UserError) as raised:
        run_config.load(str(run), [f"--config.{name}=3"])
    assert str(raised.value) == f"--config.{name}: unknown config key {name.rpartition('.')[2]!r}: {hint}"


def test_the_command_line_may_name_a_work_directory(run):
    file = f"{run_config.__file__}:{run}"
    rest = ["--mode=sample", "--config.steps=80"]
    for given in ([f"--config={run}"], ["--config", str(run)], [f"-config={run}/config.json"]):
        assert main._with_config_of_run(["jaxgen", *given, *rest]) == (file, ["jaxgen", f"--config={file}", *rest])
    after = main._with_config_of_run(["jaxgen", *rest, "--config", str(run)])
    assert after == (file, ["jaxgen", f"--config={file}", *rest])  # overrides may come first
    path, argv = main._with_config_of_run(["jaxgen", *rest, "--workdir", str(run)])
    assert (path, argv[1]) == (file, f"--config={file}")
    assert argv[2:] == [*rest, "--workdir", str(run)]
    assert run_config.folder_of(file) == run
    for other in (["--workdir", str(run.parent)], ["--config"], []):
        assert main._with_config_of_run(["jaxgen", *other]) == (None, ["jaxgen", *other])
    (run / "a.py").write_text("")
    both = ["jaxgen", "--config", f"{run / 'a.py'}:x", "--workdir", str(run)]
    assert main._with_config_of_run(both)[0] == f"{run / 'a.py'}:x"
    assert run_config.folder_of("a.py") is None
