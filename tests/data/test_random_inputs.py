"""Trees, zips, dataset.json and arrays made at random: either the right data, or one line.

Every image has a gray level of its own, so that a loaded image tells from which file it comes. The expectations are
written down here anew, from what a file browser shows, and not taken from the readers.

    JAXGEN_EXAMPLES=5000 python -m pytest tests/data/test_random_inputs.py
"""

import io
import json
import logging
import math
import os
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxgen.data.base import open_dataset
from jaxgen.errors import UserError
from jaxgen.runs.sources import Options, open_source

hypothesis = pytest.importorskip("hypothesis", reason="needs hypothesis, of the extra test")
st = hypothesis.strategies

EXAMPLES = int(os.environ.get("JAXGEN_EXAMPLES", "25"))
at_random = hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=EXAMPLES <= 25,  # the quick tier tries the same inputs every time
    suppress_health_check=list(hypothesis.HealthCheck),
)

FOLDERS = ["cat", "dog", "Cat", "a b", "ü", "train", "Train", "Training", "training set", "test", "TEST", "Testing"]
FOLDERS += ["val", "validation", "valid", "invalid", "data", "images", "trainA", "testA", "cats_test", "cats_train"]
ODD = [".", "", ".hidden", "__MACOSX", "..", ".git"]
FILES = ["0.png", "1.PNG", "2.jfif", "3.bmp", "img", "4.tiff", "._5.png", ".6.png", "notes.txt", "7.heic", "8.webp"]
KINDS = ["gray"] * 6 + ["rgb", "rgba", "deep", "wide", "tall", "palette", "damaged", "empty", "text"]
IMAGE_ENDINGS = (".png", ".jfif", ".bmp", ".tiff", ".webp")


def content(kind, level):
    """A file whose image has this gray level everywhere."""
    if kind in ("empty", "text"):
        return {"empty": b"", "text": b"no image"}[kind]
    size = {"wide": (9, 6), "tall": (6, 9)}.get(kind, (6, 6))
    image = Image.new("L", size, level)
    if kind == "deep":
        image = Image.fromarray(np.full((6, 6), 257 * level, np.uint16))
    elif kind in ("rgb", "rgba"):
        image = image.convert(kind.upper())
    elif kind == "palette":
        image = image.convert("RGB").quantize(2)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()[:-30] if kind == "damaged" else file.getvalue()


OPTIONS = st.fixed_dictionaries(
    {
        "channels": st.sampled_from([0, 0, 1, 3]),
        "image_size": st.sampled_from([0, 0, 4]),
        "crop": st.sampled_from(["center", "none"]),
        "skip_bad_images": st.sampled_from([False, False, True]),
        "streaming": st.sampled_from(["never", "never", "always", "auto"]),
        "test_fraction": st.sampled_from([0.3, 0.3, 0.9, 0.0]),
        "test_split": st.sampled_from(["test", "test", "train", "", "val"]),
        "labels": st.sampled_from([False] * 5 + [True]),
    }
)
PATHS = st.tuples(
    st.lists(st.one_of(st.sampled_from(FOLDERS), st.sampled_from(FOLDERS[:2]), st.sampled_from(ODD)), max_size=3),
    st.sampled_from(FILES),
)
SOUP = st.lists(st.tuples(PATHS, st.sampled_from(KINDS)), max_size=14)
SPLITS = [(), (), ("train", "test"), ("Training", "Testing"), ("TRAIN", "VAL"), ("train2017", "test set")]
CLASSES = [(), ("cat", "dog"), ("cat", "dog", "ü", "b c"), ("valid", "invalid"), ("train",)]
NOISE = [(["__MACOSX"], "._0.png"), ([], "notes.txt"), ([".git"], "1.png"), ([], "7.heic"), (["cat"], ".8.png")]


