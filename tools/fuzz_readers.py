"""Gives changed files to jaxgen's readers of binary files for minutes, and reports whatever is no plain refusal.

    pip install atheris
    python tools/fuzz_readers.py --reader torch --seconds 600

Atheris changes valid files and keeps changes that reach new lines. A reader may return data, or raise one UserError
of one line. Anything else is a finding: another exception, 10 seconds for one file, or more than 1 GiB of memory. An
import, a process or a write is a finding too. A hook of the interpreter sees such actions. The inputs of the findings
stay in `--out`. The exit code is 1 if there are findings. Atheris has packages for Linux.
"""

import argparse
import codecs
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).parents[1]
READERS = ("torch", "torchscript", "numpy_pickle", "network_pickle", "network_npz", "idx", "cifar10", "mat")
READERS += ("statistics",)
SECONDS_EACH, MEGABYTES, LONGEST = 10, 1024, 1 << 15
# What no reader has reason to do. The parser of NumPy's headers compiles text without running it, which is left out.
ACTIONS = ("exec", "import", "os.", "subprocess.", "socket.", "ctypes.", "shutil.", "pty.", "signal.", "builtins.input")
ALLOWED = ("os.listdir", "os.scandir")


class Watch:
    """Notes actions of the interpreter while `on` is true."""

    def __init__(self, file: Path):
        self.on, self.seen, self._file = False, [], str(file)
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple) -> None:
        if not self.on:
            return
        if event == "open":
            path, mode, flags = arguments
            reads = isinstance(flags, int) and not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not reads or str(path) != self._file:
                self.seen.append(f"open {path!r} {mode}")
        elif event == "import":
            if not str(arguments[0]).startswith("encodings"):
                self.seen.append(f"import {arguments[0]}")
        elif event.startswith(ACTIONS) and event not in ALLOWED:
            self.seen.append(f"{event} {str(arguments)[:80]}")


def work(name: str, seconds: float, folder: Path) -> None:
    """The fuzzing process. It ends at the time, or at the first file that takes too long or too much memory."""
    import atheris

    for codec in ("raw_unicode_escape", "unicode_escape", "latin_1", "cp437", "ascii", "utf_8"):
        codecs.lookup(codec)  # so that no codec's module is opened later
    with atheris.instrument_imports(include=["jaxgen"]):
        from jaxgen.errors import UserError
        from tools.fuzz_seeds import readers

        reader = readers()[name]
    corpus = folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for place, (_, seeds) in enumerate(reader.forms):
        for number, seed in enumerate(seeds):
            (corpus / f"seed_{place}_{number}").write_bytes(bytes([place]) + seed)
    memory = Path("/dev/shm") if Path("/dev/shm").is_dir() else folder
    file = memory / f"fuzz_{os.getpid()}{reader.suffix}"
    watch, counts, written = Watch(file), {"inputs": 0, "accepted": 0, "findings": {}}, [0.0]

    def found(what: str, data: bytes) -> None:
        key = what.strip().splitlines()[-1][:100]
        if key not in counts["findings"]:
            place = folder / f"finding_{hashlib.sha256(data).hexdigest()[:12]}"
            place.write_bytes(data)
            (folder / f"{place.name}.txt").write_text(what)
        counts["findings"][key] = counts["findings"].get(key, 0) + 1

    def test_one_input(data: bytes) -> None:
        form = reader.forms[data[0] % len(reader.forms)][0] if data else reader.forms[0][0]
        made = form(data[1:])
        file.write_bytes(made)
        counts["inputs"] += 1
        watch.seen.clear()
        try:
            watch.on = True
            reader.read(file)
            counts["accepted"] += 1
        except UserError as error:
            watch.on = False
            if "\n" in str(error) or len(str(error)) > 1000:
                found(f"a message of more than a line: {str(error)[:200]!r}", data)
        except BaseException:
            watch.on = False
            found(traceback.format_exc(), data)
        finally:
            watch.on = False
        if watch.seen:
            found(f"it acted: {watch.seen[0]}", data)
        if time.monotonic() - written[0] > 1:
            written[0] = time.monotonic()
            (folder / "counts.json").write_text(json.dumps(counts))

    for _, seeds in reader.forms:  # so that late imports of good files are over
        for seed in seeds:
            test_one_input(b"\0" + seed)
    counts.update(inputs=0, accepted=0, findings={})
    for old in folder.glob("finding_*"):
        old.unlink()
    options = {"max_total_time": int(seconds), "timeout": SECONDS_EACH, "rss_limit_mb": MEGABYTES, "max_len": LONGEST}
    options |= {"artifact_prefix": f"{folder}/", "verbosity": 0, "use_value_profile": 1}
    atheris.Setup([sys.argv[0], str(corpus), *(f"-{key}={value}" for key, value in options.items())], test_one_input)
    atheris.Fuzz()


def fuzz(name: str, seconds: float, folder: Path) -> dict:
    """Runs fuzzing processes one after the other until the time is over. Returns the counts of all."""
    begun, total = time.monotonic(), {"reader": name, "inputs": 0, "accepted": 0, "findings": {}}
    command = [sys.executable, __file__, "--reader", name, "--worker"]
    while (left := seconds - (time.monotonic() - begun)) > 2:
        part = folder / f"part_{len(list(folder.glob('part_*')))}"
        part.mkdir()
        done = subprocess.run(
            [*command, "--seconds", str(left), "--out", str(part)],
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}", "JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        (part / "log.txt").write_text(done.stdout + done.stderr)
        if (part / "counts.json").exists():
            counts = json.loads((part / "counts.json").read_text())
            total["inputs"] += counts["inputs"]
            total["accepted"] += counts["accepted"]
            for key, count in counts["findings"].items():
                total["findings"][key] = total["findings"].get(key, 0) + count
        for kind in ("timeout", "oom", "crash", "slow-unit"):
            for artifact in part.glob(f"{kind}-*"):
                total["findings"][f"{kind}: {artifact}"] = 1
        if done.returncode and not list(part.glob("*-*")):
            raise SystemExit(f"the fuzzing process failed: {(done.stdout + done.stderr)[-2000:]}")
    return {**total, "seconds": round(time.monotonic() - begun)}


def main() -> int:
    """Parses the flags, fuzzes, and prints the counts as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reader", choices=READERS, required=True)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--out", type=Path, help="a folder for the inputs of findings (default: a new one)")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("tools/fuzz_readers.py needs the package atheris: pip install atheris", file=sys.stderr)
        return 2
    if arguments.worker:
        work(arguments.reader, arguments.seconds, arguments.out)
        return 0
    folder = arguments.out or Path(tempfile.mkdtemp(prefix=f"fuzz_{arguments.reader}_"))
    folder.mkdir(parents=True, exist_ok=True)
    counts = fuzz(arguments.reader, arguments.seconds, folder)
    print(json.dumps({**counts, "out": str(folder)}))
    return int(bool(counts["findings"]))


if __name__ == "__main__":
    sys.exit(main())
