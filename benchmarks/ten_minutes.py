"""The same wall-clock time on the same machine: jaxgen's DCGAN beside PyTorch-GAN's, both on MNIST.

    python benchmarks/ten_minutes.py --seconds 600 --data_dir DIR --out FOLDER

Both sides train in turns, each alone on the machine. The time of jaxgen is that of its whole command, with
imports, compiling (no cache) and saving. SIGTERM ends the command. PyTorch's time starts after the imports and excludes
saving (`pytorch_gan_mnist.py`). Then one feature network measures 10,000 samples of each against one reference at two
sizes. At 32x32, the 10,000 test images are resized as in PyTorch-GAN, and so are jaxgen's 28x28 samples. At 28x28, the
test images are unchanged, and PyTorch-GAN's 32x32 samples are resized back. Training images that went through the same
resizing show its cost for a perfect model.
`--metrics_only` measures again the samples in FOLDER.
"""

import argparse
import json
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

# The repository itself, where it is not installed.
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from ml_collections import ConfigDict
from PIL import Image

from jaxgen.data.base import open_dataset
from jaxgen.evaluation import engine
from jaxgen.files import command_line, provenance
from jaxgen.metrics.image_set import ImageSet, ImageSource
from jaxgen.metrics.selection import Extractors
from jaxgen.metrics.streaming import ExampleStream
from jaxgen.runs.sources import Options, open_source
from jaxgen.settings import default

ROOT = Path(__file__).parents[1]
SIDES = (32, 28)
# What jaxgen needs to finish its dispatch, save and leave.
MARGIN = 4.0
METRICS = ("fid", "kid")


def run_pytorch(arguments, folder: Path, seed: int) -> dict:
    """PyTorch-GAN's side: its numbers, with its samples in `folder`."""
    command = [sys.executable, ROOT / "benchmarks" / "pytorch_gan_mnist.py", "--seconds", arguments.seconds]
    command += ["--data_dir", arguments.data_dir, "--samples", arguments.samples, "--seed", seed, "--out", folder]
    subprocess.run([str(part) for part in command], check=True, cwd=ROOT)
    return json.loads((folder / "pytorch_gan.json").read_text())


def run_jaxgen(arguments, folder: Path, seed: int) -> dict:
    """jaxgen's side by its command line, ended by SIGTERM: images seen and seconds, with its samples in `folder`."""
    command = [sys.executable, "-m", "jaxgen.main", "--config", arguments.config, "--workdir", folder / "run"]
    command += ["--config.steps=1000000", "--config.compilation_cache=", f"--config.seed={seed}"]
    command += [f"--config.data.dir={arguments.data_dir}", *shlex.split(arguments.options)]
    begun = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], cwd=ROOT)
    try:
        code = process.wait(arguments.seconds - MARGIN)
        raise SystemExit(f"jaxgen ended by itself after {time.perf_counter() - begun:.0f} s with exit code {code}")
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
    if process.wait():
        raise SystemExit(f"jaxgen: exit code {process.returncode}")
    seconds = time.perf_counter() - begun
    options = Options(data_dir=arguments.data_dir, samples=arguments.samples, seed=seed + 1)
    images = open_source(f"run:{folder / 'run'}", options, "--run").images
    np.save(folder / "samples.npy", images[np.arange(arguments.samples)])
    config = json.loads((folder / "run" / "config.json").read_text())["config"]
    steps = max(int(path.name) for path in (folder / "run" / "checkpoints").iterdir() if path.name.isdigit())
    seen = steps * config["batch_size"]
    return {"seconds": seconds, "steps": steps, "images": seen, "seed": seed}


def resized(images: np.ndarray, side: int) -> np.ndarray:
    """uint8 [N, H, W, 1] at another size, by PIL's bilinear filter, as PyTorch-GAN's transforms have it."""
    if images.shape[1] == side:
        return images
    made = [Image.fromarray(image[..., 0]).resize((side, side), Image.Resampling.BILINEAR) for image in images]
    return np.stack([np.asarray(image)[..., None] for image in made])