@st.composite
def orderly_trees(draw):
    """A layout that people make, perhaps with odd spellings and a few bad files."""
    prefix = draw(st.sampled_from([[], [], ["data"], ["a b", ".", "data"], ["."], ["images", ""]]))
    splits, classes = draw(st.sampled_from(SPLITS)), draw(st.sampled_from(CLASSES))
    deeper = draw(st.sampled_from([[], [], ["x"], [".", "x", "y"]])) if classes else []
    kinds = draw(st.sampled_from([["gray"], ["gray", "rgb", "deep", "palette"], ["rgb", "rgba"], ["gray"] * 9 + KINDS]))
    entries = []
    for i in range(draw(st.integers(2, 12))):
        split = [splits[i // max(1, len(classes)) % 2]] if splits else []
        label = [classes[i % len(classes)]] if classes else []
        ending = draw(st.sampled_from(["png", "png", "PNG", "jfif", "bmp", "tiff"]))
        entries.append((([*prefix, *split, *label, *deeper], f"{i}.{ending}"), draw(st.sampled_from(kinds))))
    noise = draw(st.lists(st.sampled_from(NOISE), max_size=2, unique_by=str))
    return entries + [(path, "gray") for path in noise]


ENTRIES = st.one_of(orderly_trees(), orderly_trees(), orderly_trees(), SOUP)


@pytest.fixture
def opened(data_config, caplog):
    """opened(path, **options) -> the data set, or None after one line that says what is wrong."""

    def open_(path, name="folder", **options):
        caplog.clear()
        begun = time.process_time()
        try:
            with caplog.at_level(logging.INFO, logger="jaxgen"):
                dataset = open_dataset(data_config(name=name, dir=path, **options), progress=False)
        except UserError as error:
            assert_is_a_line(str(error))
            dataset = None
        assert time.process_time() - begun < 1
        if dataset is not None and not is_readable(dataset):
            dataset = None
        if dataset is not None:
            (said,) = [r.getMessage() for r in caplog.records if r.getMessage().startswith(f"data: {dataset.name}: ")]
            assert all(f"{name} {len(split.images):,} " in said for name, split in dataset.splits.items())
        return dataset

    return open_


def is_readable(dataset):
    """Whether all images can be read. Streamed ones are decoded only now, and a damaged one is one line."""
    try:
        for split in dataset.splits.values():
            split.images[:]
    except UserError as error:
        assert_is_a_line(str(error))
        return False
    return True


def assert_is_a_line(text):
    assert len(text) > 20
    assert text.isprintable()
    assert "Traceback" not in text


def parts_shown(parts):
    """The folders that a file browser shows."""
    return [part for part in parts if part not in ("", ".")]


def is_hidden(parts):
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def check_dataset(dataset, files, options):
    """Compares with `files`, {level: (path, kind)} of the visible images, whose kinds may be unreadable."""
    levels = {name: split.images[:][:, 0, 0, 0].tolist() for name, split in dataset.splits.items()}
    loaded = [level for found in levels.values() for level in found]
    assert len(set(loaded)) == len(loaded)
    assert set(loaded) <= set(files)
    info = dataset.info
    elsewhere = sum(count for kind, count in info["left_out"].items() if kind.startswith("images of the split"))
    skipped = len(info.get("skipped", ()))
    assert len(loaded) + elsewhere + skipped == len(files), (levels, files, info)
    assert not skipped or options["skip_bad_images"]
    for name, found in levels.items():
        labels = dataset.splits[name].labels
        for i, level in enumerate(found):
            path, kind = files[level]
            assert kind not in ("damaged", "empty", "text")
            if labels is not None:
                assert dataset.class_names[labels[i]] in path[:-1]
    told = {level for level in levels["train"] if any(part.lower().startswith("test") for part in files[level][0][:-1])}
    if told:  # images of folders called test are trained on only if all images lie in such folders
        assert all(any(part.lower().startswith("test") for part in path[:-1]) for path, _ in files.values())
    shapes = {split.images.shape[1:] for split in dataset.splits.values()}
    assert len(shapes) == 1


SPLIT_OF = {"train": "train", "Training": "train", "TRAIN": "train", "train2017": "train"}
SPLIT_OF |= {"test": "test", "Testing": "test", "test set": "test", "VAL": "val"}


@at_random
@hypothesis.given(entries=orderly_trees(), zipped=st.booleans(), streaming=st.sampled_from(["never", "always"]))
def test_orderly_trees_are_read(opened, entries, zipped, streaming):
    with tempfile.TemporaryDirectory() as folder:
        path, expected = Path(folder) / "x", {}
        with zipfile.ZipFile(f"{path}.zip", "w") as archive:
            for i, ((parents, name), _) in enumerate(entries):
                parts = parts_shown([*parents, name])
                file = path.joinpath(*parts)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content("gray", 10 * (i + 1)))
                archive.writestr("/".join([*parents, name]), file.read_bytes())
                if not is_hidden(parts) and name.lower().endswith(IMAGE_ENDINGS):
                    folders = [part for part in parts[:-1] if part not in ("data", "a b", "images", "x", "y")]
                    split = SPLIT_OF[folders.pop(0)] if folders and folders[0] in SPLIT_OF else "train"
                    expected[10 * (i + 1)] = split, next(iter(folders), None)
        splits = {split for split, _ in expected.values()}
        other = next((split for split in splits if split != "train"), "")
        dataset = opened(
            path.with_suffix(".zip") if zipped else path, streaming=streaming, test_split=other, test_fraction=0.0
        )
        assert dataset is not None, expected
        found = {}
        for name, (images, labels) in dataset.splits.items():
            for i, level in enumerate(images[:][:, 0, 0, 0].tolist()):
                found[level] = name, None if labels is None else dataset.class_names[labels[i]]
        one = len({label for _, label in expected.values()}) == 1 and not other
        if one:  # a single folder holds all images and is no class
            expected = {level: (split, None) for level, (split, _) in expected.items()}
            found = {level: (split, None) for level, (split, _) in found.items()}
        assert found == expected


@at_random
@hypothesis.given(
    entries=ENTRIES,
    options=OPTIONS,
    separator=st.sampled_from("///\\"),
    start=st.sampled_from([""] * 4 + ["./", "./", "/"]),
)
def test_zips(opened, entries, options, separator, start):
    with tempfile.TemporaryDirectory() as folder:
        path, files, seen = Path(folder) / "x.zip", {}, set()
        refused = start == "/" and bool(entries)
        with zipfile.ZipFile(path, "w") as archive:
            for i, ((parents, name), kind) in enumerate(entries):
                parts = parts_shown([*parents, name])
                if tuple(parts) in seen:
                    continue
                seen.add(tuple(parts))
                info = zipfile.ZipInfo("x")
                info.filename = start + separator.join([*parents, name])
                refused |= ".." in parts or info.filename.startswith(("/", "\\"))
                archive.writestr(info, content(kind, 10 * (i + 1)))
                if not is_hidden(parts) and name.lower().endswith(IMAGE_ENDINGS):
                    files[10 * (i + 1)] = parts, kind
        dataset = opened(path, **options)
        assert not (refused and dataset)
        if dataset:
            check_dataset(dataset, files, options)


@at_random
@hypothesis.given(
    entries=ENTRIES,
    options=OPTIONS,
    links=st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["dog", "train", "test", "up", "9.png"]), st.integers(0, 9))
    ),
)
def test_folders_with_links(opened, entries, options, links):
    with tempfile.TemporaryDirectory() as folder:
        root, files = Path(folder) / "x", {}
        root.mkdir()
        for i, ((parents, name), kind) in enumerate(entries):
            parts = [part for part in parents if part not in ("", ".", "..")]
            file = root.joinpath(*parts, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists():
                file.write_bytes(content(kind, 10 * (i + 1)))
        folders = sorted({root, *(path for path in root.rglob("*") if path.is_dir())})
        for place, name, target in links:
            link, aim = folders[place % len(folders)] / name, folders[target % len(folders)]
            if not os.path.lexists(link):
                link.symlink_to(aim if target else "nowhere")
        dataset = opened(root, **options)
        if not dataset:
            return
        for i, ((parents, name), kind) in enumerate(entries):
            path = [*(part for part in parents if part not in ("", ".", "..")), name]
            is_mine = root.joinpath(*path).read_bytes() == content(kind, 10 * (i + 1))
            known = any(other == path for other, _ in files.values())
            if is_mine and not known and not is_hidden(path) and name.lower().endswith(IMAGE_ENDINGS):
                files[10 * (i + 1)] = path, kind
        if not links:
            check_dataset(dataset, files, options)
            return
        levels = [level for split in dataset.splits.values() for level in split.images[:][:, 0, 0, 0].tolist()]
        others = {kind: count for kind, count in dataset.info["left_out"].items() if kind.startswith("images of")}
        assert set(levels) <= {10 * (i + 1) for i in range(len(entries))}  # links can lead into hidden folders
        assert len(levels) + sum(others.values()) + len(dataset.info.get("skipped", ())) >= len(files)


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=5,
)
NAMES = ["0.png", "a/1.png", "./a/1.png", "a\\2.png", "a/2.png", "lost.png", "./0.png"]
GOOD_ENTRIES = st.fixed_dictionaries(
    {name: st.integers(0, 5) for name in ("0.png", "a/1.png", "a/2.png")}, optional={"lost.png": st.integers(0, 5)}
).map(lambda labels: [list(entry) for entry in labels.items()])
ODD_ENTRIES = st.lists(
    st.tuples(st.sampled_from(NAMES), st.one_of(st.integers(0, 5), st.integers(), ANYTHING)).map(list), max_size=2
)


