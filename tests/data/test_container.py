"""Folders and zips as lists of files: spellings of paths, links, hidden files, things that are no files."""

import os
import zipfile

import pytest

from jaxgen.data import container
from jaxgen.data.container import open_container, shown
from jaxgen.errors import UserError


@pytest.fixture
def zip_with(tmp_path):
    """zip_with(name, ...) -> a zip whose entries have these very names. (name, content) gives the content."""

    def make(*entries):
        path = tmp_path / "x.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for i, entry in enumerate(entries):
                name, content = entry if isinstance(entry, tuple) else (entry, str(i))
                info = zipfile.ZipInfo("placeholder")
                info.filename = name
                archive.writestr(info, content)
        return path

    return make


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("./cat/0.png", "cat/0.png"),
        ("cat//0.png", "cat/0.png"),
        ("././cat/.//0.png", "cat/0.png"),
        ("cat\\0.png", "cat/0.png"),
        (".\\cat\\\\0.png", "cat/0.png"),
        ("cat/0.png", "cat/0.png"),
        ("0.png", "0.png"),
    ],
)
def test_paths_in_a_zip_are_those_of_a_file_browser(zip_with, written, read):
    opened = open_container(zip_with((written, "a"), "./", "cat/", "cat\\", "dog/."))
    assert opened.names == [read]
    assert opened.read(read) == b"a"
    assert opened.left_out == {}


def test_one_path_with_two_contents_is_refused(zip_with):
    same = open_container(zip_with(("cat/0.png", "a"), ("./cat/0.png", "a")))
    assert same.names == ["cat/0.png"]
    with pytest.raises(UserError, match=r"holds two different files with the path 'cat/0\.png'"):
        open_container(zip_with(("cat/0.png", "a"), ("./cat/0.png", "b")))


@pytest.mark.parametrize("name", ["/abs/x.png", "//x.png", "\\x.png", "c:x.png", "a/../x.png", "..\\x.png"])
def test_paths_that_lead_out_of_a_zip_are_refused(zip_with, name):
    with pytest.raises(UserError, match="leads out of the zip"):
        open_container(zip_with("0.png", name))


HIDDEN = ["__MACOSX/cat/._0.png", "cat/._0.png", ".DS_Store", ".git/a", ".git/b.png", "cat/.1.png", ".x.txt"]


def test_hidden_things_are_left_out_and_counted_if_images_may_be_among_them(tmp_path, zip_with):
    for name in ("cat/0.png", *HIDDEN):
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).write_text("")
    for path in (tmp_path / "x", zip_with("cat/0.png", *HIDDEN)):
        opened = open_container(path)
        assert opened.names == ["cat/0.png"]
        assert opened.left_out == {"hidden": 2}  # .git and .1.png


@pytest.mark.parametrize("damage", ["name that is no text", "cut", "other bytes"])
def test_a_damaged_zip_is_one_line(zip_with, damage):
    path = zip_with("Ünï.png", "1.png")  # only a name beyond ASCII says that it is UTF-8
    data = path.read_bytes()
    path.write_bytes(
        {
            "name that is no text": data.replace("Ü".encode(), b"\xff\xff"),
            "cut": data[:-5],
            "other bytes": b"PK\x03\x04" * 9,
        }[damage]
    )
    with pytest.raises(UserError, match="is neither a folder nor a whole zip file"):
        open_container(path)


@pytest.fixture
def folder(tmp_path):
    for name in ("pool/0.png", "pool/1.png", "cat/2.png"):
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "x" / name).write_text(name)
    return tmp_path / "x"


def test_two_links_to_one_folder_are_both_read(folder, tmp_path):
    (folder / "pool").rename(tmp_path / "elsewhere")
    for name in ("train", "test"):
        (folder / name).symlink_to(tmp_path / "elsewhere")
    names = open_container(folder).names
    assert names == ["cat/2.png", "test/0.png", "test/1.png", "train/0.png", "train/1.png"]
    assert open_container(folder).read("train/1.png") == b"pool/1.png"


def test_a_link_to_a_folder_inside_is_read_beside_it(folder):
    (folder / "again").symlink_to("pool")
    assert open_container(folder).names == ["again/0.png", "again/1.png", "cat/2.png", "pool/0.png", "pool/1.png"]


def test_links_back_are_skipped_and_counted(folder):
    (folder / "cat" / "up").symlink_to("..")
    (folder / "self").symlink_to(".")
    opened = open_container(folder)
    assert opened.names == ["cat/2.png", "pool/0.png", "pool/1.png"]
    assert opened.left_out == {"link to a folder above": 2}


def test_links_across_end(folder):
    (folder / "cat" / "p").symlink_to("../pool")
    (folder / "pool" / "c").symlink_to("../cat")
    names = open_container(folder).names
    assert names == [*("cat/2.png", "cat/p/0.png", "cat/p/1.png"), *("pool/0.png", "pool/1.png", "pool/c/2.png")]


def test_links_that_multiply_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(container, "_MOST_PLACES", 20)
    for a in "abcdef":
        (tmp_path / a).mkdir()
        for b in "abcdef":
            (tmp_path / a / b).symlink_to(f"../{b}")
    with pytest.raises(UserError, match=r"links lead to .* in more than 20 ways"):
        open_container(tmp_path)


def test_links_that_lead_nowhere(folder):
    (folder / "gone.png").symlink_to("missing.png")
    (folder / "dog").symlink_to("missing")
    (folder / "round").symlink_to("round")
    opened = open_container(folder)
    assert opened.names == ["cat/2.png", "gone.png", "pool/0.png", "pool/1.png"]
    assert opened.left_out == {"link that leads nowhere": 2}
    with pytest.raises(OSError, match="a link that leads nowhere"):
        opened.read("gone.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are Unix's")
def test_a_named_pipe_does_not_stop_the_reader(folder):
    os.mkfifo(folder / "pipe.png")
    with pytest.raises(OSError, match="not a regular file"):
        open_container(folder).read("pipe.png")


def test_a_folder_that_cannot_be_listed_is_named(folder, monkeypatch):
    scan = os.scandir

    def denied(path):
        if str(path).endswith("cat"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(UserError, match=r"cat cannot be listed \(Permission denied\)"):
        open_container(folder)


def test_names_are_shown_on_one_line():
    assert shown("a b/ü.png") == "a b/ü.png"
    assert shown("a\nb\udcff\t") == "a\\nb\\udcff\\t"
