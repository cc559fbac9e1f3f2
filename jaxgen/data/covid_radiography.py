"""COVID-19 Radiography Database as Kaggle distributes it (Chowdhury et al. 2020, Rahman et al. 2021), gray X-rays.

Layout in `data.dir` (a folder or zip, at any depth): `COVID/images/*.png`, `Lung_Opacity/images`, `Normal/images`,
`Viral Pneumonia/images`. Masks of the lungs (`COVID/masks`) and spreadsheets are not read. The first edition, with the
images directly in the class folders, is read too.

The last `test_fraction` of each class, by number, is the split "test". The set names no patients, but images of one
patient tend to have neighbouring numbers. A block separates fewer of them than a random choice would.
"""

import re
from pathlib import Path, PurePosixPath

from jaxgen.data import folder, layouts
from jaxgen.data.base import Dataset
from jaxgen.data.container import Container, open_container
from jaxgen.data.image_formats import is_image
from jaxgen.errors import UserError

CLASSES = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
# Letters alone, since editions differ: "Viral_Pneumonia", "COVID-19", "NORMAL".
_SPELLINGS = {re.sub("[^a-z]", "", name.lower()): name for name in CLASSES}


def files(config) -> list[Path]:
    """The zip, or the images of the folder that `load` reads."""
    path = _path(config)
    if not path.is_dir():
        return [path]
    return [path / name for names in _listed(open_container(path), str(path)).values() for name in names]


def load(config) -> Dataset:
    """Splits "train" and "test" with labels in the order of `CLASSES`. A missing class keeps its number."""
    return folder.read_listing(*_listing(config))


def streamed(config):
    """The splits as images that stay in their files, see `jaxgen.data.base.open_dataset`."""
    return folder.stream_listing(*_listing(config))


def _listing(config):
    path = _path(config)
    container = open_container(path)
    by_class = _listed(container, str(path))
    labelled = [(name, label) for label, names in by_class.items() for name in names]
    listing = layouts.carve(labelled, CLASSES, config.test_fraction)
    listing = listing._replace(left_out=layouts.left_out_of(container, {name for name, _ in labelled}))
    return listing, container, folder.gray(config), path


def _path(config) -> Path:
    return folder.existing(
        config, "covid_radiography", "Kaggle's folder or zip with COVID/images, Normal/images and so on"
    )


def _listed(container: Container, where: str) -> dict[str, list[str]]:
    """Image paths by class, in the order of `CLASSES` and of the images' numbers."""
    by_class: dict[str, list[str]] = {name: [] for name in CLASSES}
    for name in container.names:
        parts = PurePosixPath(name).parent.parts
        if parts and parts[-1].lower() == "images":
            parts = parts[:-1]
        label = _SPELLINGS.get(re.sub("[^a-z]", "", parts[-1].lower())) if parts else None
        if label and is_image(name):
            by_class[label].append(name)
    if not any(by_class.values()):
        raise UserError(
            f"{where} has no images in {', '.join(f'{name}/images' for name in CLASSES)}: data.name=covid_radiography "
            "reads Kaggle's layout. For other folders of classes use data.name=folder"
        )
    return {label: sorted(names, key=_number) for label, names in by_class.items() if names}


def _number(name: str) -> tuple[int, str]:
    """`COVID/images/COVID-12.png` -> 12: numbers are not padded, so names alone would put 10 before 2."""
    digits = re.findall(r"\d+", PurePosixPath(name).stem)
    return (int(digits[-1]) if digits else 0, name)