@at_random
@hypothesis.given(
    labels=st.one_of(
        GOOD_ENTRIES,
        st.none(),
        st.tuples(GOOD_ENTRIES, ODD_ENTRIES).map(lambda parts: parts[0] + parts[1]),
        st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 10**8)).map(list), min_size=3, max_size=6),
        ANYTHING,
    ),
    cut=st.sampled_from([None] * 7 + [5, 20, 40]),
)
def test_dataset_json(opened, labels, cut):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "x"
        (root / "a").mkdir(parents=True)
        for level, name in ((10, "0.png"), (20, "a/1.png"), (30, "a/2.png")):
            (root / name).write_bytes(content("gray", level))
        text = json.dumps({"labels": labels})[:cut]
        (root / "dataset.json").write_text(text)
        dataset = opened(root, test_split="", test_fraction=0.0)
        expected = expected_labels(text)
        if expected is None:
            assert dataset is None, text
            return
        assert dataset is not None, text
        images, found = dataset.splits["train"]
        if expected == {}:
            assert found is None
            return
        level_of = {"0.png": 10, "a/1.png": 20, "a/2.png": 30}
        assert dict(zip(images[:, 0, 0, 0].tolist(), found.tolist(), strict=True)) == {
            level: expected[name] for name, level in level_of.items()
        }
        assert len(dataset.class_names) == max(expected[name] for name in level_of) + 1


