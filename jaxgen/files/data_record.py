"""Compares the data of a run, as its config.json records them, with the data that are here now."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from jaxgen.errors import UserError
from jaxgen.settings import configuration

_MEND = (
    "Name the folder of the run's data (--config.data.dir, or --data_dir of jaxgen.evaluate). To use these data, start "
    "another run"
)


class DataRecord(NamedTuple):
    """The data of a run. info: "data" of config.json. folder: its `config.data.dir`. run: the run, for error lines."""

    info: Mapping[str, Any]
    folder: str
    run: str


def of_run(contents: Mapping[str, Any], run: str) -> DataRecord:
    """The record in the contents of a config.json. Empty for converted networks, and for runs of early versions."""
    info, config = contents.get("data"), configuration.completed(contents["config"])["data"]
    known = isinstance(info, dict) and config["name"] != "none"
    return DataRecord(info if known else {}, config["dir"], run)


def require(recorded: DataRecord, present: object, folder: str) -> None:
    """Refuses data that are not those of the run. A moved copy of the same data passes.

    Args:
      recorded: the data of the run.
      present: the same facts about the data that are here.
      folder: the present `config.data.dir`.

    Raises:
      UserError: a split differs. The line names both data.
    """
    if not isinstance(present, Mapping):
        return
    for key in ("sha256", "spot_sha256"):
        before, now = _hashes(recorded.info, key), _hashes(present, key)
        for split in before.keys() & now.keys():
            if before[split] != now[split]:
                raise UserError(
                    f"{recorded.run}: the data are not those of the run. The split {split!r} was "
                    f"{_described(recorded.info, before[split], recorded.folder)}, and is "
                    f"{_described(present, now[split], folder)}. {_MEND}"
                )


def _hashes(info: Mapping[str, Any], key: str) -> dict[str, str]:
    """The hash of each split. {} in records of versions without them."""
    hashes = info.get(key)
    return {k: v for k, v in hashes.items() if isinstance(v, str)} if isinstance(hashes, Mapping) else {}


def _described(info: Mapping[str, Any], digest: str, folder: str) -> str:
    count = info.get("file_count")
    files = f", {count} file{'s' * (count != 1)}" if isinstance(count, int) else ""
    return f"{digest.removeprefix('names:')[:12]} (data.dir={folder!r}{files})"
