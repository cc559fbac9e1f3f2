"""Wall-clock of K seeds in one program beside K solo runs, one after the other, compilation included.

    python benchmarks/seeds.py --config configs/gan_ring.py --seeds 8 --out runs/seeds_ring

Every run is the command of a user, `python -m jaxgen.main`, in a process of its own: start of Python, data,
compilation, training, evaluation. The first solo run finds no compiled programs, and leaves its own to the later ones
unless `--no_cache`. What follows `--` goes to all runs, such as `-- --config.steps=1000`.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from jaxgen.files import command_line

ROOT = Path(__file__).parents[1]


def timed(config: str, folder: Path, cache: str, *options: str) -> tuple[float, float]:
    """Seconds of a run of the command line, from nothing to its evaluation.json: on the wall, and of processors."""
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "jaxgen.main", f"--config={config}", f"--workdir={folder}"]
    command += [f"--config.compilation_cache={cache}", "--config.evaluation.pictures=False", *options]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    start, before = time.perf_counter(), processor_seconds()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    return time.perf_counter() - start, processor_seconds() - before


def processor_seconds() -> float:
    """Of all processes that were started here and have ended: what other work on the machine hardly changes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--out", type=command_line.new_folder, required=True, help="folder of the runs")
    parser.add_argument("--no_cache", action="store_true", help="every solo run compiles anew")
    arguments, options = parser.parse_known_args()
    options, out = [option for option in options if option != "--"], arguments.out.absolute()
    if out.exists() and any(out.iterdir()) and not (out / "together").is_dir():
        parser.error(f"--out={out} holds other files, which this program would delete. Name a new folder")
    shutil.rmtree(out, ignore_errors=True)

    def cache(name: str) -> str:
        return "" if arguments.no_cache else str(out / name)

    many = f"--config.num_seeds={arguments.seeds}"
    together = timed(arguments.config, out / "together", cache("xla_together"), many, *options)
    alone = [
        timed(arguments.config, out / f"seed_{s}", cache("xla_alone"), f"--config.seed={s}", *options)
        for s in range(arguments.seeds)
    ]
    compiling = json.loads((out / "together" / "timing.json").read_text())["compile_seconds"]
    result = {
        "config": arguments.config,
        "seeds": arguments.seeds,
        "options": options,
        "cores": os.cpu_count(),
        "together_s": round(together[0], 1),
        "of_which_compiling_s": round(compiling, 1),
        "alone_s": [round(wall, 1) for wall, _ in alone],
        "ratio": round(together[0] / sum(wall for wall, _ in alone), 3),
        "ratio_of_processor_seconds": round(together[1] / sum(used for _, used in alone), 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