def expected_labels(text):
    """{name: label}, {} for `null`, None if the file is to be refused."""
    try:
        labels = json.loads(text)["labels"]
    except (ValueError, KeyError, TypeError):
        return None
    if labels is None:
        return {}
    expected = {}
    if type(labels) is not list:
        return None
    for entry in labels:
        if type(entry) is not list or len(entry) != 2 or type(entry[0]) is not str:
            return None
        name, label = str(Path(entry[0].replace("\\", "/"))), entry[1]
        if type(label) is not int or label < 0 or expected.setdefault(name, label) != label:
            return None
    wanted = [expected.get(name, math.inf) for name in ("0.png", "a/1.png", "a/2.png")]
    return expected if max(wanted) < 100_000 else None


DTYPES = [">u1", "i1", "u2", "i4", "f4", "f8", "?", "U2", "S3", "O", "c8", "M8[s]"]
SHAPES = st.lists(st.integers(0, 4), max_size=5).map(tuple)
GOOD_SHAPES = [(4, 5, 5, 1), (3, 5, 6, 3), (1, 5, 5, 3), (2, 6, 5, 1), (4, 5, 5)]
ARRAYS = st.one_of(
    st.tuples(st.sampled_from(GOOD_SHAPES), st.just("u1")),
    st.tuples(st.sampled_from(GOOD_SHAPES), st.just("u1")),
    st.tuples(st.sampled_from([(4, 3), *GOOD_SHAPES]), st.sampled_from(DTYPES)),
    st.tuples(SHAPES, st.sampled_from([*DTYPES, "u1"])),
)
LABELS = st.one_of(
    st.none(),
    st.tuples(st.lists(st.integers(0, 5), min_size=1, max_size=1), st.sampled_from(["i8", "u1", "i4"])),
    st.tuples(
        st.lists(st.integers(-2, 2**63), min_size=1, max_size=4),
        st.sampled_from(["i8", "u8", "f8", "O", "U20", "?", "i4"]),
    ),
)


def array_of(shape, dtype):
    array = np.empty(shape, dtype)
    array[...] = np.arange(array.size).reshape(shape).astype("u1").astype(dtype if dtype != "M8[s]" else "i8")
    return array


def labels_array(drawn, count):
    """The labels as an array of their type, repeated to `count` now and then; None if the type has no such numbers."""
    numbers, dtype = drawn
    if len(numbers) % 2:  # half of them have the right count
        numbers = (numbers * count)[:count]
    try:
        return np.array(numbers, dtype)
    except OverflowError:
        return None


def good_labels(labels, count):
    return (
        labels.dtype.kind in "iu"
        and labels.shape == (count,)
        and all(0 <= label < 100_000 for label in labels.tolist())
    )


MUTATION = st.one_of(
    st.none(), st.none(), st.tuples(st.sampled_from(["cut", "flip", "set"]), st.integers(0, 10**6), st.integers(0, 255))
)


def mutated(path, mutation):
    """Whether the file was changed."""
    data = bytearray(path.read_bytes())
    if mutation is None or not data:
        return False
    kind, place, value = mutation
    place %= len(data)
    if kind == "cut":
        del data[place:]
    else:
        data[place] = value if kind == "set" else data[place] ^ (1 << value % 8)
    changed = bytes(data) != path.read_bytes()
    path.write_bytes(data)
    return changed


