"""Part "right": operations on the accelerator against float64 on the CPU, networks against golden arrays, and the
Frechet distance of the same images on both."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np

from jaxgen.metrics.frechet import FeatureStatistics, frechet_distance
from jaxgen.ops.backend import compile_for
from tools.accelerator_check import right_networks
from tools.accelerator_check.record import Options, Record
from tools.accelerator_check.right_operations import Case, arguments, cases, with_derivatives

# Form -> dtype, `jax_default_matmul_precision`, and bounds of values, first and second derivatives. They are largest
# differences, relative to the largest number. float32 has 24 bits, TF32 11, and bfloat16 8.
FORMS = {
    "float32": ("float32", "highest", (2e-6, 5e-6, 1e-5)),
    "TF32": ("float32", "tensorfloat32", (2e-3, 4e-3, 8e-3)),
    "bfloat16": ("bfloat16", None, (2e-2, 4e-2, 8e-2)),
}
PARTS = ("values", "first derivatives", "second derivatives")
# Cases that are compiled at once: compiling takes most of the time, and a processor each.
_AT_ONCE = 4


def measure(options: Options, record: Record) -> None:
    """One row for each operation and form, then networks, then the distance."""
    record.row(f"device: {jax.devices()[0].device_kind}", None, platform=jax.default_backend())
    with ThreadPoolExecutor(1 if options.tiny else _AT_ONCE) as pool:
        for rows in pool.map(compare, cases(options.tiny)):
            for what, got, expected, bounds in rows:
                _row(what, got, expected, bounds, record)
    if options.golden:
        right_networks.measure_golden(Path(options.golden), record)
    right_networks.measure_efficientnet(record, options.tiny)
    measure_distance(options, record)


def compare(case: Case) -> list[tuple]:
    """Of one operation, its plain form on the accelerator, and the CPU's own form on the CPU.

    Returns:
      For each form its name, the outputs, the outputs in float64, and the bounds.
    """
    cpu, rows = jax.devices("cpu")[0], []
    with jax.enable_x64(True), jax.default_device(cpu):
        expected = _run(case, "float64", "gpu")
    for name, (dtype, precision, bounds) in FORMS.items():
        if dtype == "bfloat16" and not case.bfloat16:
            continue
        with jax.default_matmul_precision(precision):
            rows.append((f"{case.name}, {name}", _run(case, dtype, "gpu"), expected, bounds))
    with jax.default_device(cpu):
        rows.append((f"{case.name}, the CPU's form", _run(case, "float32", "cpu"), expected, FORMS["float32"][2]))
    return rows


def _run(case: Case, dtype: str, form: str) -> list:
    with compile_for(form):
        outputs = jax.jit(with_derivatives(case, dtype))(*arguments(case, dtype))
    return [[np.asarray(x, np.float64) for x in jax.tree.leaves(output)] for output in outputs]


def _row(what: str, got: list, expected: list, bounds: tuple[float, ...], record: Record) -> None:
    """The row shows the part that is nearest to its bound."""
    errors = [max(map(relative, g, e)) for g, e in zip(got, expected, strict=True)]
    worst = max(range(len(errors)), key=lambda i: errors[i] / bounds[i])
    more = dict(zip(PARTS, errors, strict=True))
    record.row(f"{what}: {PARTS[worst]}", errors[worst], "of the largest", bounds[worst], errors=more)


def relative(got: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference by the largest expected number."""
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def measure_distance(options: Options, record: Record) -> None:
    """The Frechet distance of two sets of images, with features of the accelerator and of the CPU."""
    count = 24 if options.tiny else 512
    path = Path(options.out) / "features_cpu.npz"
    command = [sys.executable, "-m", "tools.accelerator_check.right_networks", str(path), str(count)]
    done = subprocess.Popen(command, env={**os.environ, "JAX_PLATFORMS": "cpu"})
    here = right_networks.features_of(count)
    if done.wait():
        raise SystemExit(f"{' '.join(command)}: exit code {done.returncode}")
    with np.load(path) as file:
        there = [file[name] for name in ("a", "b")]
    distances = [frechet_distance(*map(FeatureStatistics.of, pair)) for pair in (here, there)]
    record.row(
        "features of EfficientNet-Lite0, accelerator and CPU", max(map(relative, here, there)), "of the largest", 5e-3
    )
    difference = abs(distances[0] / distances[1] - 1)
    record.row(
        f"Frechet distance of {count} images, accelerator and CPU", difference, "of it", 1e-3, distances=distances
    )