def sets_of(folder: Path, splits, count: int):
    """(name, images) of everything that is measured."""
    train = splits["train"].images[np.random.default_rng(0).permutation(len(splits["train"].images))[:count]]
    yield "training images of 28x28", train
    yield "training images of 32x32", resized(train, 32)
    for part in sorted(folder.glob("seed_*")):
        seed = part.name.removeprefix("seed_")
        names = {"jaxgen/samples": "jaxgen", "pytorch_gan/train_mode": "PyTorch-GAN, batch statistics"}
        names["pytorch_gan/eval_mode"] = "PyTorch-GAN, running statistics"
        for file, name in names.items():
            yield f"{name}, seed {seed}", np.load(part / f"{file}.npy")


def measure(arguments, folder: Path) -> dict[str, dict[int, dict]]:
    """Records of each set at each size, with one reference and one network for all."""
    data = default.get_config().data
    data.update({"name": "mnist", "dir": arguments.data_dir, "image_size": 0})
    splits = open_dataset(data, progress=False).splits
    settings = {"metrics": METRICS, "batch_size": 100, "seed": 0, "allow_few_samples": True}
    settings = ConfigDict({**settings, "extractor": "efficientnet_lite0", "num_samples": arguments.samples})
    parts = Extractors(settings), ExampleStream(100), lambda batch: batch, None
    out: dict[str, dict[int, dict]] = {}
    for side in SIDES:
        test = splits["test"].images[: arguments.reference]
        real = ImageSource(resized(test, side), split=f"mnist:test at {side}x{side}")
        reference = ImageSet(real, *parts)
        for name, images in sets_of(folder, splits, arguments.samples):
            images = resized(images, side)
            views = {"sample": lambda ids, images=images: images[ids]}
            results = engine.evaluate(settings, reference, views, progress=sys.stderr.isatty())
            records = {record["metric"]: record for key, record in results.items() if not key.startswith("_")}
            out.setdefault(name, {})[side] = records
            print(f"{name} at {side}x{side}: fd {records['fid']['value']:.2f}", file=sys.stderr, flush=True)
    return out


def table(trained: dict[str, dict], measured: dict[str, dict[int, dict]]) -> str:
    """Markdown: a row a set."""
    lines = ["| images | images seen | steps | seconds | fd at 32 | kid at 32 | fd at 28 | kid at 28 |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for name, sides in measured.items():
        run = trained.get(name)
        cells = [f"{run['images']:,}", f"{run['steps']:,}", f"{run['seconds']:.0f}"] if run else [""] * 3
        for side in SIDES:
            for metric, digits in (("fid", 2), ("kid", 4)):
                record = sides[side][metric]
                cells.append(f"{record['value']:.{digits}f} +- {record['spread']:.{digits}f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--seconds", type=float, default=600.0, help="of each side")
    add("--seeds", type=int, nargs="+", default=[0])
    add("--samples", type=int, default=10_000)
    add("--reference", type=int, default=10_000, help="number of test images for comparison, fewer for a trial only")
    add("--data_dir", default="", help="where MNIST's four archives lie")
    add("--config", type=Path, default=ROOT / "configs" / "dcgan_mnist.py", help="jaxgen's side, images of 28 or 32")
    add("--options", default="", help='more for jaxgen\'s command, such as "--config.model.width=48"')
    add("--metrics_only", action="store_true")
    add("--out", type=command_line.new_folder, required=True, help="folder, new unless --metrics_only")
    arguments = parser.parse_args()
    if arguments.seconds < 2 * MARGIN:
        parser.error(f"--seconds={arguments.seconds}: at least {2 * MARGIN:.0f}")
    file = arguments.out / "ten_minutes.json"
    if arguments.metrics_only:
        trained = json.loads(file.read_text())["trained"]
    else:
        arguments.out.mkdir(parents=True)
        trained = {}
        for seed in arguments.seeds:
            part = arguments.out / f"seed_{seed}"
            theirs = run_pytorch(arguments, part / "pytorch_gan", seed)
            trained[f"PyTorch-GAN, batch statistics, seed {seed}"] = theirs
            trained[f"PyTorch-GAN, running statistics, seed {seed}"] = theirs
            trained[f"jaxgen, seed {seed}"] = run_jaxgen(arguments, part / "jaxgen", seed)
            told = {"command": sys.argv, "trained": trained, **provenance.software()}
            file.write_text(json.dumps(told, indent=1) + "\n")
    measured = measure(arguments, arguments.out)
    told = json.loads(file.read_text())
    file.write_text(json.dumps({**told, "measured": measured}, indent=1) + "\n")
    print(table(trained, measured))


if __name__ == "__main__":
    main()
