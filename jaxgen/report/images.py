"""Pictures of runs, made small enough that a page holds those of many."""

import io
import re
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from jaxgen.report.groups import Model, Section
from jaxgen.report.run import Run

# Bytes of all pictures of a page, and of one.
_BUDGET, _LARGEST = 4_500_000, 220_000
_WIDTHS = (720, 560, 440, 340, 260, 200)
_KINDS = (
    ("Samples", "samples/step_*.png", "Grids from the same latents' seed, at each run's last step."),
    ("Samples and data", "evaluation/real_and_generated.png", "Generated points over the real ones."),
    (
        "Nearest training images",
        "evaluation/nearest_training_images.png",
        "Each sample, and beside it the training images that are nearest to it in pixels: copies would show here.",
    ),
    ("Interpolations", "samples/interpolation.png", "Each row leads from one latent to another."),
    ("Reconstructions", "samples/reconstructions_*.png", "Pairs: a test image, and what the model makes of it."),
    (
        "Closest pairs of samples",
        "evaluation/closest_pairs.png",
        "The two samples of a pair ought not to be the same: if they are, the model repeats itself.",
    ),
    ("Samples by class", "evaluation/samples_by_class.png", "Classes as the nearest real image has them."),
    ("Latent traversals", "samples/traversal.png", "One latent at a time, the others fixed."),
)
# Left out of "further pictures": the report draws its own, or shows their parts.
_ELSEWHERE = {"tsne", "real_beside_fake", "figure2"}


class Picture(NamedTuple):
    """A PNG: of which run, its caption, its bytes and size."""

    run: Run
    title: str
    name: str
    data: bytes
    width: int
    height: int


class Kind(NamedTuple):
    """Pictures of one kind, one for each model that has one."""

    title: str
    meaning: str
    pictures: list[Picture]


def shown_run(section: Section, model: Model) -> Run:
    """The run whose pictures stand for a model: of the seed that most models have, if it has it and it has pictures."""
    counts: dict[int, int] = {}
    for other in section.models:
        for seed in {run.seed for run in other.runs if run.seed is not None and _any_picture(run)}:
            counts[seed] = counts.get(seed, 0) + 1
    for seed in sorted(counts, key=lambda seed: (-counts[seed], seed)):
        run = model.of_seed(seed)
        if run is not None and _any_picture(run):
            return run
    return model.runs[0]


def kinds(section: Section, share: float) -> tuple[list[Kind], list[str]]:
    """The pictures of a section, and those that could not be read.

    Args:
      share: of the page's bytes that this section may have.
    """
    wanted: dict[str, tuple[str, list[tuple[Model, Run, Path]]]] = {}
    for model in section.models:
        run = shown_run(section, model)
        for title, pattern, meaning in _KINDS:
            files = run.files(pattern)
            if files:
                wanted.setdefault(title, (meaning, []))[1].append((model, run, files[-1]))
        known = {Path(pattern).stem for _, pattern, _ in _KINDS} | _ELSEWHERE
        for path in run.files("evaluation/*.png"):
            if path.stem not in known:
                title = path.stem.replace("_", " ").capitalize()
                wanted.setdefault(title, ("", []))[1].append((model, run, path))
    count = sum(len(files) for _, files in wanted.values())
    limit = min(_LARGEST, int(share * _BUDGET / max(count, 1)))
    found, broken = [], []
    for title, (meaning, files) in wanted.items():
        pictures = []
        for model, run, path in files:
            small = fitted(path, limit)
            if small is None:
                broken.append(f"{run.place}: {path.relative_to(run.folder)} is no readable picture")
                continue
            name = f"{model.slug}_{re.sub('[^a-z0-9]+', '_', title.lower())}.png"
            seed = "" if run.seed is None or len(model.runs) == 1 else f", seed {run.seed}"
            step = re.search(r"_(\d+)$", path.stem)
            at = f", step {int(step[1]):,}" if step else ""
            pictures.append(Picture(run, f"{model.name}{seed}{at}", name, *small))
        if pictures:
            found.append(Kind(title, meaning, pictures))
    order = [title for title, _, _ in _KINDS]
    found.sort(key=lambda kind: order.index(kind.title) if kind.title in order else len(order))
    return found, broken


def fitted(path: Path, limit: int) -> tuple[bytes, int, int] | None:
    """A picture as PNG of at most `limit` bytes if fewer colours and pixels can do it, and its size; None: broken."""
    try:
        with Image.open(path) as picture:
            picture.load()
            whole = picture.convert("L" if picture.mode in ("1", "L", "I;16") else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    data = b""
    for width in (whole.width, *(w for w in _WIDTHS if w < whole.width)):
        if width > _WIDTHS[0]:
            continue
        small = whole
        if width != whole.width:
            small = whole.resize((width, max(1, round(whole.height * width / whole.width))), Image.Resampling.LANCZOS)
        for colours in (None, 128):
            data = _png(small if colours is None else small.quantize(colours))
            if len(data) <= limit:
                return data, small.width, small.height
    return data, small.width, small.height


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _any_picture(run: Run) -> bool:
    return bool(run.files("samples/step_*.png") or run.files("evaluation/*.png"))
