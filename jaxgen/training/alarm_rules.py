"""The rules of the alarms: the number in a line of metrics.jsonl that a rule reads, and its message."""

import statistics
from collections.abc import Callable, Mapping
from typing import NamedTuple

Line = Mapping[str, float]


class Rule(NamedTuple):
    """A rule of an alarm.

    read: `(line, history) -> value`, or None if the run does not log this number. `history` maps each loss to the means
      of earlier lines.
    above: whether values above the threshold are bad. Otherwise values below it are bad.
    says: `(value, line) -> str`, the observation.
    means: its usual cause, and remedies.
    """

    read: Callable[[Line, Mapping[str, list[float]]], float | None]
    above: bool
    says: Callable[[float, Line], str]
    means: str

    def bad(self, value: float, threshold: float) -> bool:
        """Whether the value is on the wrong side of the threshold."""
        return value > threshold if self.above else value < threshold


def _growth(line: Line, history: Mapping[str, list[float]]) -> float | None:
    """How many times its usual size the largest loss has; sizes below 1 count as 1, for losses may pass through 0."""
    sizes = [
        abs(line[name]) / max(1.0, statistics.median(map(abs, earlier)))
        for name, earlier in history.items()
        if name in line
    ]
    return max(sizes, default=None)


def _alike(line: Line, history) -> float | None:
    return line["alike_fake"] - line["alike_real"] if "alike_fake" in line else None


def _gradient_of_generator(line: Line, history) -> float | None:
    known = "grad_norm_g" in line and line.get("weight_norm_g")
    return line["grad_norm_g"] / line["weight_norm_g"] if known else None


def _says_gradient(value: float, line: Line) -> str:
    seen = f"the generator's gradient is {value:.2g} of the size of its weights"
    if "accuracy_real_d" not in line:
        return seen
    right = f"{line['accuracy_real_d']:.0%} of the reals and {line['accuracy_fake_d']:.0%} of the fakes"
    return f"{seen}, while the discriminator recognises {right}"


def _says_posterior(value: float, line: Line) -> str:
    seen = f"{value:.0%} of the latent dimensions carry no information"
    return f"{seen} (KL {line['kl']:.3g} nats in all)" if "kl" in line else seen


RULES = {
    "divergence": Rule(
        _growth,
        True,
        lambda value, line: (
            f"the losses ({', '.join(f'{k} {v:.3g}' for k, v in line.items() if k.startswith('loss'))}) have grown to "
            f"{value:.3g} times their median so far"
        ),
        "Training diverges and will end in NaN. Try a lower learning rate or optimizers.*.clip_norm",
    ),
    "collapse": Rule(
        _alike,
        True,
        lambda value, line: (
            f"{line['alike_fake']:.0%} of the pairs of fakes in a batch are nearly equal, and "
            f"{line['alike_real']:.0%} of the pairs of reals (ratio of distances {line['pair_distance_ratio']:.2g})"
        ),
        "The generator has collapsed onto few outputs. Try a gradient penalty (recipe.penalty), spectral "
        "normalisation, more critic updates (recipe.n_critic) or a lower learning rate of the generator",
    ),
    "vanishing_gradient": Rule(
        _gradient_of_generator,
        False,
        _says_gradient,
        "The generator hardly learns, usually because the discriminator is too strong. Try recipe.loss="
        "non_saturating or hinge, label smoothing, instance noise, or a lower learning rate of the discriminator",
    ),
    "posterior_collapse": Rule(
        lambda line, history: line.get("posterior_collapse"),
        True,
        _says_posterior,
        "The decoder ignores its latents. Try a smaller recipe.beta, recipe.beta_warmup or recipe.free_bits",
    ),
    "codebook_collapse": Rule(
        lambda line, history: line.get("perplexity"),
        False,
        lambda value, line: f"the codes' perplexity is {value:.3g}",
        "Nearly all positions take the same code. Try a larger recipe.revive_below or a lower learning rate",
    ),
}
