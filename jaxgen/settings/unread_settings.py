"""Finds changed settings of `config.model` and `config.recipe` that nothing reads, and that would have no effect.

A recipe is built from a config that notes which keys are read. A user's own models and recipes are thus covered.
"""

from typing import Any

from ml_collections import ConfigDict

from jaxgen.errors import UserError

GROUPS = ("model", "recipe")
# Numbers of a part that is switched off, and what switches it on: they may stay as they are.
_PART_OF = {
    "penalty_weight": "penalty",
    "instance_noise_steps": "instance_noise",
    "beta_warmup": "beta",
    "sigma": "likelihood",
    "mixtures": "likelihood",
    "binarize": "likelihood",
    **dict.fromkeys(("log_cosh_sharpness", "reconstruction_weight"), "likelihood"),
    "pseudo_inputs": "prior",
    "regularizer_weight": "regularizer",
    "r1_interval": "r1_gamma",
    **{f"path_length_{name}": "path_length_weight" for name in ("interval", "decay", "shrink")},
    **{f"ada_{name}": "ada_pipeline" for name in ("target", "initial_p", "interval", "kimg")},
    "ema_ramp": "ema_kimg",
}


class _NotedGroup:
    """A part of a config, noting the keys that are read."""

    def __init__(self, settings: ConfigDict):
        self._settings, self._read = settings, set()

    def __getattr__(self, key: str) -> Any:
        # What is no key is a method such as to_dict(), and reads them all.
        self._read |= {key} if key in self._settings else set(self._settings.keys())
        return getattr(self._settings, key)

    def __getitem__(self, key: str) -> Any:
        self._read.add(key)
        return self._settings[key]

    def __iter__(self):
        self._read |= set(self._settings.keys())
        return iter(self._settings)

    def __contains__(self, key: str) -> bool:
        return key in self._settings


class NotedConfig:
    """A config that notes which keys of `GROUPS` are read. All other keys pass through."""

    def __init__(self, config: ConfigDict):
        self._config = config
        self._groups = {name: _NotedGroup(config[name]) for name in GROUPS}

    def __getattr__(self, key: str) -> Any:
        return self._groups[key] if key in self._groups else getattr(self._config, key)

    def __getitem__(self, key: str) -> Any:
        return self._groups[key] if key in self._groups else self._config[key]

    def check(self, defaults: ConfigDict) -> None:
        """Refuses a setting that differs from the config `defaults` and was not read.

        Raises:
          UserError: the first such setting.
        """
        for group, noted in self._groups.items():
            read = noted._read
            for key, value in noted._settings.items():
                # What is not there is off already: 0, False, "".
                spared = key == "name" or not value or key not in defaults[group] or _PART_OF.get(key) in read
                if value != defaults[group].get(key) and key not in read and not spared:
                    raise UserError(
                        f"config.{group}.{key}={value!r} would change nothing. Neither recipe "
                        f"{self._config.recipe.name!r} nor model {self._config.model.name!r} reads it here. Leave it "
                        f"{defaults[group][key]!r}"
                    )
