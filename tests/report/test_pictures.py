"""Pictures that have to share a page, and all models in one plane."""

import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from jaxgen.report import pictures, plots, tsne
from jaxgen.report.run_search import find_runs
from jaxgen.report.sections import sections

R = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("sizes", "budget", "limit"),
    [([10, 20, 30], 100, 30), ([10, 100, 100], 110, 50), ([60, 60, 60], 90, 30), ([], 10, 0)],
)
def test_small_pictures_leave_their_room_to_large_ones(sizes, budget, limit):
    found = pictures.room(sizes, budget)
    assert found == limit
    assert sum(min(size, found) for size in sizes) <= budget


def test_a_picture_is_made_small_enough():
    noise = Image.fromarray(R.integers(0, 256, (900, 900, 3), dtype=np.uint8))
    data, width, height = pictures.fitted(noise, 60_000)
    assert len(data) <= 60_000
    with Image.open(io.BytesIO(data)) as small:
        assert small.size == (width, height)
        assert width == height < 900
    plain = Image.new("L", (200, 100), 7)
    assert pictures.fitted(plain, 60_000)[1:] == (200, 100)


def _section(run, folder, shape, extractor, **changes):
    """Two models with features and one without."""
    real = R.normal(size=shape).astype(np.float32)
    for name, width in (("a", 8), ("b", 16), ("c", 32)):
        made = run.make(folder / name, 5.0, changes={"model.width": width})
        if name != "c":
            (made / "evaluation").mkdir()
            fake = changes.get(name, real + 1)
            np.savez(made / "evaluation/features.npz", real=real, fake=fake, extractor=np.array(extractor))
    (section,), unknown = sections(find_runs([folder])[0])
    assert not unknown
    return section


@pytest.mark.parametrize(
    ("shape", "extractor", "words"), [((40, 2), "", "points themselves"), ((20, 6), "net", "t-SNE")]
)
def test_all_models_and_the_real_data_share_a_plane(run, tmp_path, shape, extractor, words):
    figure, caption = tsne.plane(_section(run, tmp_path, shape, extractor), "p")
    assert words in caption
    assert caption.endswith(" Without such features: c.")
    shown = re.findall(r"<text[^>]*>([^<]+)</text>", figure)
    assert [f"{name} ({shape[0]})" for name in ("real data", "a", "b")] == shown
    # A mark for each point, and one for each of the legend.
    assert figure.count("<use ") == 3 * shape[0] + 3


def test_a_model_alone_shows_the_plane_that_its_evaluation_drew(run, tmp_path):
    real = R.normal(size=(30, 6)).astype(np.float32)
    for name in ("a", "b"):
        folder = run.make(tmp_path / name, 5.0, changes={"model.width": len(name) + ord(name)}) / "evaluation"
        folder.mkdir()
        np.savez(folder / "features.npz", real=real, fake=real + 1, extractor=np.array("net"))
        for picture in ("tsne", "real_beside_fake"):
            Image.new("L", (40, 40), 9).save(folder / f"{picture}.png")
    (alone,), _ = sections(find_runs([tmp_path / "a"])[0])
    (both,), _ = sections(find_runs([tmp_path])[0])
    own = {"Real and generated images", "Features of real and generated images"}
    for section, drawn in ((alone, own), (both, set())):
        assert {kind.title for kind in pictures.kinds(section)[0]} - {"Samples"} == drawn
        assert (tsne.plane(section, "p") is None) == bool(drawn)
    (tmp_path / "a" / "evaluation" / "tsne.png").unlink()
    assert tsne.plane(alone, "p") is not None


def test_points_that_are_not_finite_leave_their_model_out(run, tmp_path):
    _, caption = tsne.plane(_section(run, tmp_path, (30, 2), "", b=np.full((30, 2), np.nan)), "p")
    assert caption.endswith(" Without such features: b, c.")


def test_a_damaged_file_of_features_is_none(tmp_path):
    (tmp_path / "features.npz").write_bytes(b"PK nothing")
    assert tsne.read(tmp_path / "features.npz") is None
    assert tsne.read(tmp_path / "missing.npz") is None


def test_a_figure_stands_alone_and_in_a_page():
    with plots.figure_and_axes(3, 2) as (figure, axes):
        axes.plot([0.00125, 0.00375], [1, 2], label="a < b --> $c$")
        axes.set_xticks([0.00125])
        axes.legend()
        inline = plots.render(figure, "here")
    assert ">0.00125<" in inline  # numbers that people read keep all digits
    assert "a &lt; b --&gt; $c$" in inline
    assert "<!--" not in inline
    assert "<style" not in inline
    assert "currentColor" in inline
    assert set(re.findall(r'id="(\w+)-', inline)) == {"here"}
    alone = plots.alone(inline)
    assert alone.startswith("<?xml")
    assert 'color="#222222"' in alone
    ElementTree.fromstring(alone.split("?>", 1)[1])
