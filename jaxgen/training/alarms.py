"""Alarms judge a run by its numbers, line by line of metrics.jsonl. The first nan stops the run at once.

An alarm goes off if its rule's number was bad in every line over `patience` steps, and in at least two lines. No single
step can thus cause it. The first good line ends it. The alarms' whole memory is a JSON tree in the checkpoints. A
killed and resumed run therefore raises the same alarms at the same steps.
"""

import json
import logging
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from jaxgen.errors import UserError
from jaxgen.files.workdir import write_atomic
from jaxgen.settings import json_file, lookup
from jaxgen.training.alarm_rules import RULES, Line

log = logging.getLogger(__name__)
_FILE, _FAILURE = "alarms.json", "failure.json"
# Parts of the names of the terms that make a run fail; all others only show that it has.
_CAUSES = ("loss", "elbo", "logits", "grad_norm", "penalty", "kl", "log_likelihood")
# Lines of history that a loss is compared with.
_HISTORY = 50


def check(settings) -> tuple[str, ...]:
    """The names of `config.alarms.stop`.

    Raises:
      UserError: an unknown name, or an impossible number.
    """
    for name in RULES:
        for key, value in settings[name].items():
            if not (math.isfinite(value) and value >= 0):
                raise UserError(f"config.alarms.{name}.{key}={value}: it must be 0 or more")
    stop = tuple(name for entry in settings.stop for name in lookup.listed(entry, "config.alarms.stop", "divergence"))
    for name in stop:
        if name not in RULES:
            raise UserError(lookup.unknown("config.alarms.stop", name, list(RULES)))
        if not settings[name].patience:
            raise UserError(f"config.alarms.stop names {name!r}, but config.alarms.{name}.patience=0 turns it off")
    return stop


class Watch:
    """The alarms of a run, with their memory.

    Args:
      settings: `config.alarms`.
      state: `state()` of the checkpoint from which the run continues. None at the start.
    """

    def __init__(self, settings, state: dict | None = None):
        self._settings, self._stop = settings, check(settings)
        self._state = {"lines": 0, "history": {}, "bad": {}, "events": []} | (state or {})

    def state(self) -> dict:
        """The JSON-able state for a `Watch` that continues from here."""
        return self._state

    @property
    def events(self) -> list[dict]:
        """Alarms that went off, oldest first.

        Each has alarm, step, since, value (at the start), latest (while active), threshold, message, and ended: a step,
        or None while active.
        """
        return self._state["events"]

    @property
    def active(self) -> tuple[str, ...]:
        """Names of active alarms."""
        return tuple(event["alarm"] for event in self._on())

    def _on(self) -> list[dict]:
        return [event for event in self.events if event["ended"] is None and self._settings[event["alarm"]].patience]

    def judge(self, step: int, window: Mapping[str, list[float]], line: Line) -> list[str]:
        """Takes in a line, and returns messages about changes since the line before.

        Args:
          step: the step of the line.
          window: every step's values since the line before.
          line: the means of `window`.
        """
        length = len(next(iter(window.values())))
        history = self._state["history"]
        for name in line:
            if name.startswith("loss") and name not in history:
                history[name] = [window[name][0]]  # before the first line there is the first step
        news = []
        for name, rule in RULES.items():
            settings = self._settings[name]
            value = rule.read(line, history)
            if not settings.patience:
                self._state["bad"].pop(name, None)
                continue
            if value is None:
                continue
            if rule.bad(value, settings.threshold):
                news += self._bad(name, step, step - length, value, line)
            else:
                news += self._good(name, step)
        if "divergence" not in self._state["bad"]:  # what has exploded is no measure of what is usual
            for name, values in history.items():
                values.append(line[name])
                del values[:-_HISTORY]
        self._state["lines"] += 1
        return news

    def _bad(self, name: str, step: int, before: int, value: float, line: Line) -> list[str]:
        settings, rule = self._settings[name], RULES[name]
        stretch = self._state["bad"].setdefault(name, {"since": before, "lines": 0})
        stretch["lines"] += 1
        for event in self._on():
            if event["alarm"] == name:
                event["latest"] = value
                return []
        if stretch["lines"] < 2 or step - stretch["since"] < settings.patience:
            return []
        limit = f"alarm {'above' if rule.above else 'below'} {settings.threshold:g}, since step {stretch['since']}"
        message = f"{name} at step {step}: {rule.says(value, line)} ({limit}). {rule.means}"
        self.events.append(
            {
                "alarm": name,
                "step": step,
                "since": stretch["since"],
                "value": value,
                "latest": value,
                "threshold": settings.threshold,
                "message": message,
                "ended": None,
            }
        )
        return [f"ALARM {message}"]

    def _good(self, name: str, step: int) -> list[str]:
        self._state["bad"].pop(name, None)
        for event in self.events:
            if event["alarm"] == name and event["ended"] is None:
                event["ended"] = step
                return [f"the alarm {name} of step {event['step']} ended at step {step}"]
        return []

    def stopping(self) -> str | None:
        """The reason to stop the run, or None. An active alarm in `stop` that exceeds the present threshold is one."""
        for event in self._on():
            name = event["alarm"]
            if name in self._stop and RULES[name].bad(event["latest"], self._settings[name].threshold):
                return (
                    f"stopped by config.alarms.stop: {event['message']}. The state is saved. To continue anyway, "
                    f"remove {name!r} from config.alarms.stop or change config.alarms.{name}.threshold"
                )
        return None

    def record(self, folder: Path, step: int) -> None:
        """Writes alarms.json: the number of judged lines, the rules, and the events."""
        rules = {name: dict(self._settings[name]) for name in RULES if self._settings[name].patience}
        content = {"step": step, "lines": self._state["lines"], "rules": rules, "events": self.events}
        write_atomic(folder / _FILE, json.dumps(content, indent=1) + "\n")


