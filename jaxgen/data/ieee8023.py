"""COVID-19 image data collection (Cohen et al. 2020, github.com/ieee8023/covid-chestxray-dataset), as gray images.

Layout in `data.dir` (a folder or zip, at any depth): `metadata.csv` beside the folder `images`. Its columns are
patientid, finding, view, modality, filename and optionally `folder` ("images" if missing). Volumes are not read.

`data.finding`, `data.view` and `data.modality` choose rows. An empty setting chooses all rows. A finding is a path such
as `Pneumonia/Viral/COVID-19`. `Pneumonia`, `COVID-19` and `Viral/COVID-19` all choose this finding. The classes are the
chosen findings in the given order, and the first match counts. Without a choice, all findings are classes, sorted.

The images of a patient lie in one split. A hash of the patient's id puts `test_fraction` of the patients of each class
into "test". The class of a patient is that of the first image. A row without a patient counts as its own patient.
"""

import hashlib
import logging
import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from jaxgen.data import csv_file, folder, layouts
from jaxgen.data.base import Dataset
from jaxgen.data.container import Container, open_container
from jaxgen.data.image_formats import is_image
from jaxgen.errors import UserError
from jaxgen.settings import lookup

log = logging.getLogger(__name__)
# What a spreadsheet makes of the number of a patient where others are missing.
_WHOLE = re.compile(r"^([0-9]+)\.0+$")
_COLUMNS = ("patientid", "finding", "view", "modality", "filename")


class _Row(NamedTuple):
    path: str
    patient: str
    finding: str
    view: str
    modality: str


def files(config) -> list[Path]:
    """The zip, or all images of the folder and its metadata.csv."""
    return folder.files_of(_path(config), lambda name: is_image(name) or _is_table(name))


def load(config) -> Dataset:
    """Splits "train" and "test" of the chosen rows.

    Raises:
      UserError: metadata, columns or images are missing, or no row passes the filters.
    """
    listing, absent, *where = _listing(config)
    dataset = folder.read_listing(listing, *where)
    skipped = absent + dataset.info["skipped"]
    return dataset._replace(name="ieee8023", info={**dataset.info, "skipped": skipped})


def streamed(config):
    """The splits as images that stay in their files, see `jaxgen.data.base.open_dataset`."""
    listing, _, *where = _listing(config)
    _, class_names, splits, info = folder.stream_listing(listing, *where)
    return "ieee8023", class_names, splits, info


def _listing(config):
    path = _path(config)
    container = open_container(path)
    rows = _chosen(_rows(container, str(path)), config)
    absent = sorted({row.path for row in rows} - set(container.names))
    if absent and not config.skip_bad_images:
        raise UserError(
            f"{path}: {len(absent)} of {len(rows)} images in metadata.csv are missing, such as {absent[0]}. "
            "Complete the copy, or set data.skip_bad_images=True to leave them out"
        )
    lost = set(absent)
    present = [row for row in rows if row.path not in lost]
    if not present:
        raise UserError(f"{path}: all {len(rows)} chosen images of metadata.csv are missing, such as {absent[0]}")
    names = tuple(config.finding) or tuple(sorted({row.finding for row in rows}))
    used = {row.path for row in rows} | {name for name in container.names if _is_table(name)}
    listing = _split(present, names, config)._replace(left_out=layouts.left_out_of(container, used))
    return listing, absent, container, folder.gray(config), path


def _path(config) -> Path:
    return folder.existing(config, "ieee8023", "the folder or zip with metadata.csv and images/")


def _is_table(name: str) -> bool:
    return PurePosixPath(name).name == "metadata.csv"


