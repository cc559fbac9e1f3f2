"""Changes one constant of StyleGAN2 at a time and checks that a test fails: eleven points that are often wrong.

    python tools/mutate_stylegan2.py

Works on a copy of the repository in a temporary folder. Prints a line per mutation. Exit code 1 if one escapes.
"""

# ruff: noqa: E501 (a table)

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODEL, RECIPE, OPS = "jaxgen/models/stylegan2", "jaxgen/recipes", "jaxgen/ops"
OF_RECIPE, OF_MODEL = "tests/recipes/test_stylegan2.py", "tests/models/test_stylegan2.py"
PHASES = "tests/recipes/test_stylegan2_phases.py"

# (point, file, what stands there, what is put there, tests)
MUTATIONS = [
    ("1 rate", f"{RECIPE}/lazy_regularization.py", "values.learning_rate * ratio", "values.learning_rate", OF_RECIPE),
    ("1 decay", f"{RECIPE}/lazy_regularization.py", "values.b2**ratio", "values.b2", OF_RECIPE),
    ("1 ratio", f"{RECIPE}/lazy_regularization.py", "interval / (interval + 1)", "(interval - 1) / interval", OF_RECIPE),
    ("1 loss of R1", f"{RECIPE}/stylegan2.py", "settings.r1_gamma * settings.r1_interval", "settings.r1_gamma", PHASES),
    (
        "1 loss of path length",
        f"{RECIPE}/stylegan2.py",
        "settings.path_length_weight * settings.path_length_interval",
        "settings.path_length_weight",
        PHASES,
    ),
    ("1 idle steps", f"{RECIPE}/stylegan2.py", "if settings.path_length_weight:", "if True:", f"{OF_RECIPE}::test_without_weights_there_are_no_regularisation_steps"),
    ("2 at step 0", f"{RECIPE}/stylegan2.py", "step % settings.r1_interval == 0", "step % settings.r1_interval == 1", PHASES),
    ("2 fresh z", f"{RECIPE}/stylegan2.py", "path_length_phase, keys[1]", "path_length_phase, keys[0]", PHASES),
    ("2 fresh z of D", f"{RECIPE}/stylegan2.py", "reals, keys[2], labels", "reals, keys[0], labels", PHASES),
    ("3 initial weights", f"{MODEL}/layers.py", "normal(1 / self.lr_multiplier)", "normal(1.0)", OF_MODEL),
    ("3 gain", f"{MODEL}/layers.py", "(self.lr_multiplier / math.sqrt(x.shape[-1]))", "self.lr_multiplier", OF_MODEL),
    ("3 bias", f"{MODEL}/layers.py", "bias * self.lr_multiplier", "bias", OF_MODEL),
    ("3 affine bias", f"{MODEL}/synthesis.py", "FullyConnected(x.shape[-1], bias_init=1.0", "FullyConnected(x.shape[-1], bias_init=0.0", OF_MODEL),
    ("3 gain of LeakyReLU", f"{MODEL}/layers.py", "_SQRT2 = math.sqrt(2)", "_SQRT2 = 1.0", OF_MODEL),
    ("3 ToRGB", f"{MODEL}/synthesis.py", "demodulate=False, fused", "demodulate=True, fused", OF_MODEL),
    ("3 styles of ToRGB", f"{MODEL}/synthesis.py", "(w) / math.sqrt(channels)", "(w)", OF_MODEL),
    ("4 demodulation", f"{MODEL}/layers.py", "_EPSILON = 1e-8", "_EPSILON = 1e-6", "tests/models/test_stylegan2_modulated_conv.py"),
    ("4 minibatch stddev", f"{MODEL}/discriminator.py", "+ 1e-8", "+ 1e-6", "tests/models/test_stylegan2_minibatch_stddev.py"),
    ("4 latents", f"{MODEL}/layers.py", "keepdims=True) + 1e-8)", "keepdims=True) + 1e-6)", OF_MODEL),
    ("4 half precision", f"{MODEL}/layers.py", "styles = styles / jnp.abs(styles).max(1, keepdims=True)", "styles = styles * 1.0", "tests/models/test_stylegan2_modulated_conv.py"),
    ("5 sum of the filter", f"{OPS}/resample.py", "BINOMIAL = (0.125, 0.375, 0.375, 0.125)", "BINOMIAL = (0.125, 0.375, 0.375, 0.12)", "tests/ops/test_resample.py"),
    ("5 gain", f"{OPS}/resample.py", "padding=((extra + 1) // 2 + 1, extra // 2), gain=4", "padding=((extra + 1) // 2 + 1, extra // 2), gain=2", "tests/ops/test_resample.py"),
    ("5 padding", f"{OPS}/resample.py", "padding=((extra + 1) // 2 + 1, extra // 2)", "padding=(extra // 2, (extra + 1) // 2 + 1)", "tests/ops/test_resample.py"),
    ("6 strided groups", f"{MODEL}/discriminator.py", "y = jnp.broadcast_to(y, (n if together else group, *y.shape))", "y = jnp.repeat(y, n if together else group, axis=0)", "tests/models/test_stylegan2_minibatch_stddev.py"),
    ("6 small batch", f"{MODEL}/discriminator.py", "group = min(group_size, n * devices)", "group = group_size", "tests/models/test_stylegan2_minibatch_stddev.py"),
    ("6 groups over devices", f"{MODEL}/discriminator.py", "gathered = not together and n % group > 0", "gathered = False", "tests/models/test_stylegan2_minibatch_stddev.py"),
    ("6 groups of devices", f"{MODEL}/discriminator.py", "together = group % n == 0", "together = False", "tests/models/test_stylegan2_minibatch_stddev.py"),
    ("6 order of devices", f"{MODEL}/discriminator.py", "(d + k * apart)", "(d + k)", "tests/models/test_stylegan2_minibatch_stddev.py"),
    ("7 noise", "jaxgen/losses/penalties.py", "math.sqrt(height * width)", "math.sqrt(height)", PHASES),
    ("7 axes", "jaxgen/losses/penalties.py", "jnp.mean(jnp.sum(jnp.square(gradient), axis=2), axis=1)", "jnp.sum(jnp.mean(jnp.square(gradient), axis=2), axis=1)", OF_RECIPE),
    ("7 detached mean", "jaxgen/losses/penalties.py", "jax.lax.stop_gradient(mean)", "mean", OF_RECIPE),
    ("7 half batch", f"{RECIPE}/stylegan2.py", "count // settings.path_length_shrink", "count", PHASES),
    ("8 gamma / 2", "jaxgen/losses/penalties.py", "return 0.5 * squared, logits", "return squared, logits", "tests/losses/test_penalties.py"),
    ("8 through the augmentation", f"{RECIPE}/stylegan2.py", "logits_of(params, augmented(x, key, strength), labels)", "logits_of(params, x, labels)", PHASES),
    ("9 half-life", f"{RECIPE}/stylegan2.py", "beta = 0.5 **", "beta = 0.6 **", OF_RECIPE),
    ("9 ramp", f"{RECIPE}/stylegan2.py", "step * (batch_size * settings.ema_ramp)", "(step + 1) * (batch_size * settings.ema_ramp)", OF_RECIPE),
    ("9 buffers", f"{RECIPE}/stylegan2.py", "ema.params, g.params), g.stats)", "ema.params, g.params), ema.stats)", OF_RECIPE),
    ("10 styles", f"{MODEL}/synthesis.py", "2 * int(math.log2(self.resolution)) - 2", "2 * int(math.log2(self.resolution)) - 3", OF_MODEL),
    ("10 residual gain", f"{MODEL}/synthesis.py", "_SQRT_HALF = math.sqrt(0.5)", "_SQRT_HALF = 1.0", OF_MODEL),
    ("10 residual gain of D", f"{MODEL}/discriminator.py", "_SQRT_HALF = math.sqrt(0.5)", "_SQRT_HALF = 1.0", OF_MODEL),
    ("10 noise at the start", f"{MODEL}/synthesis.py", 'self.param("noise_strength", nn.initializers.zeros', 'self.param("noise_strength", nn.initializers.ones', OF_MODEL),
    ("11 p in [0, 1]", f"{RECIPE}/augmentation.py", "self.target), 0, 1)", "self.target), 0, 2)", "tests/recipes/test_augmentation.py"),
    ("11 step of p", f"{RECIPE}/augmentation.py", "(1000 * self.kimg)", "(100 * self.kimg)", "tests/recipes/test_augmentation.py"),
    ("11 signs of R1's pass", f"{RECIPE}/stylegan2.py", "signs += of_r1", "signs += 0 * of_r1", PHASES),
    ("11 derivatives", f"{RECIPE}/stylegan2.py", "fakes = augmented(synthesize(", "fakes = augmented(jax.lax.stop_gradient(synthesize)(", PHASES),
]  # fmt: skip


def copied(folder: Path) -> Path:
    """The repository's files in `folder`, with the shared arrays beside it where there are any."""
    target = folder / "jaxgen"
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(".git", ".venv", "runs", ".*_cache", "__pycache__"))
    if (ROOT.parent / "shared").exists():
        (folder / "shared").symlink_to((ROOT.parent / "shared").resolve())
    return target


def noticed(copy: Path, tests: str) -> bool:
    """Whether the tests fail."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", tests]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    return done.returncode == 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="mutations whose name starts so")
    arguments = parser.parse_args()
    unnoticed = []
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder))
        for name, file, old, new, tests in MUTATIONS:
            if not name.startswith(arguments.only):
                continue
            text = (copy / file).read_text()
            if old not in text:
                raise SystemExit(f"{name}: {file} has no longer {old!r}")
            (copy / file).write_text(text.replace(old, new))
            seen = noticed(copy, tests)
            (copy / file).write_text(text)
            print(f"{'noticed' if seen else 'UNNOTICED'}: {name}", flush=True)
            unnoticed += [] if seen else [name]
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
