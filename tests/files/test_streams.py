"""stdout and stderr that are closed, full or narrow: nothing is lost, and no traceback is shown."""

import os
import subprocess
import sys

import pytest

from jaxgen.errors import UserError
from jaxgen.files import command_line, streams


@pytest.fixture
def as_stdout(monkeypatch):
    """`as_stdout(descriptor, encoding)`: stdout of this process as Python would open it."""

    def open_stdout(descriptor, encoding="utf-8"):
        stream = open(descriptor, "w", encoding=encoding, closefd=False)  # noqa: SIM115 - stdout
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "__stdout__", stream)
        monkeypatch.setitem(streams._STANDARD, "stdout", descriptor)
        return stream

    return open_stdout


@pytest.fixture
def pipe():
    """(end to read, end to write), whichever is still open at the end is closed."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def test_a_reader_who_has_left_ends_nothing(as_stdout, pipe):
    os.close(pipe[0])
    as_stdout(pipe[1])
    done = []

    def work():
        print("x" * 100_000, flush=True)
        done.append("written")
        print("more", flush=True)

    assert command_line.run(work) == 0
    assert done == ["written"]
    print("the end of the interpreter prints here, too", flush=True)
    sys.stdout.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_full_disk_is_one_line_after_the_work(as_stdout, capsys):
    descriptor = os.open("/dev/full", os.O_WRONLY)
    as_stdout(descriptor)
    done = []

    def work():
        print("the table", flush=True)
        done.append("written")

    assert command_line.run(work) == 2
    assert done == ["written"]
    assert capsys.readouterr().err == (
        "jaxgen: error: stdout could not be written (No space left on device), and text is missing there. The files "
        "that the command writes are whole. Print to another place\n"
    )
    sys.stdout.close()
    os.close(descriptor)


def test_characters_that_stdout_lacks_are_escaped(as_stdout, pipe):
    as_stdout(pipe[1], "ascii")
    assert command_line.run(lambda: print("ü \udcff")) == 0
    assert os.read(pipe[0], 100) == b"\\xfc \\udcff\n"


def test_text_arrives_in_order_and_the_stream_comes_back(as_stdout, pipe):
    stream = as_stdout(pipe[1])
    print("before")
    assert command_line.run(lambda: print("within")) == 0
    assert sys.stdout is stream
    print("after", flush=True)
    assert os.read(pipe[0], 100) == b"before\nwithin\nafter\n"


def test_a_missing_stdout_is_replaced(monkeypatch, pipe):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setitem(streams._STANDARD, "stdout", pipe[1])
    assert command_line.run(lambda: print("x", flush=True)) == 0
    assert sys.stdout is None


def test_a_stream_of_the_calling_program_is_left_alone(capsys):
    before = sys.stdout
    with streams.survive():
        assert sys.stdout is before
    assert command_line.run(lambda: print("seen")) == 0
    assert capsys.readouterr().out == "seen\n"


def raise_error(error):
    raise error


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("a\n b"), "a b"),
        (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied. Name another place"),
        (IsADirectoryError(21, "Is a directory", "/x"), "/x: Is a directory"),
        (OSError(30, "Read-only file system", "/x"), "/x: Read-only file system"),
        (OSError(28, "No space left on device", "/x"), "the disk is full (/x)"),
        (OSError(122, "Disk quota exceeded"), "the disk is full: "),
        (OSError(5, "Input/output error", "/x"), "/x: Input/output error. Name another place"),
        (RuntimeError("Could not determine home directory."), "the system knows no home folder"),
        (FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"), "Set TMPDIR"),
    ],
)
def test_what_a_place_has_against_a_command_is_one_line(capsys, error, line):
    assert command_line.run(lambda: raise_error(error)) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("jaxgen: error: ")
    assert line in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize("error", [ValueError("x"), FileNotFoundError(2, "No such file", "/x"), OSError("x")])
def test_a_mistake_of_the_program_is_shown_whole(error):
    with pytest.raises(type(error)):
        command_line.run(lambda: raise_error(error))


def test_an_interruption_is_one_line(capsys):
    assert command_line.run(lambda: raise_error(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "jaxgen: error: interrupted\n"


def test_a_line_of_stderr_is_there_at_once_where_it_is_no_terminal():
    # os._exit writes no buffer out, as a kill does not.
    code = "import os, sys\nfrom jaxgen.files import streams\nwith streams.survive():\n"
    code += "    sys.stderr.write('a message\\n')\n    os._exit(0)\n"
    ended = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=True)
    assert ended.stderr == "a message\n"
