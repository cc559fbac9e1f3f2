"""Densities against their closed form; the right colours in the right places; strips and animations of all steps."""

import numpy as np
import pytest
from PIL import Image
from scipy.stats import gaussian_kde, norm

from jaxgen.pictures import point_pictures as module

R = np.random.default_rng(0)
LINE = R.normal(1.0, 0.5, (2000, 1)).astype(np.float32)
PLANE = np.concatenate([R.normal(-1, 0.05, (300, 2)), R.normal(1, 0.05, (300, 2))]).astype(np.float32)


def _pixels(picture, colour, tolerance=40):
    """Rows and columns of pixels of about that colour."""
    array = np.asarray(picture.convert("RGB")).astype(int)
    return np.argwhere(np.abs(array - colour).max(-1) < tolerance)


def test_a_kernel_density_is_scipys_and_near_the_true_one():
    places = module.places(LINE)
    kernel = gaussian_kde(LINE[:, 0])
    width = float(np.sqrt(kernel.covariance[0, 0]))
    np.testing.assert_allclose(module.density(LINE[:, 0], places, width), kernel(places), rtol=1e-5, atol=1e-12)
    found = module.density(LINE[:, 0], places, module._width(LINE))
    np.testing.assert_allclose(found, norm.pdf(places, 1.0, 0.5), atol=0.08)
    # 0.9 min(std, IQR / 1.34) n^(-1/5); for a normal both are the standard deviation.
    assert module._width(LINE) == pytest.approx(0.9 * 0.5 * 2000**-0.2, rel=0.06)


def test_quantiles_are_evenly_spread_under_the_normal():
    z = module.quantiles(3)
    np.testing.assert_allclose(np.diff(norm.cdf(z[:, 0])), 1 / len(z))
    assert np.all(z[:, 1:] == 0)


def test_a_cloud_keeps_its_axes_and_shows_both_kinds():
    near, far = module.cloud(PLANE, PLANE[:300]), module.cloud(PLANE, PLANE[:300] + 50)
    assert near.size == far.size
    real, fake = (_pixels(near, colour) for colour in ((0, 114, 178), (230, 159, 0)))
    assert min(len(real), len(fake)) > 10
    # Generated points lie on the lower left mode; the real ones above them to the right stay visible.
    main = fake[fake[:, 0] < 0.85 * near.height]  # without the legend
    assert main[:, 0].mean() > real[:, 0].min() + 50
    assert main[:, 1].mean() < real[:, 1].max() - 50
    assert not len(_pixels(far, (230, 159, 0))[:, 0]) or _pixels(far, (230, 159, 0))[:, 0].min() > 0.85 * far.height


def _figure(mapped, logits, fake=LINE):
    return module.figure1(LINE, fake, mapped, logits, probability=True)


def test_figure_1_has_its_three_curves_and_the_lines_from_z_to_x():
    places, lines = module.places(LINE), module.quantiles(1)[:, 0]
    picture = _figure(1 + 0.5 * lines, np.zeros_like(places))
    blue, green = _pixels(picture, (0, 0, 255), 60), _pixels(picture, (0, 128, 0), 60)
    curve = blue[blue[:, 0] < 0.6 * picture.height]
    assert len(curve) > 50
    assert np.ptp(curve[:, 0]) <= 3  # D = 1/2 everywhere: a level line
    assert len(green) > 100
    higher = _figure(1 + 0.5 * lines, np.full_like(places, 3.0))
    raised = _pixels(higher, (0, 0, 255), 60)
    raised = raised[raised[:, 0] < 0.6 * picture.height]
    assert raised[:, 0].mean() < curve[:, 0].mean() - 50  # sigmoid(3) = 0.95
    # All of z to one x: the lines meet at the upper edge of the lower part.
    collapsed = np.asarray(_figure(np.full(len(lines), 1.0), np.zeros_like(places)).convert("L"))
    spread = np.asarray(picture.convert("L"))
    assert (collapsed[300:] != spread[300:]).any()


def test_strip_and_animation_of_all_steps(tmp_path):
    frames = []
    for i in range(9):
        frames.append(tmp_path / f"step_{i}.png")
        Image.new("RGB", (30, 20), (25 * i, 0, 0)).quantize(16).save(frames[-1])
    module.strip(frames, tmp_path / "strip.png")
    with Image.open(tmp_path / "strip.png") as picture:
        assert picture.size == (4 * 30, 20)
        shown = [picture.convert("RGB").getpixel((30 * i + 15, 10))[0] for i in range(4)]
    np.testing.assert_allclose(shown, [0, 25, 25 * 3, 25 * 8], atol=3)  # numbers 1, 2, 4 and 9
    module.strip(frames[:2], tmp_path / "short.png")
    with Image.open(tmp_path / "short.png") as picture:
        assert picture.size == (2 * 30, 20)
    module.animation(frames, tmp_path / "all.gif")
    with Image.open(tmp_path / "all.gif") as moving:
        assert moving.n_frames == 9
        moving.seek(8)
        assert abs(moving.convert("RGB").getpixel((15, 10))[0] - 200) <= 3
