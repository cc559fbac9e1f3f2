import json
import logging
import zipfile

import numpy as np
import pytest
from PIL import Image

from jaxgen.data.base import open_dataset
from jaxgen.errors import UserError


@pytest.fixture
def opened(data_config):
    """opened(path, **changes) -> the dataset of a folder or zip."""
    return lambda path, **changes: open_dataset(data_config(name="folder", dir=path, **changes), progress=False)


def zip_of(folder, path, prefix=""):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, prefix + file.relative_to(folder).as_posix())
    return path


def values(dataset, split):
    return dataset.splits[split].images[:, 0, 0, 0].tolist()


@pytest.fixture
def classes(tmp_path, save_image):
    """20 cats (values 0 to 19) and 10 dogs (100 to 109), with files that are none of them."""
    root = tmp_path / "pets"
    for i in range(20):
        save_image(root / "cat" / f"{i:02}.png", i)
    for i in range(10):
        save_image(root / "dog" / "deep" / f"{i:02}.png", 100 + i)
    save_image(root / "__MACOSX" / "cat" / "x.png", 1)
    save_image(root / ".hidden" / "x.png", 1)
    save_image(root / "cat" / "._00.png", 1)
    (root / "README.txt").write_text("pets")
    return root


@pytest.mark.parametrize("kind", ["folder", "zip", "zip with a top folder"])
def test_class_folders(opened, classes, tmp_path, kind):
    path = classes
    if kind != "folder":
        path = zip_of(classes, tmp_path / "pets.zip", "data/pets/" if "top" in kind else "")
    dataset = opened(path, labels=True)
    assert dataset.name == "pets"
    assert dataset.class_names == ("cat", "dog")
    assert sorted(values(dataset, "train")) == [*range(18), *range(100, 109)]
    assert values(dataset, "test") == [18, 109, 19]
    for split in dataset.splits.values():
        assert (split.labels == (split.images[:, 0, 0, 0] >= 100)).all()


def test_a_beginning_is_balanced_as_the_whole(opened, classes):
    labels = opened(classes, limit=9).splits["train"].labels
    assert len(labels) == 9
    assert labels.sum() == 3


def test_a_limit_reads_no_more_images(opened, classes):
    for path in sorted((classes / "cat").glob("*.png"))[5:]:
        path.write_bytes(b"broken")
    assert len(opened(classes, limit=6, test_split="").splits["train"].images) == 6


def test_test_fraction(opened, classes):
    assert len(opened(classes, test_fraction=0.5).splits["test"].images) == 15
    assert sorted(values(opened(classes, test_fraction=0.001), "test")) == [19, 109]
    everything = opened(classes, test_fraction=0.0, test_split="train")
    assert len(everything.splits["train"].images) == 30
    with pytest.raises(UserError, match=r"has the splits train\. .* set data\.test_split=train"):
        opened(classes, test_fraction=0.0)


def test_split_folders(opened, tmp_path, save_image):
    for split, value in (("Train", 10), ("val", 20), ("test", 30)):
        for i, name in enumerate("ab"):
            save_image(tmp_path / "x" / split / name / "0.png", value + i)
    dataset = opened(tmp_path / "x", test_split="val")
    assert (values(dataset, "train"), values(dataset, "val")) == ([10, 11], [20, 21])
    assert dataset.splits["val"].labels.tolist() == [0, 1]
    assert values(opened(tmp_path / "x"), "test") == [30, 31]
    with pytest.raises(UserError, match="has the splits train, test, val"):
        opened(tmp_path / "x", test_split="valid")


def test_split_folders_of_plain_images(opened, tmp_path, save_image):
    save_image(tmp_path / "x/train/a.png", 1)
    save_image(tmp_path / "x/valid/a.png", 2)
    dataset = opened(tmp_path / "x", test_split="valid")
    assert values(dataset, "valid") == [2]
    assert dataset.splits["train"].labels is None
    with pytest.raises(UserError, match="has no labels"):
        opened(tmp_path / "x", test_split="valid", labels=True)


def test_train_alone_is_divided(opened, tmp_path, save_image):
    for i in range(10):
        save_image(tmp_path / "x/train/a" / f"{i}.png", i)
    dataset = opened(tmp_path / "x")
    assert values(dataset, "test") == [9]
    assert dataset.class_names == ("a",)


