"""Every key of a study: a set of runs that are compared. Files `study_*.py` start from `get_config()` here.

A study and each of its entries also have every key of `default.py` beside this file, unset. What is set in the study
holds for all runs, what is set in an entry for its own; the rest is as in the entry's experiment. On the command line
`--config.evaluation.num_samples=500` sets a key for all runs, `--config.entries.gan.model.width=16` for one entry.
"""

from ml_collections import ConfigDict, config_dict

from jaxgen.settings import default

# Set by the study itself, run by run.
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
    """How long a run trains: one of these, or, with none, as long as its experiment says."""
    values = {
        "steps": 0,  # updates
        "images": 0,  # steps * batch_size, whatever a critic sees beside; steps are cut to whole dispatches
        "seconds": 0.0,  # of training steps, without compilation and evaluation: equal wall-clock; not bit-reproducible
    }
    return ConfigDict(values)


def add(study: ConfigDict, name: str, config: str, title: str = "") -> ConfigDict:
    """Adds an entry and returns it, so that keys can be set.

    Args:
      study: what `get_config()` returned.
      name: of the entry, and of its folder.
      config: its experiment: the name of a file beside the study's, or in configs/; a path; or a work directory.
      title: for people; "": the name.
    """
    if name in study.entries:
        raise KeyError(f"the study has an entry {name} already")
    entry = unset_run()
    entry.config, entry.title = config, title or name
    entry.seeds = ()  # (): those of the study
    entry.budget = budget()  # without any: that of the study
    with study.unlocked():
        study.entries[name] = entry.lock()
    return entry


def get_config() -> ConfigDict:
    """A study without entries."""
    study = unset_run()
    study.title = ""  # "": the name of the file
    study.seeds = (0, 1, 2)  # every entry is run with each
    # seeds: all entries with the first seed, then with the second, ..., so that all can be compared early;
    # entries: one entry after the other
    study.order = "seeds"
    study.runs_at_once = 1  # on CPUs: so many runs beside each other, each on an equal share of the cores
    study.lanes = False  # all seeds of an entry in one program (config.num_seeds); they must be consecutive
    study.budget = budget()  # of each run
    study.redo = ()  # names of entries that were changed: their old runs are deleted and done anew
    study.entries = ConfigDict(sort_keys=False)  # filled by `add`, in its order
    return study.lock()
