"""What `config.sample` asks of --mode=sample beyond numbered samples, checked."""

import math
from typing import NamedTuple

from jaxgen.errors import UserError
from jaxgen.evaluation import latent_samplers
from jaxgen.runs.session import Session
from jaxgen.settings import default
from jaxgen.settings.lookup import unknown

_NOISE_MODES, _VIDEOS, _PATHS = ["const", "random", "none"], ["mp4", "gif"], ["spline", "slerp"]
_OF_STYLES = ("truncation", "truncation_cutoff", "noise_mode", "style_mixing_rows", "style_mixing_columns", "styles")
_SEEDS = ("seeds", "style_mixing_rows", "style_mixing_columns")
_AS_THEY_ARE = ("label", "truncation", "noise_mode", "video", "video_path", "video_frames", "video_fps", "styles")
_LARGEST_SEED = 2**32 - 1  # of numpy.random.RandomState


class Request(NamedTuple):
    """Keys of `config.sample` as they are used.

    seeds, rows, columns: of `numpy.random.RandomState`. label: -1 for all in turn. layers: (first, last) that the
    columns of the style-mixing matrix give. styles: a file of them, "" for none.
    """

    seeds: tuple[int, ...]
    label: int
    truncation: float
    cutoff: int | None
    noise_mode: str
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    layers: tuple[int, int]
    video: str
    video_path: str
    video_frames: int
    video_fps: int
    styles: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing but the numbered samples, as the model makes them."""
        return self.suffix == "" and not (self.seeds or self.rows or self.video or self.styles)

    @property
    def suffix(self) -> str:
        """What tells the files of one setting from those of another, "" for the model's own."""
        parts = []
        if self.truncation != 1:
            parts.append(f"_truncation{self.truncation:g}" + (f"_cutoff{self.cutoff}" if self.cutoff else ""))
        if self.label >= 0:
            parts.append(f"_class{self.label}")
        if self.noise_mode:
            parts.append(f"_noise_{self.noise_mode}")
        return "".join(parts)


def request_of(settings) -> Request:
    """The request in `config.sample`.

    Raises:
      UserError: a value that can be no setting of any model.
    """
    numbers = {key: numbers_of(settings[key], f"config.sample.{key}") for key in _SEEDS}
    rows, columns = numbers["style_mixing_rows"], numbers["style_mixing_columns"]
    if bool(rows) != bool(columns):
        missing = "columns" if rows else "rows"
        raise UserError(f"config.sample.style_mixing_{missing} is empty: a matrix needs seeds of rows and of columns")
    layers = numbers_of((settings.style_mixing_layers,), "config.sample.style_mixing_layers")
    if not layers or layers != tuple(range(layers[0], layers[-1] + 1)):
        raise UserError(f"config.sample.style_mixing_layers={settings.style_mixing_layers!r}: a range such as '0-6'")
    for key, choices in (("noise_mode", ["", *_NOISE_MODES]), ("video", ["", *_VIDEOS]), ("video_path", _PATHS)):
        if settings[key] not in choices:
            raise UserError(unknown(f"config.sample.{key}", settings[key], [choice for choice in choices if choice]))
    if settings.video and len(numbers["seeds"]) < 2:
        raise UserError(
            f"config.sample.video={settings.video!r} leads from seed to seed: name two or more in config.sample.seeds"
        )
    if settings.label < -1:
        raise UserError(f"config.sample.label={settings.label}: a class from 0 up, or -1 for all in turn")
    if not math.isfinite(settings.truncation):
        raise UserError(f"config.sample.truncation={settings.truncation}: a finite number such as 0.7, 1 is off")
    if settings.truncation_cutoff < 0:
        raise UserError(f"config.sample.truncation_cutoff={settings.truncation_cutoff}: it must be 0 (all) or more")
    if settings.truncation_cutoff and settings.truncation == 1:
        raise UserError(
            f"config.sample.truncation_cutoff={settings.truncation_cutoff} changes nothing at "
            "config.sample.truncation=1.0: set that too"
        )
    return Request(
        seeds=numbers["seeds"],
        rows=rows,
        columns=columns,
        layers=(layers[0], layers[-1]),
        cutoff=settings.truncation_cutoff or None,
        **{key: settings[key] for key in _AS_THEY_ARE},
    )


def numbers_of(values: tuple, key: str) -> tuple[int, ...]:
    """Whole numbers from numbers and from strings such as "85", "100-103" and "85,100-103".

    Raises:
      UserError: anything else, or no seed that NumPy takes.
    """
    numbers: list[int] = []
    for value in values:
        parts = str(value).split(",") if isinstance(value, str | int) and not isinstance(value, bool) else [""]
        for part in parts:
            first, dash, last = part.strip().partition("-")
            if not (first.isdecimal() and (last.isdecimal() if dash else True)):
                raise UserError(f"{key}: {value!r} is no whole number from 0 up, nor a range such as '100-103'")
            numbers += range(int(first), int(last or first) + 1)
    if numbers and max(numbers) > _LARGEST_SEED:
        raise UserError(f"{key}: {max(numbers)} is more than {_LARGEST_SEED}, the largest seed")
    return tuple(numbers)


def check(request: Request, opened: Session) -> None:
    """Refuses what the model of a session, whose config the request is of, cannot do.

    Raises:
      UserError: one line that names the key.
    """
    if request.is_plain:
        return
    config, views, num_classes = opened.config, opened.views.names, opened.num_classes
    num_ws = opened.recipe.facts.get("synthesis", {}).get("num_ws", 0)
    settings, usual = config.sample, default.get_config().sample
    asked = [key for key in ("seeds", "label", "video", *_OF_STYLES) if settings[key] != usual[key]]
    if "points" in views:
        raise UserError(f"config.sample.{asked[0]}: for images, and {config.data.name} has vectors")
    if not {"latents", "decode"} <= set(views):
        raise UserError(f"config.sample.{asked[0]}: the recipe {config.recipe.name!r} has no latents to decode")
    if settings.latent_sampler != latent_samplers.PRIOR:
        raise UserError(
            f"config.sample.{asked[0]} is for the prior's latents: not with "
            f"config.sample.latent_sampler={settings.latent_sampler!r}"
        )
    for key in asked:
        if key in _OF_STYLES and "mapping" not in views:
            raise UserError(
                f"config.sample.{key}={settings[key]!r} is for models with styles (stylegan2). "
                f"{config.model.name} has none"
            )
    if request.label != -1:
        if not (config.model.conditional and num_classes):
            raise UserError(f"config.sample.label={request.label}: the model knows no classes. Use -1")
        if request.label >= num_classes:
            raise UserError(f"config.sample.label={request.label}: classes are 0 to {num_classes - 1}, -1: all in turn")
    if request.rows and request.layers[1] >= num_ws:
        raise UserError(
            f"config.sample.style_mixing_layers={settings.style_mixing_layers!r}: this network's layers are 0 to "
            f"{num_ws - 1}"
        )
    if (request.cutoff or 0) > num_ws:
        raise UserError(f"config.sample.truncation_cutoff={request.cutoff}: this network has {num_ws} layers")