def test_test_alone_is_the_test_set(opened, tmp_path, save_image):
    for i in range(10):
        save_image(tmp_path / "x/test" / f"{i}.png", i)
    assert len(opened(tmp_path / "x", train_split="test").splits["test"].images) == 10


def test_plain_images_have_no_labels(opened, tmp_path, save_image):
    for i in range(10):
        save_image(tmp_path / "x" / f"{i}.png", i)
    dataset = opened(tmp_path / "x")
    assert values(dataset, "train") == list(range(9))
    assert dataset.splits["train"].labels is None
    assert dataset.class_names == ()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("labelled", [True, False])
def test_dataset_json(opened, tmp_path, save_image, zipped, labelled):
    names = [f"0000{i // 5}/img{i:08}.png" for i in range(10)]
    for i, name in enumerate(names):
        save_image(tmp_path / "x" / name, i)
    labels = [[name, 3 * (i % 2)] for i, name in enumerate(names)] if labelled else None
    (tmp_path / "x/dataset.json").write_text(json.dumps({"labels": labels}))
    dataset = opened(zip_of(tmp_path / "x", tmp_path / "x.zip") if zipped else tmp_path / "x", test_fraction=0.2)
    if labelled:
        assert dataset.class_names == ("0", "1", "2", "3")
        assert values(dataset, "test") == [8, 9]
        assert dataset.splits["test"].labels.tolist() == [0, 3]
    else:
        assert values(dataset, "train") == list(range(8))
        assert dataset.splits["train"].labels is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "dataset.json is not"),
        ('{"classes": []}', "dataset.json is not"),
        ('{"labels": [["0.png", [0, 1]]]}', r"gives 0\.png the label \[0, 1\]. Labels must be whole numbers"),
        ('{"labels": [["0.png", -1]]}', "label -1"),
        ('{"labels": [["0.png", 0]]}', r"has no label for 1 images, such as 1\.png"),
    ],
)
def test_a_wrong_dataset_json_is_named(opened, tmp_path, save_image, text, message):
    for i in range(2):
        save_image(tmp_path / f"{i}.png", i)
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(UserError, match=message):
        opened(tmp_path)


@pytest.mark.parametrize("name", ["/etc/x.png", "../x.png", "a/../../x.png", "C:\\x.png", "..\\x.png", "C:/x.png"])
def test_zip_paths_that_lead_out_are_refused(opened, tmp_path, save_image, name):
    save_image(tmp_path / "0.png", 0)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(tmp_path / "0.png", "0.png")
        archive.write(tmp_path / "0.png", name)
        archive.infolist()[-1].filename = name  # writing would have taken the leading slash away
    with pytest.raises(UserError, match="leads out of the zip"):
        opened(tmp_path / "x.zip")


@pytest.fixture
def some_broken(tmp_path):
    """Ten noise images of which four are damaged, each in another way."""
    root = tmp_path / "x"
    root.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    for i in range(10):
        Image.fromarray(noise).save(root / f"{i}.{'png' if i % 2 else 'jpg'}")
    (root / "1.png").write_bytes((root / "1.png").read_bytes()[:500])
    (root / "2.jpg").write_bytes((root / "2.jpg").read_bytes()[:500])
    (root / "4.jpg").write_bytes(b"")
    (root / "5.png").write_bytes(b"not an image")
    return root


@pytest.mark.parametrize("zipped", [True, False])
def test_unreadable_images_are_named_and_counted(opened, some_broken, tmp_path, zipped):
    path = zip_of(some_broken, tmp_path / "x.zip") if zipped else some_broken
    with pytest.raises(
        UserError, match=r"4 of 9 images cannot be read: 1\.png \(.+\), 2\.jpg \(.+\), 4\.jpg \(.+\), \.\.\.\. "
    ) as e:
        opened(path)
    assert "data.skip_bad_images=True" in str(e.value)
    assert "\n" not in str(e.value)


def test_unreadable_images_are_skipped_with_a_warning(opened, some_broken, caplog):
    for _ in range(2):  # read, then from the cache
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            dataset = opened(some_broken, skip_bad_images=True)
        assert len(dataset.splits["train"].images) == 5
        assert "without 4 unreadable images (1.png, 2.jpg, 4.jpg)" in caplog.text


def test_labels_stay_with_their_images_when_some_are_skipped(opened, classes):
    (classes / "cat" / "03.png").write_bytes(b"broken")
    train = opened(classes, skip_bad_images=True).splits["train"]
    assert len(train.images) == 26
    assert (train.labels == (train.images[:, 0, 0, 0] >= 100)).all()


