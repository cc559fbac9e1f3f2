"""What divides a batch, and the line about what does not."""

import pytest

from jaxgen.errors import UserError
from jaxgen.settings import checks, default


def batch(size, parts=1, devices=0, group=4):
    config = default.get_config()
    config.update({"batch_size": size, "grad_accum_steps": parts, "num_devices": devices})
    config.model.stddev_group = group
    return config


def over_four(config):
    checks.check_devices(config, 4)


@pytest.mark.parametrize(
    ("check", "fits", "refused", "line"),
    [
        (checks.check_parts, (18, 3), (16, 3), "batch_size=16 does not divide into config.grad_accum_steps=3"),
        (
            over_four,
            (16,),
            (18,),
            "batch_size=18 does not divide over 4 devices: use 16 or 20",
        ),
        (over_four, (4,), (3,), "batch_size=3 does not divide over 4 devices: use 4"),
        (
            over_four,
            (24, 3),
            (18, 3),
            "batch_size=18 in config.grad_accum_steps=3 parts does not divide over 4 devices: use 12 or 24",
        ),
        (
            lambda c: checks.check_packs(c, 5),
            (20, 1, 2),
            (20, 1, 3),
            "pack=5 does not divide the 20 rows .* on 3 device",
        ),
        (
            lambda c: checks.check_packs(c, 5),
            (20, 2),
            (15, 2),
            "pack=5 does not divide the 7 rows of a batch .* on 1 device",
        ),
        (checks.check_groups, (16,), (36, 3, 0, 8), "the 12 images .* use stddev_group=6, or batch_size=48"),
        (lambda c: checks.check_path_lengths(c, 2, 1), (3,), None, ""),
        (
            lambda c: checks.check_path_lengths(c, 2, 4),
            (8,),
            (4,),
            "4 devices 1 example.*batch_size of 8",
        ),
    ],
)
def test_a_batch_that_divides_passes_and_another_is_refused(check, fits, refused, line):
    check(batch(*fits))
    if refused:
        with pytest.raises(UserError, match=line):
            check(batch(*refused))
