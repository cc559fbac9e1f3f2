"""Configs that cannot be a run."""

import pytest

from jaxgen.errors import UserError
from jaxgen.settings import checks, default


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 0}, "config.steps=0"),
        ({"log_every": 15}, "config.log_every=15 is no multiple of config.steps_per_dispatch=10: use 20"),
        ({"eval_every": 250, "checkpoint_every": 500}, "config.eval_every=250"),
        ({"compute_dtype": "float64"}, "choices: float32, bfloat16"),
        ({"best_metric": "psnr"}, "eval_every"),
        ({"evaluation": {"metrics_in_training": ("psnr,ssim",)}}, "metrics_in_training='psnr,ssim' is one name"),
        (
            {"eval_every": 500, "best_metric": "ssim", "evaluation": {"metrics_in_training": ("psnr",)}},
            "best_metric='ssim' is not measured in training",
        ),
        ({"budget": {"seconds": -1.0}}, "config.budget.seconds=-1"),
        (
            {"budget": {"seconds": 9.0}, "optimizers": {"vae": {"schedule": "cosine"}}},
            "seconds=9 with config.optimizers.vae.schedule='cosine'",
        ),
    ],
)
def test_check_refuses(changes, words):
    config = default.get_config()
    config.update(changes)
    with pytest.raises(UserError, match=words):
        checks.check(config)