def _rows(container: Container, where: str) -> list[_Row]:
    """The images that metadata.csv lists."""
    tables = [name for name in container.names if _is_table(name)]
    if not tables:
        raise UserError(f"{where} holds no metadata.csv: data.name=ieee8023 reads covid-chestxray-dataset's layout")
    table = min(tables, key=lambda name: (name.count("/"), name))
    where = f"{where}: {table}"
    # Notes of physicians in another encoding than UTF-8 do no harm, but broken names would.
    text = container.read(table).decode("utf-8-sig", errors="replace")
    header, lines = csv_file.parse(text, where, lenient=True)
    if missing := [name for name in _COLUMNS if name not in header]:
        raise UserError(f"{where} lacks the columns {', '.join(missing)}")
    if twice := [name for name in (*_COLUMNS, "folder") if header.count(name) > 1]:
        raise UserError(f"{where}: two columns are called {twice[0]!r}: rename one")
    base, rows, differing = table.removesuffix("metadata.csv"), {}, []
    for number, cells in csv_file.of_one_length(header, lines, where):
        cell = {"folder": "", **dict(zip(header, cells, strict=True))}
        if broken := next((name for name in (*_COLUMNS, "folder") if "\ufffd" in cell[name]), None):
            raise UserError(f"{where}: {broken!r} in line {number} is not in UTF-8. Save the file in UTF-8")
        if is_image(cell["filename"]):
            path = f"{base}{cell['folder'] or 'images'}/{cell['filename']}"
            patient = _WHOLE.sub(r"\1", cell["patientid"]) or cell["filename"]
            row = _Row(path, patient, cell["finding"], cell["view"], cell["modality"])
            if path in rows and rows[path] != row:
                differing.append(path)
            rows[path] = row
    if differing:
        log.warning("%s lists %d images again with other facts, such as %s. The last counts", where, *_told(differing))
    named = [row for row in rows.values() if row.finding]
    unnamed = len(rows) - len(named)
    if unnamed:
        log.warning("%s: %d images have no finding and are left out", where, unnamed)
    if not named:
        raise UserError(f"{where} lists no images{' with a finding' if unnamed else ''}")
    _tell_spellings(where, {row.finding for row in named})
    return named


def _told(paths: list[str]) -> tuple[int, str]:
    return len(set(paths)), paths[0]


def _tell_spellings(where: str, findings: set[str]) -> None:
    """A line on findings that differ in the case of letters only, since each is a class."""
    spelled: dict[str, list[str]] = {}
    for finding in sorted(findings):
        spelled.setdefault(finding.lower(), []).append(finding)
    if same := [names for names in spelled.values() if len(names) > 1]:
        log.warning("%s: the findings %s differ in case only and are classes of their own", where, ", ".join(same[0]))


def _chosen(rows: list[_Row], config) -> list[_Row]:
    for key in ("modality", "view", "finding"):
        for wanted in config[key]:
            if not any(_fits(getattr(row, key), wanted) for row in rows):
                known = sorted({getattr(row, key) for row in rows})
                raise UserError(lookup.unknown(f"data.{key}", wanted, known, "part of one"))
    kept = [
        row
        for row in rows
        if all(
            not config[key] or any(_fits(getattr(row, key), wanted) for wanted in config[key])
            for key in ("modality", "view", "finding")
        )
    ]
    if not kept:
        raise UserError(
            f"{config.dir}: no image has data.finding={tuple(config.finding)}, "
            f"data.view={tuple(config.view)} and data.modality={tuple(config.modality)}"
        )
    return kept


def _fits(value: str, wanted: str) -> bool:
    """Whether `wanted` is `value` or whole steps of the path that it is, in any case of letters."""
    return f"/{wanted}/".lower() in f"/{value}/".lower()


def _split(rows: list[_Row], names: tuple[str, ...], config) -> layouts.Listing:
    """Splits in which no patient is in both."""
    patients: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        chosen = config.finding
        label = next(name for name in names if _fits(row.finding, name)) if chosen else row.finding
        patients.setdefault(row.patient, []).append((row.path, label))
    by_class: dict[str, list[str]] = {}
    for patient, images in patients.items():
        by_class.setdefault(images[0][1], []).append(patient)
    splits: dict[str, list] = {"train": [], "test": []}
    for members in by_class.values():
        members.sort(key=lambda patient: hashlib.sha256(patient.encode()).digest())
        few = len(members) < 2 or not config.test_fraction
        held = 0 if few else max(1, round(len(members) * config.test_fraction))
        for i, patient in enumerate(members):
            splits["test" if i < held else "train"] += patients[patient]
    if not splits["train"]:
        raise UserError(f"data.test_fraction={config.test_fraction} leaves no patient for training: use less")
    return layouts.Listing({name: layouts.interleave(entries) for name, entries in splits.items() if entries}, names)
