"""Every key of a study: a set of runs that are compared. A file `study_*.py` starts from `get_config()` here.

A study and each of its entries also have every key of `default.py` beside this file, without a value. A key that the
study sets holds for all runs. A key that an entry sets holds for its own runs. All other keys are as in the entry's
experiment. On the command line `--config.evaluation.num_samples=500` sets a key for all runs, and
`--config.entries.gan.model.width=16` sets a key for one entry.

Comments belong to keys by the rules that `default.py` names.
"""

from ml_collections import ConfigDict, config_dict

from jaxgen.settings import default

# The study itself sets these keys, run by run.
_OF_STUDY = ("seed", "num_seeds", "budget")


def unset(config: ConfigDict) -> ConfigDict:
    """The same keys and types without values."""
    keys = ConfigDict()
    for key in config:
        value = config[key]
        keys[key] = unset(value) if isinstance(value, ConfigDict) else config_dict.placeholder(type(value))
    return keys


def unset_run() -> ConfigDict:
    """Every key of jaxgen/settings/default.py that a study does not set by itself, without values."""
    keys = unset(default.get_config())
    for key in _OF_STUDY:
        if key in keys:
            del keys[key]
    return keys


def budget() -> ConfigDict:
    """How long a run trains. At most one number is not 0. If all are 0, the experiment decides."""
    values = {
        "steps": 0,  # The number of updates.
        # The number of images: steps * batch_size, without the further batches of a critic. Steps are rounded down to
        # whole dispatches.
        "images": 0,
        # Seconds of training steps, without compilation and evaluation. Such a run is not reproducible to the bit.
        "seconds": 0.0,
    }
    return ConfigDict(values)


def add(study: ConfigDict, name: str, config: str, title: str = "") -> ConfigDict:
    """Adds an entry and returns it, so that keys can be set.

    Args:
      study: the config that `get_config()` returned.
      name: the name of the entry and of its folder.
      config: the experiment. A name means a file beside the study's file, or in configs/. A path to a file or to a
        work directory is possible, too.
      title: the name in the report. "": the name of the entry.
    """
    if name in study.entries:
        raise KeyError(f"the study has an entry {name} already")
    entry = unset_run()
    entry.config = config  # The experiment, by name or path.
    entry.title = title or name  # The name of the entry in the report.
    entry.seeds = ()  # The seeds of this entry. (): the seeds of the study.
    entry.budget = budget()  # The budget of each run of this entry. Without a number: the budget of the study.
    with study.unlocked():
        study.entries[name] = entry.lock()
    return entry


def get_config() -> ConfigDict:
    """A study without entries."""
    study = unset_run()
    study.title = ""  # The title of the report. "": the name of the file.
    study.seeds = (0, 1, 2)  # Every entry is run with each of these seeds.
    # `seeds`: all entries with the first seed, then all with the second, and so on, so that they compare early.
    # `entries`: one entry after the other.
    study.order = "seeds"
    study.rank_by = ""  # The metric that ranks the models in the report. "": the report chooses.
    # On CPUs: the number of runs beside each other. Each run has an equal share of the cores.
    study.runs_at_once = 1
    # One program trains all seeds of an entry (`config.num_seeds`). The seeds must be consecutive.
    study.lanes = False
    study.budget = budget()  # The budget of each run.
    study.redo = ()  # Names of changed entries. Their old runs are deleted and done again.
    study.entries = ConfigDict(sort_keys=False)  # The entries, in the order of the calls of `add`.
    return study.lock()
