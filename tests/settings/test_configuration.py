"""Which configs are the same training."""

from jaxgen.settings import configuration, default


def test_differences_name_what_changes_training_and_let_the_rest_go():
    def plain(**changes):
        config = default.get_config()
        config.update_from_flattened_dict({key.replace("__", "."): value for key, value in changes.items()})
        return configuration.to_dict(config)

    old = plain()
    assert configuration.differences(old, plain()) == {}
    assert configuration.differences(old, plain(seed=1)) == {"seed": (0, 1)}
    assert configuration.differences(old, plain(model__width=32)) == {"model.width": (64, 32)}
    for free in (
        {"evaluation__num_samples": 5},
        {"keep_checkpoints": 9},
        {"sample_every": 20, "checkpoint_every": 20, "eval_every": 40},
        {"num_devices": 2},
        {"data__dir": "x"},
        {"recipe__sampling_steps": 5},
    ):
        assert configuration.differences(old, plain(**free)) == {}
    # A longer run passes through the shorter one only if no schedule knows the end.
    assert configuration.differences(old, plain(steps=6_000)) == {}
    assert configuration.differences(old, plain(steps=1_000)) == {"steps": (3_000, 1_000)}
    short, long, endless = (plain(budget__seconds=seconds) for seconds in (5.0, 9.0, 0.0))
    assert configuration.differences(short, long) == configuration.differences(short, endless) == {}
    assert configuration.differences(long, short) == {"budget.seconds": (9.0, 5.0)}
    assert configuration.differences(endless, short) == {"budget.seconds": (0.0, 5.0)}
    linear = {"optimizers__generator__schedule": "linear"}
    assert configuration.differences(plain(**linear), plain(steps=6_000, **linear)) == {"steps": (3_000, 6_000)}
