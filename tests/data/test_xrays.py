"""The two chest X-ray layouts, on small trees of the real form, and the real images where they are at hand."""

import csv
import io
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from PIL import Image

from jaxgen.data.base import open_dataset
from jaxgen.data.container import shown
from jaxgen.errors import UserError
from tests.helpers.examples import EXAMPLES, read_or_refused

REAL = Path(__file__).parents[3] / "shared" / "data" / "covid_xray_256.zip"


@pytest.fixture
def opened(data_config):
    def open_(path, name, **changes):
        changes = {"finding": (), "view": (), "modality": (), **changes}
        return open_dataset(data_config(name=name, dir=path, **changes), progress=False)

    return open_


def values(dataset, split):
    return dataset.splits[split].images[:, 0, 0, 0].tolist()


@pytest.fixture
def radiography(tmp_path, save_image):
    """As Kaggle's archive unpacks: values 0.. COVID, 50.. opacity, 100.. normal, 150.. viral; masks are 255."""
    root = tmp_path / "COVID-19_Radiography_Dataset"
    for first, (name, file) in zip(
        (0, 50, 100, 150),
        [("COVID", "COVID"), ("Lung_Opacity", "Lung_Opacity"), ("Normal", "Normal"), ("Viral Pneumonia",) * 2],
        strict=True,
    ):
        for i in range(12):
            save_image(root / name / "images" / f"{file}-{i + 1}.png", first + i)
            save_image(root / name / "masks" / f"{file}-{i + 1}.png", 255, (4, 4))
        (root / f"{name}.metadata.xlsx").write_text("")
    (root / "README.md.txt").write_text("")
    return root


