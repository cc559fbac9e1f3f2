"""Places for results: refused before the work if nothing can be written there, and never half-written."""

import errno
import os
import tempfile

import pytest

from jaxgen.errors import UserError
from jaxgen.files import outputs


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("old")
    (tmp_path / "folder é").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nothing")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listing(folder):
    return sorted(path.name for path in folder.rglob("*"))


@pytest.mark.parametrize("name", ["new", "file", "link", "dangling", "folder é/new", "a b", "n" * 230, "n" * 255])
def test_a_file_that_can_be_written_passes_and_nothing_is_left(folder, name):
    before = listing(folder)
    path = folder / name
    if len(name) > 240:  # the file itself could be made, but not the one that replaces it
        with pytest.raises(UserError, match="File name too long"):
            outputs.check_file(path, "--out")
    else:
        outputs.check_file(path, "--out")
        assert listing(folder) == before
        outputs.write(path, "text é")
        assert path.read_text(encoding="utf-8") == "text é"
    assert (folder / "link").is_symlink()
    assert (folder / "dangling").is_symlink()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("folder é", "is a folder"),
        (".", "is a folder"),
        ("no/new", "there is no folder"),
        ("file/new", "there is no folder"),
        ("/proc/new", "/proc cannot be written"),
        ("/dev/null", "a device or a pipe"),
    ],
)
def test_a_file_that_cannot_be_is_refused(folder, name, words):
    before = listing(folder)
    with pytest.raises(UserError, match=f"^--out=.*{words}"):
        outputs.check_file(folder / name, "--out")
    assert listing(folder) == before


@pytest.mark.parametrize("name", ["folder é", "new", "new/below/it", ".", "folder é/new/"])
def test_a_folder_that_can_be_made_passes_and_is_not_made(folder, name):
    before = listing(folder)
    outputs.check_folder(folder / name, "--pictures")
    assert listing(folder) == before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("file", "is a file"),
        ("file/below", "is a file"),
        ("dangling/below", "is a link to nothing"),
        ("/proc/new/below", "/proc cannot be written"),
    ],
)
def test_a_folder_that_cannot_be_is_refused(folder, name, words):
    with pytest.raises(UserError, match=f"^--pictures=.*{words}"):
        outputs.check_folder(folder / name, "--pictures")


def test_a_folder_without_rights_is_refused(folder, monkeypatch):
    def refused(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "mkdtemp", refused)  # tests may run as root, whom no right keeps out
    for check, name in ((outputs.check_file, "new"), (outputs.check_folder, "new")):
        with pytest.raises(UserError, match="cannot be written \\(Permission denied\\)"):
            check(folder / name, "--out")


def test_a_device_is_written_to_and_stays_a_device(folder):
    os.mkfifo(folder / "pipe")
    reader = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    outputs.check_file(folder / "pipe", "--out", device=True)
    outputs.write(folder / "pipe", "text")
    assert os.read(reader, 10) == b"text"
    assert (folder / "pipe").is_fifo()
    os.close(reader)


def test_an_output_replaces_neither_an_input_nor_another_output(folder):
    outputs.check_distinct({"--out": folder / "new", "--pictures": None}, {"--real": "file", "--fake": "mnist:test"})
    for out, inputs in (("link", {"--real": "file"}), ("file", {"--real": "./folder é/../file"})):
        with pytest.raises(UserError, match=r"--out=.* would replace what --real names"):
            outputs.check_distinct({"--out": folder / out}, inputs)
    with pytest.raises(UserError, match=r"--pictures=.* would replace what --out names"):
        outputs.check_distinct({"--out": folder / "new", "--pictures": folder / "new"}, {})