def test_nothing_but_unreadable_images(opened, tmp_path):
    (tmp_path / "0.png").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"none of 1 images can be read \(0\.png: cannot identify image file\)"):
        opened(tmp_path, skip_bad_images=True, test_split="")


def test_a_damaged_zip_member_is_named(opened, classes, tmp_path):
    path = zip_of(classes, tmp_path / "x.zip")
    data = bytearray(path.read_bytes())
    at = data.index(b"IDAT", data.index(b"cat/00.png"))
    data[at + 5] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"1 of 27 images cannot be read: cat/00\.png"):
        opened(path)


def test_decompression_bombs_are_refused(opened, tmp_path, save_image, monkeypatch):
    save_image(tmp_path / "0.png", 0, (40, 40))
    for pixels in (1000, 100):  # PIL warns up to twice its limit, then raises
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels)
        with pytest.raises(UserError, match="decompression bomb"):
            opened(tmp_path, image_size=8, test_split="")


def test_mixed_sizes_need_an_image_size(opened, tmp_path, save_image):
    save_image(tmp_path / "0.png", 0, (8, 8))
    save_image(tmp_path / "1.png", 1, (9, 12))
    with pytest.raises(UserError, match=r"0\.png is 8x8, 1\.png 9x9\. Set data\.image_size"):
        opened(tmp_path, test_split="train", test_fraction=0.0)
    assert opened(tmp_path, image_size=4, test_split="", test_fraction=0.0).splits["train"].images.shape == (2, 4, 4, 1)


def test_mixed_modes_become_rgb_unless_gray_is_asked_for(opened, tmp_path, save_image):
    save_image(tmp_path / "0.png", 5)
    save_image(tmp_path / "1.png", (255, 0, 0), mode="RGB")
    save_image(tmp_path / "2.png", (255, 0, 0, 0), mode="RGBA")
    save_image(tmp_path / "3.png", 257 * 7, mode="I;16")
    options = {"test_split": "", "test_fraction": 0.0}
    assert opened(tmp_path, **options).splits["train"].images[:, 0, 0].tolist() == [
        [5, 5, 5],
        [255, 0, 0],
        [255, 255, 255],
        [7, 7, 7],
    ]
    gray = opened(tmp_path, channels=1, **options).splits["train"].images
    assert gray[:, 0, 0].tolist() == [[5], [76], [255], [7]]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["notes.txt"], "holds no images"),
        ([".hidden/0.png"], "holds no images"),
        (["a/0.png", "b/0.png", "loose.png"], r"1 images lie beside the class folders .*loose\.png"),
        (
            ["train/0.png", "test/0.png", "cats/0.png"],
            r"split folders \(test, train\) and also cats. Move the latter out",
        ),
        (["train/a/0.png", "test/b/0.png"], "test has classes that train lacks: b"),
    ],
)
def test_layouts_that_cannot_be_read_one_way(opened, tmp_path, save_image, files, message):
    for file in files:
        if file.endswith(".png"):
            save_image(tmp_path / file, 0)
        else:
            (tmp_path / file).write_text("")
    with pytest.raises(UserError, match=message):
        opened(tmp_path)


def test_wrong_places(opened, data_config, tmp_path):
    with pytest.raises(UserError, match=r"there is no such folder or zip file"):
        opened(tmp_path / "none")
    (tmp_path / "x.zip").write_bytes(b"PK no zip")
    with pytest.raises(UserError, match="is neither a folder nor a whole zip file"):
        opened(tmp_path / "x.zip")
    with pytest.raises(UserError, match=r"data\.name=folder needs data\.dir"):
        open_dataset(data_config(name="folder"), progress=False)


def test_linked_folders_are_followed_but_not_in_circles(opened, classes):
    (classes / "fox").symlink_to(classes / "cat" / "..", target_is_directory=True)
    assert opened(classes).class_names == ("cat", "dog")


def test_progress_bar_only_when_asked_for(data_config, classes, capfd):
    open_dataset(data_config(name="folder", dir=classes), progress=False)
    assert "reading images" not in capfd.readouterr().err
    open_dataset(data_config(name="folder", dir=classes, image_size=4), progress=True)
    assert "reading images: 100%" in capfd.readouterr().err
