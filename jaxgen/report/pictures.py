"""Pictures of runs, made small enough for a page with many runs."""

import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from jaxgen.report.run_record import RunRecord
from jaxgen.report.sections import Model, Section

# Bytes of all pictures of a page, and of one; a page holds them a third larger.
_BUDGET, _LARGEST = 5_000_000, 250_000
TSNE = "evaluation/tsne.png"
_WIDTHS = (720, 560, 440, 340, 260, 200)
_KINDS = (
    ("Samples", "samples/step_*.png", "Grids from the same latents, at each run's last step."),
    ("Samples and data", "evaluation/real_and_generated.png", "Generated points over the real ones."),
    (
        "Nearest training images",
        "evaluation/nearest_training_images.png",
        "Each sample beside its nearest training images in pixels. Copies would show here.",
    ),
    ("Interpolations", "samples/interpolation.png", "Each row leads from one latent to another."),
    ("Reconstructions", "samples/reconstructions_*.png", "Pairs: a test image and the model's reconstruction."),
    (
        "Closest pairs of samples",
        "evaluation/closest_pairs.png",
        "The two samples of a pair should differ. If they are the same, the model repeats itself.",
    ),
    ("Samples by class", "evaluation/samples_by_class.png", "The class is that of the nearest real image."),
    ("Latent traversals", "samples/traversal.png", "One latent at a time, the others fixed."),
)
# On a page of several models the report draws its own plane, and real images stand beside no model alone.
_OF_ONE_MODEL = (
    ("Real and generated images", "evaluation/real_beside_fake.png", "Test images at the left, samples at the right."),
    (
        "Features of real and generated images",
        TSNE,
        "A t-SNE: a good model's points mix with the real ones. Distances between far groups mean nothing.",
    ),
)
# Left out of "further pictures": the page shows them above, or shows their parts.
_ELSEWHERE = {"tsne", "real_beside_fake", "figure2"}


@dataclass
class Picture:
    """A PNG: its run, its caption, its file name, the whole picture, its displayed bytes and size."""

    run: RunRecord
    title: str
    name: str
    whole: Image.Image
    data: bytes = b""
    width: int = 0
    height: int = 0


class PictureKind(NamedTuple):
    """Pictures of one kind, one for each model that has one. folded: shown on request."""

    title: str
    meaning: str
    pictures: list[Picture]
    folded: bool = False


def pictured_run(section: Section, model: Model) -> RunRecord:
    """The run whose pictures stand for a model: it has pictures and, if possible, the seed of most models."""
    counts: Counter[int] = Counter()
    for other in section.models:
        counts.update({run.seed for run in other.runs if run.seed is not None and _any_picture(run)})
    for seed in sorted(counts, key=lambda seed: (-counts[seed], seed)):
        run = model.of_seed(seed)
        if run is not None and _any_picture(run):
            return run
    return model.runs[0]


def kinds(section: Section) -> tuple[list[PictureKind], list[str]]:
    """The pictures of a section without their bytes (see `fit`), and unreadable pictures.

    They are all kinds from one run of each model, with the same seed if possible, and samples of the other seeds.
    """
    by_title: dict[str, PictureKind] = {}
    broken, known = [], {Path(pattern).stem for _, pattern, _ in _KINDS} | _ELSEWHERE

    def add(title: str, meaning: str, model: Model, run: RunRecord, path: Path, folded: bool = False) -> None:
        whole = _read(path)
        if whole is None:
            broken.append(f"{run.place}: {path.relative_to(run.folder)} is no readable picture")
            return
        seed = "" if run.seed is None or len(model.runs) == 1 else f", seed {run.seed}"
        step = re.search(r"_(\d+)$", path.stem)
        at = f", step {int(step[1]):,}" if step else ""
        name = f"{model.slug}_{re.sub('[^a-z0-9]+', '_', title.lower())}.png"
        kind = by_title.setdefault(title, PictureKind(title, meaning, [], folded))
        kind.pictures.append(Picture(run, f"{model.name}{seed}{at}", name, whole))

    wanted = (_KINDS[0], *_OF_ONE_MODEL, *_KINDS[1:]) if len(section.models) == 1 else _KINDS
    for model in section.models:
        pictured = pictured_run(section, model)
        for title, pattern, meaning in wanted:
            if files := pictured.files(pattern):
                add(title, meaning, model, pictured, files[-1])
        for path in pictured.files("evaluation/*.png"):
            if path.stem not in known:
                add(path.stem.replace("_", " ").capitalize(), "", model, pictured, path)
        title, pattern, meaning = _KINDS[0]
        for run in model.runs:
            if run is not pictured and (files := run.files(pattern)):
                add(f"{title} of seed {run.seed}", meaning, model, run, files[-1], folded=True)
    order = {title: place for place, (title, _, _) in enumerate(wanted)}

    def place(kind: PictureKind) -> tuple:
        return (0, 1, kind.title) if kind.folded else (order.get(kind.title, len(order)), 0, "")

    return sorted(by_title.values(), key=place), broken


def fit(kinds: list[PictureKind]) -> None:
    """Fills in the bytes of all pictures of a page. The largest pictures are made smaller until all fit."""
    pictures = [picture for kind in kinds for picture in kind.pictures]
    for picture in pictures:
        picture.data, picture.width, picture.height = fitted(picture.whole, _LARGEST)
    limit = room([len(picture.data) for picture in pictures], _BUDGET)
    for picture in pictures:
        if len(picture.data) > limit:
            picture.data, picture.width, picture.height = fitted(picture.whole, limit)


def room(sizes: list[int], budget: int) -> int:
    """The largest size of each picture so that all keep the budget. Small pictures leave room to others."""
    left = budget
    for i, size in enumerate(sorted(sizes)):
        share = left // (len(sizes) - i)
        if size > share:
            return share
        left -= size
    return max(sizes, default=0)


def _read(path: Path) -> Image.Image | None:
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture.convert("L" if picture.mode in ("1", "L", "I;16") else "RGB")
    except Exception:  # a damaged picture fails in any layer of its format
        return None


def fitted(whole: Image.Image, limit: int) -> tuple[bytes, int, int]:
    """A picture as PNG and its size. Fewer colours and pixels bring it below `limit` bytes if possible."""
    data = b""
    widths = [width for width in _WIDTHS if width < whole.width]
    for width in widths if whole.width > _WIDTHS[0] else (whole.width, *widths):
        small = whole
        if width != whole.width:
            small = whole.resize((width, max(1, round(whole.height * width / whole.width))), Image.Resampling.LANCZOS)
        for colours in (None, 128):
            buffer = io.BytesIO()
            (small if colours is None else small.quantize(colours)).save(buffer, "PNG", optimize=True)
            data = buffer.getvalue()
            if len(data) <= limit:
                return data, small.width, small.height
    return data, small.width, small.height


def _any_picture(run: RunRecord) -> bool:
    return bool(run.files("samples/step_*.png") or run.files("evaluation/*.png"))
