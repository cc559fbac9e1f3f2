"""Optimisers and learning-rate schedules from their config keys."""

import optax

from jaxgen.errors import UserError
from jaxgen.settings.lookup import unknown

OPTIMIZERS = {
    "adam": lambda c, rate: optax.adam(rate, b1=c.b1, b2=c.b2, eps=c.eps),
    "adamw": lambda c, rate: optax.adamw(rate, b1=c.b1, b2=c.b2, eps=c.eps, weight_decay=c.weight_decay),
    # eps outside the root, as Tieleman and Hinton's users know it from PyTorch; optax puts it inside by default.
    "rmsprop": lambda c, rate: optax.rmsprop(rate, c.b2, c.eps, eps_in_sqrt=False, momentum=c.b1 or None),
    "sgd": lambda c, rate: optax.sgd(rate, momentum=c.b1 or None),
}
SCHEDULES = {
    "constant": lambda rate, steps: optax.constant_schedule(rate),
    "linear": lambda rate, steps: optax.linear_schedule(rate, 0.0, steps),
    "cosine": optax.cosine_decay_schedule,
}


def schedule(config, steps: int, key: str) -> optax.Schedule:
    """Learning rate after n updates. steps: all updates, until the decay ends. key: the config key of `config`."""
    if config.schedule not in SCHEDULES:
        raise UserError(unknown(f"{key}.schedule", config.schedule, sorted(SCHEDULES)))
    if config.warmup_steps >= steps:
        raise UserError(f"{key}.warmup_steps={config.warmup_steps} leaves nothing of {steps} updates. Use fewer")
    after = SCHEDULES[config.schedule](config.learning_rate, steps - config.warmup_steps)
    if not config.warmup_steps:
        return after
    warmup = optax.linear_schedule(0.0, config.learning_rate, config.warmup_steps)
    return optax.join_schedules([warmup, after], [config.warmup_steps])


def optimizer_of(config, steps: int, key: str) -> optax.GradientTransformation:
    """The optimiser of one player.

    Args:
      config: one entry of `config.optimizers`.
      steps: number of updates of this player.
      key: the config key of `config`, for error lines.

    Raises:
      UserError: unknown name or schedule.
    """
    if config.name not in OPTIMIZERS:
        raise UserError(unknown(f"{key}.name", config.name, sorted(OPTIMIZERS)))
    if config.weight_decay and config.name != "adamw":
        raise UserError(f"{key}.weight_decay={config.weight_decay} has no effect with {config.name}: use name='adamw'")
    transform = OPTIMIZERS[config.name](config, schedule(config, steps, key))
    if config.clip_norm:
        transform = optax.chain(optax.clip_by_global_norm(config.clip_norm), transform)
    return transform
