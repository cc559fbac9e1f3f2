"""`jaxgen.main` in this process: the same functions, without the start of Python."""

import logging
import signal
import sys

from absl import flags
from absl.testing import flagsaver

from jaxgen import main


class Ended(Exception):
    """What a command left: exit code, stdout and stderr."""

    def __init__(self, code, out, err):
        super().__init__(f"exit code {code}\n{out}\n{err}")
        self.code, self.out, self.err = code, out, err


def run_main(monkeypatch, capsys, *arguments):
    """`jaxgen.main` with these arguments -> Ended."""
    # absl's own wrapper changes logging for the whole process; here are its two calls that matter.
    monkeypatch.setattr(main.app, "run", lambda run, flags_parser: run(flags_parser(sys.argv)))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    known, saved = set(flags.FLAGS), flagsaver.save_flag_values()
    sys.modules.pop("config_config", None)  # the config file's module: a new process has none
    monkeypatch.setattr(sys, "argv", ["jaxgen", *map(str, arguments)])
    capsys.readouterr()
    code = 0
    try:
        main.run()
    except SystemExit as error:
        code = error.code
    finally:
        for name in set(flags.FLAGS) - known:
            delattr(flags.FLAGS, name)
        flagsaver.restore_flag_values(saved)
        for handler in list(logging.getLogger("jaxgen").handlers):
            handler.close()
            logging.getLogger("jaxgen").removeHandler(handler)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Ended(code, *capsys.readouterr())


def error_line(ended):
    """The one line of a command that refused its input."""
    assert ended.code == 2, ended
    lines = ended.err.strip().splitlines()
    assert lines[-1].startswith("jaxgen: error: "), ended
    assert "Traceback" not in ended.err, ended
    return lines[-1]
