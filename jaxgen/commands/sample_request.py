"""Reads and checks the requests in `config.sample` beyond numbered samples."""

import math
import re
from typing import NamedTuple

import jax

from jaxgen.commands import styles_file
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
_MOST = 1_000_000  # an image file for each of them
_NUMBER_OR_RANGE = re.compile(r"([0-9]{1,20})(?:-([0-9]{1,20}))?")  # digits of other scripts are no seeds


class Request(NamedTuple):
    """The settings of `config.sample` in the form that the code uses.

    seeds, rows, columns: seeds of `numpy.random.RandomState`. label: a class, or -1 for all classes in turn. layers:
    (first, last) layer that the columns give in the style-mixing matrix. styles: a file of styles, "" for none.
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
        """Whether the request is only for numbered samples with the model's own settings."""
        return self.suffix == "" and not (self.seeds or self.rows or self.video or self.styles)

    @property
    def suffix(self) -> str:
        """A part of file names that differs between settings. "" for the model's own settings."""
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
      UserError: a value is impossible for every model.
    """
    numbers = {key: numbers_of(settings[key], f"config.sample.{key}") for key in _SEEDS}
    rows, columns = numbers["style_mixing_rows"], numbers["style_mixing_columns"]
    if bool(rows) != bool(columns):
        missing = "columns" if rows else "rows"
        raise UserError(f"config.sample.style_mixing_{missing} is empty. A matrix needs seeds of rows and of columns")
    layers = numbers_of((settings.style_mixing_layers,), "config.sample.style_mixing_layers")
    if not layers or layers != tuple(range(layers[0], layers[-1] + 1)):
        raise UserError(f"config.sample.style_mixing_layers={settings.style_mixing_layers!r}: a range such as '0-6'")
    for key, choices in (("noise_mode", ["", *_NOISE_MODES]), ("video", ["", *_VIDEOS]), ("video_path", _PATHS)):
        if settings[key] not in choices:
            raise UserError(unknown(f"config.sample.{key}", settings[key], [choice for choice in choices if choice]))
    if settings.video and len(numbers["seeds"]) < 2:
        raise UserError(
            f"config.sample.video={settings.video!r} leads from seed to seed. Name two or more in config.sample.seeds"
        )
    if settings.label < -1:
        raise UserError(f"config.sample.label={settings.label}: it must be a class from 0 up, or -1 for all in turn")
    if not math.isfinite(settings.truncation):
        raise UserError(f"config.sample.truncation={settings.truncation}: it must be finite (1 is no truncation)")
    if settings.truncation_cutoff < 0:
        raise UserError(f"config.sample.truncation_cutoff={settings.truncation_cutoff}: it must be 0 (all) or more")
    if settings.truncation_cutoff and settings.truncation == 1:
        raise UserError(
            f"config.sample.truncation_cutoff={settings.truncation_cutoff} changes nothing at "
            "config.sample.truncation=1.0. Set truncation too"
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
      UserError: anything else, a number that NumPy does not take as seed, or more numbers than `_MOST`.
    """
    ranges: list[range] = []
    for value in values:
        parts = str(value).split(",") if isinstance(value, str | int) and not isinstance(value, bool) else [""]
        for part in parts:
            match = _NUMBER_OR_RANGE.fullmatch(part.strip())
            if match is None:
                raise UserError(f"{key}: {value!r} is no whole number from 0 up, and no range such as '100-103'")
            first, last = (int(number) for number in (match[1], match[2] or match[1]))
            if last < first:
                raise UserError(f"{key}: the range {part.strip()!r} ends before it begins. Write '{last}-{first}'")
            if last > _LARGEST_SEED:
                raise UserError(f"{key}: {last} is more than {_LARGEST_SEED}, the largest seed")
            ranges.append(range(first, last + 1))
    if (count := sum(map(len, ranges))) > _MOST:
        raise UserError(f"{key} names {count:,} numbers, but {_MOST:,} are the most at once. Name fewer")
    return tuple(number for each in ranges for number in each)


def check(request: Request, opened: Session) -> None:
    """Refuses a request that the model of a session cannot fulfil.

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
        raise UserError(f"config.sample.{asked[0]} is for images, but {config.data.name} has vectors")
    if not {"latents", "decode"} <= set(views):
        raise UserError(f"config.sample.{asked[0]}: the recipe {config.recipe.name!r} has no latents to decode")
    if settings.latent_sampler != latent_samplers.PRIOR:
        raise UserError(
            f"config.sample.{asked[0]} is for latents of the prior. It does not work with "
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
            raise UserError(f"config.sample.label={request.label}: classes are 0 to {num_classes - 1} (-1: all)")
    if request.rows and request.layers[1] >= num_ws:
        raise UserError(
            f"config.sample.style_mixing_layers={settings.style_mixing_layers!r}: this network's layers are 0 to "
            f"{num_ws - 1}"
        )
    if (request.cutoff or 0) > num_ws:
        raise UserError(f"config.sample.truncation_cutoff={request.cutoff}: this network has {num_ws} layers")
    if request.styles:
        state = jax.eval_shape(opened.recipe.init, jax.random.key(0))
        styles_file.read(request.styles, num_ws, jax.eval_shape(opened.recipe.views["w_average"], state).shape[-1])