def recorded(folder: Path, step: int) -> list[dict] | None:
    """The events of alarms.json as of `step`. None without the file, and with a warning for a damaged file."""
    path = folder / _FILE
    try:
        events = json_file.read_object(path).get("events")
        if not isinstance(events, list) or not all(map(_is_event, events)):
            raise json_file.Damaged("it holds no list of alarms")
    except FileNotFoundError:
        return None
    except json_file.Damaged as damage:
        log.warning("%s is unreadable: %s. The alarms of the training are unknown here", path, damage)
        return None
    events = [event for event in events if event["step"] <= step]
    return [event if (event["ended"] or 0) <= step else {**event, "ended": None} for event in events]


def _is_event(event: object) -> bool:
    """Whether a value of alarms.json is what `Watch.events` describes."""
    return (
        isinstance(event, dict)
        and type(event.get("step")) is int
        and type(event.get("ended", "")) in (int, type(None))
        and all(isinstance(event.get(key), str) for key in ("alarm", "message"))
    )


class NotFinite(UserError):
    """A number of the training became nan or infinite. `record` is the contents of failure.json."""

    def __init__(self, prefix: str, record: dict[str, Any]):
        super().__init__(prefix + record["message"])
        self.record = record


def check_finite(first_step: int, metrics: dict[str, list[float]], kept: str, seed: int, prefix: str = "") -> None:
    """Stops the run at the first value that is not finite.

    Args:
      first_step: the step of the lists' first entries.
      metrics: name -> one value per step. They are searched step by step: losses and their terms first, then
        observations, else in the order of the names.
      kept: the user's last checkpoint, for the error line.
      seed: the seed of these numbers.
      prefix: the beginning of the error line.

    Raises:
      NotFinite: names the step and the first bad term.
    """
    count = len(next(iter(metrics.values()), []))
    ordered = sorted(metrics.items(), key=lambda item: not any(word in item[0] for word in _CAUSES))
    for i in range(count):
        for name, values in ordered:
            if not math.isfinite(values[i]):
                step = first_step + i
                message = (
                    f"{name} became {values[i]} at step {step}: training stopped. {kept}. "
                    "A lower learning rate or optimizers.*.clip_norm usually helps"
                )
                record = {"kind": "not_finite", "seed": seed, "step": step, "term": name, "value": str(values[i])}
                raise NotFinite(prefix, {**record, "message": message})


def record_failure(folder: Path, failure: NotFinite) -> None:
    """Writes failure.json, the reason for the end of the training, into the work directory for later readers."""
    with suppress(OSError, UserError):  # a full disk must not hide the failure
        write_atomic(folder / _FAILURE, json.dumps(failure.record, indent=1) + "\n")


def forget_failure(folder: Path) -> None:
    """Removes failure.json, since the training continues."""
    with suppress(IsADirectoryError, PermissionError):  # a folder of that name is none of jaxgen's
        (folder / _FAILURE).unlink(missing_ok=True)
