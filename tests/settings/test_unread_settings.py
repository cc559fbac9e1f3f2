"""Settings that change nothing are refused; those that are read, and parts that are switched off, are not."""

import importlib
import sys

import pytest
from ml_collections import ConfigDict

from jaxgen.errors import UserError
from jaxgen.runs import session
from jaxgen.settings import default
from jaxgen.settings.unread_settings import NotedConfig


def noted(**changes):
    config = default.get_config()
    config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
    return NotedConfig(config)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model.num_codes": 64}, r"config\.model\.num_codes=64 would change nothing. .* Leave it 512"),
        ({"model.conditional": True}, r"config\.model\.conditional=True"),
        ({"model.layer_norm": True}, r"config\.model\.layer_norm=True"),
        ({"recipe.beta": 4.0}, r"config\.recipe\.beta=4\.0 .*recipe 'gan' nor model 'dcgan'.* Leave it 1\.0"),
        ({"recipe.r1_gamma": 1.0}, r"config\.recipe\.r1_gamma"),
    ],
)
def test_a_setting_of_other_networks_or_objectives_is_refused(tiny_config, changes, words):
    config = tiny_config("gan")
    session.open_session(config)
    config.update_from_flattened_dict(changes)
    with pytest.raises(UserError, match=words):
        session.open_session(config)


def test_what_is_not_there_may_be_switched_off(tiny_config):
    config = tiny_config("gan")
    config.model.dropout = config.recipe.beta = config.recipe.r1_gamma = 0.0
    session.open_session(config)


def test_a_part_that_is_off_may_keep_its_numbers(tiny_config):
    config = tiny_config("gan")
    config.recipe.update({"penalty": "", "penalty_weight": 3.0})
    session.open_session(config)


def test_what_is_read_in_any_way_counts():
    usual = default.get_config()
    by_name, by_key, all_at_once, unread = (noted(model__width=3, recipe__beta=2.0) for _ in range(4))
    assert by_name.model.width == 3
    assert by_name.recipe.beta == 2.0
    by_name.check(usual)
    assert by_key["model"]["width"] == 3
    assert by_key["recipe"]["beta"] == 2.0
    by_key.check(usual)
    assert all_at_once.model.to_dict()["width"] == 3
    assert dict(all_at_once.recipe)["beta"] == 2.0
    all_at_once.check(usual)
    assert unread.batch_size == usual.batch_size
    with pytest.raises(UserError, match=r"config\.model\.width=3"):
        unread.check(usual)


def test_keys_of_ones_own_are_ones_own():
    config = default.get_config()
    with config.unlocked():
        config.model.mine = 5
    NotedConfig(config).check(default.get_config())


def test_a_model_of_ones_own_is_watched_too(tiny_config, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "networks.py").write_text(
        "from jaxgen.models import dcgan\n\n\ndef build(config, *rest):\n    return dcgan.build(config, *rest)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    config = tiny_config("gan")
    config.model.name = "mine.networks"
    session.open_session(config)
    config.model.pack = 2
    with pytest.raises(UserError, match=r"config\.model\.pack=2 .* model 'mine\.networks'"):
        session.open_session(config)
    for name in ("mine.networks", "mine"):
        sys.modules.pop(name)


def test_it_is_a_config_in_all_else():
    config = noted()
    assert "name" in config.model
    assert isinstance(config.optimizers, ConfigDict)
    assert config["steps"] == config.steps