def test_radiography(opened, radiography):
    dataset = opened(radiography, "covid_radiography", test_fraction=0.25, labels=True)
    assert dataset.class_names == ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
    for split in dataset.splits.values():
        assert split.images.shape[1:] == (8, 8, 1)
        assert (split.labels == split.images[:, 0, 0, 0] // 50).all()
    # The last three by number, where names alone would have taken 7 to 9.
    assert sorted(values(dataset, "test")) == sorted(first + i for first in (0, 50, 100, 150) for i in (9, 10, 11))
    assert len(values(dataset, "train")) == 36
    assert 255 not in values(dataset, "train")
    assert dataset.splits["train"].labels[:8].tolist() in ([0, 1, 2, 3] * 2,)  # every beginning is balanced


def test_radiography_from_above_and_as_a_zip(opened, radiography, tmp_path):
    expected = values(opened(radiography, "covid_radiography"), "train")
    assert values(opened(radiography.parent, "covid_radiography"), "train") == expected
    archive = shutil.make_archive(str(tmp_path / "archive"), "zip", tmp_path, radiography.name)
    assert values(opened(archive, "covid_radiography"), "train") == expected


def test_radiography_of_the_first_edition_and_of_some_classes(opened, tmp_path, save_image):
    for i in range(10):
        save_image(tmp_path / "COVID" / f"COVID-19 ({i + 1}).png", i)
        save_image(tmp_path / "NORMAL" / f"NORMAL ({i + 1}).png", 100 + i)
    dataset = opened(tmp_path, "covid_radiography")
    assert sorted(set(dataset.splits["train"].labels)) == [0, 2]  # Normal is number 2 as ever
    assert values(dataset, "test") == [9, 109]


def test_images_in_colour_become_gray_and_any_size(opened, radiography, save_image):
    save_image(radiography / "Normal" / "images" / "Normal-13.png", (90, 90, 90), (20, 30), "RGB")
    images = opened(radiography, "covid_radiography", image_size=6).splits["train"].images
    assert images.shape[1:] == (6, 6, 1)
    assert opened(radiography, "covid_radiography", image_size=6, channels=3).splits["train"].images.shape[-1] == 3
    with pytest.raises(UserError, match=r"differ in size.*Set data\.image_size"):
        opened(radiography, "covid_radiography")


def test_radiography_that_is_not_there(opened, tmp_path, save_image):
    with pytest.raises(UserError, match=r"data\.name=covid_radiography needs data\.dir: .*COVID/images"):
        opened("", "covid_radiography")
    with pytest.raises(UserError, match="no such folder"):
        opened(tmp_path / "none", "covid_radiography")
    save_image(tmp_path / "cats" / "1.png", 1)
    with pytest.raises(UserError, match=r"no images in COVID/images.*use data\.name=folder"):
        opened(tmp_path, "covid_radiography")


COVID, NONE, BACTERIAL = "Pneumonia/Viral/COVID-19", "No Finding", "Pneumonia/Bacterial"
HEADER = ["patientid", "offset", "sex", "finding", "view", "modality", "folder", "filename", "clinical_notes"]


def write(root, rows, save_image, header=HEADER):
    """rows: (patient, finding, view, modality, value, suffix); images have the value as gray."""
    (root / "images").mkdir(parents=True, exist_ok=True)
    with (root / "metadata.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, header, extrasaction="ignore")
        writer.writeheader()
        for patient, finding, view, modality, value, suffix in rows:
            name = f"img-{value}{suffix}"
            where = "volumes" if suffix == ".nii.gz" else "images"
            notes = 'Fever, "dry" cough\nfor two days'  # quotes and line ends as the real file has
            values = (patient, 0, "M", finding, view, modality, where, name, notes)
            writer.writerow(dict(zip(HEADER, values, strict=True)))
            if where == "images":
                save_image(root / "images" / name, value)


@pytest.fixture
def collection(tmp_path, save_image):
    """30 patients of three images each: value = 3 * patient + image; ten patients of each finding."""
    root, rows = tmp_path / "covid-chestxray-dataset", []
    for patient in range(30):
        finding = (COVID, NONE, BACTERIAL)[patient % 3]
        for image, view in enumerate(("PA", "AP", "L")):
            suffix = ".jpg" if image == 1 else ".png"
            rows.append((patient, finding, view, "X-ray", 3 * patient + image, suffix))
    rows.append((0, COVID, "Axial", "CT", 200, ".png"))
    rows.append((1, NONE, "Axial", "CT", 201, ".nii.gz"))
    write(root, rows, save_image)
    return root


def patients(dataset, split):
    # JPEG moves a gray value by one at most, and a patient has three: the middle one is stored as JPEG.
    return set((np.array(values(dataset, split)) // 3).tolist())


def test_collection_is_split_by_patient(opened, collection):
    dataset = opened(collection, "ieee8023", modality=("X-ray",), test_fraction=0.2, labels=True)
    assert dataset.class_names == (NONE, BACTERIAL, COVID)
    train, test = patients(dataset, "train"), patients(dataset, "test")
    assert not train & test
    assert train | test == set(range(30))
    assert sorted(patient % 3 for patient in test) == [0, 0, 1, 1, 2, 2]  # two of ten of each finding
    number = np.array([2, 0, 1])  # of the class of a patient, by patient % 3
    for name, split in dataset.splits.items():
        expected = number[np.array(values(dataset, name)) // 3 % 3]
        assert (split.labels == expected).all()
    again = opened(collection, "ieee8023", modality=("X-ray",), test_fraction=0.2, image_size=4)
    assert patients(again, "test") == test


@pytest.mark.parametrize("source", ["covid_radiography", "ieee8023"])
def test_streamed_images_are_those_in_memory(opened, radiography, collection, source):
    where, more = (radiography, {}) if source == "covid_radiography" else (collection, {"modality": ("X-ray",)})
    resident, streamed = (opened(where, source, streaming=how, **more) for how in ("never", "always"))
    assert streamed.info["streamed"]
    assert resident.name == streamed.name
    assert resident.class_names == streamed.class_names
    for name, (images, labels) in resident.splits.items():
        np.testing.assert_array_equal(streamed.splits[name].images[:], images)
        np.testing.assert_array_equal(streamed.splits[name].labels, labels)


def test_collection_filtered(opened, collection):
    dataset = opened(collection, "ieee8023", finding=("COVID-19", "no finding"), view=("PA", "L"), modality=("X-ray",))
    assert dataset.class_names == ("COVID-19", "no finding")
    both = values(dataset, "train") + values(dataset, "test")
    assert sorted(both) == [v for v in range(90) if v // 3 % 3 < 2 and v % 3 != 1]
    assert (dataset.splits["train"].labels == np.array(values(dataset, "train")) // 3 % 3).all()
    whole = opened(collection, "ieee8023", finding=("Pneumonia",), view=("PA",))
    assert len(values(whole, "train") + values(whole, "test")) == 20  # a step of a path takes all below it
    tomograms = opened(collection, "ieee8023", modality=("CT",), test_split="")
    assert values(tomograms, "train") == [200]  # the volume is no image


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"finding": ("COVID",)}, r"data\.finding='COVID' is unknown: .*choices: No Finding, Pneumonia/Bacterial"),
        ({"view": ("Pa", "APS")}, r"data\.view='APS' is unknown"),
        ({"modality": ("MRI",)}, r"data\.modality='MRI' is unknown: .*CT, X-ray"),
        ({"modality": ("CT",), "view": ("PA",)}, "no image has data.finding"),
    ],
)
def test_filters_that_fit_nothing(opened, collection, changes, message):
    with pytest.raises(UserError, match=message):
        opened(collection, "ieee8023", **changes)


def test_a_patient_with_two_findings_stays_in_one_split(opened, tmp_path, save_image):
    rows = [(i // 2, (COVID, NONE)[i % 2], "PA", "X-ray", i, ".png") for i in range(40)]
    write(tmp_path, rows, save_image)
    dataset = opened(tmp_path, "ieee8023", test_fraction=0.3)
    parts = [{value // 2 for value in values(dataset, name)} for name in ("train", "test")]
    assert not parts[0] & parts[1]
    assert len(parts[1]) == 6


def test_rows_without_a_patient_are_their_own(opened, tmp_path, save_image):
    write(tmp_path, [("", NONE, "PA", "X-ray", i, ".png") for i in range(20)], save_image)
    assert len(values(opened(tmp_path, "ieee8023"), "test")) == 2


def test_collections_that_cannot_be_read(opened, collection, tmp_path, save_image):
    with pytest.raises(UserError, match=r"data\.name=ieee8023 needs data\.dir: .*metadata\.csv"):
        opened("", "ieee8023")
    save_image(tmp_path / "other" / "1.png", 1)
    with pytest.raises(UserError, match=r"holds no metadata\.csv"):
        opened(tmp_path / "other", "ieee8023")
    for name in ("img-0.png", "img-4.jpg"):
        (collection / "images" / name).unlink()
    with pytest.raises(UserError, match=r"2 of 91 images in metadata\.csv are missing, such as images/img-0"):
        opened(collection, "ieee8023")
    dataset = opened(collection, "ieee8023", skip_bad_images=True)
    assert dataset.info["skipped"] == ["images/img-0.png", "images/img-4.jpg"]
    write(tmp_path / "short", [], save_image, header=["patientid", "filename"])
    with pytest.raises(UserError, match="lacks the columns finding, view, modality"):
        opened(tmp_path / "short", "ieee8023")


def table(root, text):
    """A collection of 12 images 0.png to 11.png with this metadata.csv, text or bytes."""
    (root / "metadata.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


@pytest.fixture
def twelve(tmp_path, save_image):
    for i in range(12):
        save_image(tmp_path / "images" / f"{i}.png", 10 * i, size=(2, 2))
    return tmp_path


NAMES = "patientid,finding,view,modality,filename"


def lines(patient=str, finding="F", count=12, end=""):
    return "\n".join([NAMES + end, *(f"{patient(i)},{finding},PA,X-ray,{i}.png{end}" for i in range(count))]) + "\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (lines()[:-9], "line 13 has 4 cells, but the header has 5 columns"),
        (lines() + "1,F,PA,X-ray,1.png,a note, and more\n", "line 14 has 7 cells"),
        (lines() + '1,"F,PA,X-ray,1.png\n2,F,PA,X-ray,2.png\n', "cannot be read as CSV .*must end with one"),
        (lines(end=",finding"), "two columns are called 'finding'"),
        (lines().replace(",", ";"), "semicolons seem to separate its cells"),
        (lines().encode().replace(b",F,", b",F\xe9,", 1), "'finding' in line 2 is not in UTF-8"),
        (lines() + "\0", "zero bytes"),
        (lines() + "x" * 200_000, "field larger than field limit"),
        (lines(finding=""), "lists no images with a finding"),
        (NAMES, "lists no images"),
        ("", "lacks the columns patientid, finding, view, modality, filename"),
    ],
)
def test_metadata_of_another_form_are_refused(opened, twelve, text, words):
    with pytest.raises(UserError, match=words):
        opened(table(twelve, text), "ieee8023")


def test_metadata_are_told_where_they_are_not_what_they_seem(opened, twelve, caplog):
    text = lines() + "0,f,PA,X-ray,0.png\n1,,PA,X-ray,1.png\n"
    dataset = opened(table(twelve, text), "ieee8023")
    assert dataset.class_names == ("F", "f")
    for words in ("lists 2 images again with other facts", "1 images have no finding and are left out", "F, f differ"):
        assert words in caplog.text
    # "7" and "7.0" are one patient, or an image of a patient in training would be in the test split.
    text = lines(lambda i: f"{i // 2}.0" if i % 2 else f"{i // 2}", count=12)
    dataset = opened(table(twelve, text), "ieee8023", test_fraction=0.4)
    parts = [{value // 20 for value in values(dataset, name)} for name in ("train", "test")]
    assert parts[0]
    assert parts[1]
    assert not parts[0] & parts[1]


def test_many_findings_and_missing_images_take_no_time(opened, tmp_path, save_image):
    save_image(tmp_path / "images" / "0.png", 1)
    rows = "\n".join(f"{i},finding {i},PA,X-ray,{i}.png" for i in range(8_000))
    start = time.process_time()
    table(tmp_path, f"{NAMES}\n{rows}\n")
    dataset = opened(tmp_path, "ieee8023", skip_bad_images=True, test_split="")
    assert values(dataset, "train") == [1]
    assert time.process_time() - start < 10  # it took minutes


_CELLS = st.one_of(
    st.sampled_from(["1", "1.0", "", "F", "f", 'a "b"', "PA", "x\ny", "0.png", "\ufffd"]), st.text(max_size=3)
)


@EXAMPLES
@given(
    rows=st.lists(
        st.tuples(_CELLS, _CELLS, _CELLS, _CELLS, st.sampled_from([f"{i}.png" for i in range(8)] + ["v.nii.gz", ""])),
        max_size=12,
    ),
    tail=st.one_of(st.just(b""), st.binary(max_size=8)),
)
def test_any_metadata_are_read_as_they_are_or_refused_in_one_line(opened, tmp_path_factory, rows, tail):
    root = tmp_path_factory.mktemp("collection")
    (root / "images").mkdir()
    for i in range(8):
        Image.new("L", (2, 2), 10 * i).save(root / "images" / f"{i}.png")
    file = io.StringIO(newline="")
    csv.writer(file).writerows([NAMES.split(","), *rows])
    table(root, file.getvalue().encode("utf-8", "surrogatepass") + tail)
    dataset = read_or_refused(lambda: opened(root, "ieee8023", test_split="train"))
    event("read" if dataset else "refused")
    if dataset is None or tail.strip():
        return
    last = {name: shown(finding.strip()) for _, finding, _, _, name in rows if name.endswith(".png")}
    found = {f"{v // 10}.png": dataset.class_names[label] for v, label in zip(*of_split(dataset), strict=True)}
    assert found.items() <= {name: finding for name, finding in last.items() if finding}.items()
    assert found


def of_split(dataset):
    return values(dataset, "train"), dataset.splits["train"].labels


@pytest.mark.skipif(not REAL.exists(), reason="the X-ray archive is not at hand")
def test_real_xrays_through_the_folder_source(opened):
    dataset = opened(REAL, "folder", image_size=64, channels=1, labels=True)
    assert dataset.class_names == ("Covid-19", "No_findings", "Pneumonia")
    train, test = dataset.splits["train"], dataset.splits["test"]
    assert len(train.images) + len(test.images) == 1124
    assert train.images.shape[1:] == (64, 64, 1)
    assert 60 < train.images.mean() < 190
    assert train.images.std((1, 2, 3)).min() > 5
    assert np.bincount(train.labels).min() > 90


@pytest.mark.skipif(not REAL.exists(), reason="the X-ray archive is not at hand")
def test_real_xrays_in_the_two_layouts(opened, tmp_path):
    """The same pixels, laid out as Kaggle's set and as the collection are."""
    root, rows = tmp_path / "real", []
    with zipfile.ZipFile(REAL) as archive:
        names = [name for name in sorted(archive.namelist()) if name.startswith(("Covid-19/", "No_findings/"))]
        names = [n for n in names if n.startswith("Covid")][:20] + [n for n in names if n.startswith("No")][:20]
        for i, name in enumerate(names):
            kind = "COVID" if name.startswith("Covid") else "Normal"
            for path in (root / "kaggle" / kind / "images" / f"{kind}-{i}.png", root / "cohen" / "images" / f"{i}.png"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))
            rows.append([i // 2, "COVID-19" if kind == "COVID" else "No Finding", "PA", "X-ray", f"{i}.png"])
    with (root / "cohen" / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["patientid", "finding", "view", "modality", "filename"], *rows])
    kaggle = opened(root / "kaggle", "covid_radiography", image_size=32)
    cohen = opened(root / "cohen", "ieee8023", image_size=32)
    pixels = []
    for dataset in (kaggle, cohen):
        assert {len(split.images) for split in dataset.splits.values()} == {36, 4}
        pixels.append(np.sort(np.concatenate([split.images for split in dataset.splits.values()]).mean((1, 2, 3))))
    np.testing.assert_allclose(pixels[0], pixels[1])
