"""What every built-in metric tells about itself."""

import pytest

from jaxgen.settings import lookup

NAMES = lookup.choices("metrics")


@pytest.mark.parametrize("name", NAMES)
def test_a_metric_tells_its_title_unit_meaning_and_direction(name):
    module = lookup.module("metrics", name, "metrics")
    assert module.DIRECTION in ("lower", "higher", "none", "0.5")
    assert 0 < len(module.TITLE) <= 40
    assert module.TITLE.isascii()
    assert isinstance(module.UNIT, str)
    assert module.MEANING.endswith(".")
    assert 40 < len(module.MEANING) < 200


def test_settings_are_keys_of_results():
    import inspect

    for name in NAMES:
        module = lookup.module("metrics", name, "metrics")
        # Written by the metric itself or by a module that it shares with others.
        shared = ("manifold", "image_set", "ssim", "frechet", "collected", "tabular")
        text = inspect.getsource(module) + "".join(
            inspect.getsource(__import__(f"jaxgen.metrics.{part}", fromlist=["x"])) for part in shared
        )
        for key in getattr(module, "SETTINGS", ()):
            if name != "bits_per_dim":  # repeats what the recipe tells
                assert f'"{key}"' in text or f"{key}=" in text, (name, key)