@at_random
@hypothesis.given(
    made=ARRAYS,
    drawn=LABELS,
    options=OPTIONS,
    mutation=MUTATION,
    which=st.sampled_from([0, 1]),
)
def test_arrays(opened, made, drawn, options, mutation, which):
    shape, dtype = made
    options = {key: value for key, value in options.items() if key not in ("skip_bad_images", "labels", "test_split")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npy"
        array = array_of(shape, dtype)
        np.save(path, array)
        good = array.dtype == np.uint8 and array.ndim in (3, 4) and 0 not in shape and shape[3:] in ((), (1,), (3,))
        labels = None if drawn is None else labels_array(drawn, shape[0] if shape else 1)
        if labels is not None:
            np.save(Path(folder) / "x_labels.npy", labels)
            good = good and good_labels(labels, shape[0])
        changed = mutated(Path(folder) / "x_labels.npy" if which and labels is not None else path, mutation)
        dataset = opened(path, "array", test_split="", **options)
        if changed:
            return  # any data that fit the changed header are right
        assert bool(dataset) == good
        if dataset and not options["channels"] and not options["image_size"] and options["crop"] == "none":
            images, found = dataset.splits["train"]
            np.testing.assert_array_equal(images[:], array.reshape(*shape[:3], -1)[: len(images)])
            assert found is None if labels is None else found.tolist() == labels.tolist()[: len(images)]


@at_random
@hypothesis.given(
    made=ARRAYS,
    drawn=LABELS,
    mutation=MUTATION,
    key=st.sampled_from(["images", "arr_0", "x"]),
)
def test_npz_as_sources(made, drawn, mutation, key):
    shape, dtype = made
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npz"
        array = array_of(shape, dtype)
        labels = None if drawn is None else labels_array(drawn, shape[0] if shape else 1)
        np.savez(path, **{key: array}, **({} if labels is None else {"labels": labels}))
        good = array.dtype == np.uint8 and array.ndim == 4 and 0 not in shape and shape[3] in (1, 3)
        vectors = array.dtype == np.float32 and array.ndim == 2 and 0 not in shape
        good = (good or vectors) and (labels is None or good_labels(labels, shape[0]))
        changed, begun = mutated(path, mutation), time.process_time()
        try:
            source = open_source(str(path), Options(), "--train")
        except UserError as error:
            assert_is_a_line(str(error))
            source = None
        assert time.process_time() - begun < 1
        if source and key in ("images", "arr_0") and source.images.shape == array.shape:  # a zip has checksums
            np.testing.assert_array_equal(source.images[:], array)
        if changed:
            return
        assert bool(source) == good
        if source:
            assert f"{len(array):,} " in source.read
            assert source.labels is None if labels is None else source.labels.tolist() == labels.tolist()


@at_random
@hypothesis.given(mutation=MUTATION, more=MUTATION, options=OPTIONS)
def test_damaged_zips(opened, mutation, more, options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for i in range(6):
                archive.writestr(f"{'ab'[i % 2]}/{i}.png", content("gray", 10 * (i + 1)))
            archive.writestr(
                "dataset.json", json.dumps({"labels": [[f"{'ab'[i % 2]}/{i}.png", i % 2] for i in range(6)]})
            )
        changed = [mutated(path, change) for change in (mutation, more)]
        dataset = opened(path, **options)
        if dataset:
            levels = [split.images[:][:, 0, 0, 0].tolist() for split in dataset.splits.values()]
            assert {level for found in levels for level in found} <= {10, 20, 30, 40, 50, 60}
        elif not any(changed):
            assert options["test_split"] == "val" or options["streaming"] == "always" or options["test_fraction"] == 0


@at_random
@hypothesis.given(
    kind=st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP", "PPM", "TGA", "JPEG2000", "ICO", "PCX", "DDS"]),
    mutations=st.lists(MUTATION, min_size=1, max_size=4),
    options=OPTIONS,
)
def test_damaged_images(opened, kind, mutations, options):
    with tempfile.TemporaryDirectory() as folder:
        for i in range(2):
            path = Path(folder) / f"{i}.png"
            Image.new("RGB", (16, 16), (9, 9, 9)).save(path, kind)
        changed = [mutated(path, mutation) for mutation in mutations]
        dataset = opened(Path(folder), **{**options, "test_split": "", "test_fraction": 0.0, "labels": False})
        if not any(changed):
            assert (
                dataset is None if (options["streaming"], options["skip_bad_images"]) == ("always", True) else dataset
            )
