"""Numbers that no run can have are refused, NaN and infinity among them."""

import pytest

from jaxgen.errors import UserError
from jaxgen.settings import default, number_ranges

NAN, INF = float("nan"), float("inf")


def test_the_defaults_are_fine():
    number_ranges.check(default.get_config())


def test_the_last_seed_is_fine():
    config = default.get_config()
    config.seed = config.evaluation.seed = config.data.seed = 2**32 - 1
    number_ranges.check(config)
    config.data.seed = -1  # the run's own
    number_ranges.check(config)


@pytest.mark.parametrize(
    ("key", "value", "must"),
    [
        ("optimizers.discriminator.clip_norm", -1.0, "0 or more"),
        ("optimizers.generator.learning_rate", NAN, "0 or more"),
        ("optimizers.generator.b1", 1.0, r"in \[0, 1\)"),
        ("optimizers.vae.b2", 1.5, r"in \[0, 1\)"),
        ("optimizers.vae.eps", -1.0, "0 or more"),
        ("optimizers.prior.warmup_steps", -5, "0 or more"),
        ("model.discriminator_width", -1, "0 or more"),
        ("model.bfloat16_resolutions", -1, "0 or more"),
        ("model.remat_resolutions", -1, "0 or more"),
        ("model.conv_clamp", -1.0, "0 or more"),
        ("model.mapping_lr_multiplier", 0.0, "above 0"),
        ("model.width", 0, "at least 1"),
        ("model.dropout", 1.0, r"in \[0, 1\)"),
        ("recipe.beta", NAN, "0 or more"),
        ("recipe.sigma", NAN, "0 or more"),
        ("recipe.sigma", INF, "0 or more"),
        ("recipe.ema_decay", 1.0, r"in \[0, 1\)"),
        ("evaluation.num_train", -1, "0 or more"),
        ("sample.rows", 0, "at least 1"),
        ("seed", -1, r"between 0 and 2\^32 - 1"),
        ("seed", 2**32, r"between 0 and 2\^32 - 1"),
        ("evaluation.seed", -1, r"between 0 and 2\^32 - 1"),
        ("data.seed", -2, r"between -1 and 2\^32 - 1"),
        ("data.workers", -3, "0 or more"),
        ("data.resident_mib", -1, "0 or more"),
        ("plan.num_images", -3, "0 or more"),
        ("plan.max_batch", 0, "at least 1"),
    ],
)
def test_refuses(key, value, must):
    config = default.get_config()
    config.update_from_flattened_dict({key: value})
    with pytest.raises(UserError, match=rf"^config\.{key}={value}: it must be {must}$"):
        number_ranges.check(config)
