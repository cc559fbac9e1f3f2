"""A cache that cannot be used costs time, one line, and nothing else."""

import errno
import os
import pwd
import tempfile
from pathlib import Path

import jax
import pytest

from jaxgen.files import caches, command_line
from tests.helpers import finished_run


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr(caches, "_told", set())
    caches._temporary.cache_clear()
    yield
    caches._temporary.cache_clear()


@pytest.fixture
def compiled_in(monkeypatch):
    """Where `keep_compiled` lets JAX keep programs."""
    changes = {}
    monkeypatch.setattr(jax.config, "update", changes.__setitem__)
    return lambda: changes.get("jax_compilation_cache_dir")


def _file(tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("")


def _read_only(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)


def _full(tmp_path, monkeypatch):
    class Full:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())


@pytest.mark.parametrize("obstacle", [_file, _read_only, _full])
def test_everything_goes_on_without_a_cache_after_one_line(tmp_path, monkeypatch, caplog, compiled_in, obstacle):
    monkeypatch.setenv("JAXGEN_CACHE", str(tmp_path / "cache"))
    obstacle(tmp_path, monkeypatch)
    command_line.keep_compiled()
    assert compiled_in() is None
    made = finished_run.decoded("", finished_run.built)
    assert made.splits["train"].images.shape == (2, 4, 4, 1)
    assert not caches.can_keep(caches.folder() / "statistics")
    (line,) = caplog.messages
    assert f"{tmp_path / 'cache'} cannot be written" in line
    assert "Set JAXGEN_CACHE" in line


def test_a_cache_that_can_be_written_is_used_without_a_word(tmp_path, monkeypatch, caplog, compiled_in):
    monkeypatch.setenv("JAXGEN_CACHE", str(tmp_path))
    command_line.keep_compiled()
    assert compiled_in() == str(tmp_path / "xla")
    finished_run.decoded("", finished_run.built)
    assert list((tmp_path / "decoded").glob("tiny-*.npz"))
    assert caplog.messages == []


def test_a_user_without_a_home_goes_on_without_a_cache(tmp_path, monkeypatch, caplog, compiled_in):
    def nobody(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.delenv("JAXGEN_CACHE", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    command_line.keep_compiled()
    assert compiled_in() is None
    assert finished_run.decoded("", finished_run.built).class_names == ("a", "b")
    (line,) = caplog.messages
    assert "this user has no home folder" in line
    caches._remove_empty(caches.folder())  # as at the end of the process
    assert list(tmp_path.iterdir()) == []


def test_a_bucket_of_compiled_programs_is_left_to_jax(compiled_in):
    command_line.keep_compiled("gs://bucket/programs")
    assert compiled_in() == "gs://bucket/programs"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("Could not determine home directory."), "begins with ~"),
        (PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/a/b"), "/a/b: Permission denied"),
        (IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), "/a/b"), "/a/b: Is a directory"),
    ],
)
def test_errors_of_a_place_are_one_line(capsys, error, words):
    def work():
        raise error

    assert command_line.run(work) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("jaxgen: error: ")
    assert words in line


@pytest.mark.parametrize("error", [RuntimeError("a bug"), FileNotFoundError(2, "No such file", "/a"), OSError("a bug")])
def test_errors_of_the_program_keep_their_traceback(error):
    def work():
        raise error

    with pytest.raises(type(error)):
        command_line.run(work)
