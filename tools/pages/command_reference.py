"""Makes the page "Command line" of the commands' own parsers: what `--help` says, for every command."""

import argparse
import html
import importlib
import re
import textwrap

from absl import flags

from jaxgen.planning import hardware
from tools.pages.config_reference import escaped

ARGPARSE_COMMANDS = ("evaluate", "report", "convert", "export", "weights", "statistics")
INTRODUCTION = """# Command line

jaxgen has seven commands. `--help` shows the text of this page. The script `jaxgen` is `python -m jaxgen.main`.

| command | purpose |
|---|---|
| [`python -m jaxgen.main`](#jaxgenmain) | trains, evaluates, samples, projects, times, plans |
| [`python -m jaxgen.evaluate`](#jaxgenevaluate) | measures images against images |
| [`python -m jaxgen.report`](#jaxgenreport) | writes a report of runs |
| [`python -m jaxgen.convert`](#jaxgenconvert) | reads and writes published StyleGAN2 weights |
| [`python -m jaxgen.export`](#jaxgenexport) | writes a sampler as one file |
| [`python -m jaxgen.weights`](#jaxgenweights) | lists, fetches and verifies the weights of feature networks |
| [`python -m jaxgen.statistics`](#jaxgenstatistics) | makes feature statistics of data sets |

| exit code | meaning |
|---|---|
| 0 | The command is done, or SIGTERM or Ctrl-C has saved the state. |
| 1 | The program has an error, or another process is lost. |
| 2 | The input is wrong, or an alarm has stopped the run. The last line on stderr says what to change. |
| 130 | Ctrl-C has ended a command that had no state to save. |

Every flag, every name and every place for results is checked first. No image is read and no program is compiled before
that. A command checks what it will use, and nothing else.

Paths mean the same in every flag and in every key of a config:

- `~` and `~name` at the beginning are home folders.
- `$NAME` and `${NAME}` are variables of the environment. A variable without a value is refused.
- A path that exists as it is written is taken as it is written.
- A relative path counts from the folder in which the command starts. `config.json` keeps whole paths, so a run goes on
  from any folder.
- Upper and lower case do not matter in suffixes such as `.ZIP`.

Results are safe before anything is printed:

- Files are written as a whole or not at all. A link is followed, and the link stays.
- An output never replaces an input or another output of the same command.
- A closed stdout, as in `command | head -1`, ends nothing. The exit code is that of the work.
- A stdout on a full disk gives one line on stderr and exit code 2. The files of the command are whole then, too.
- `--out /dev/stdout` prints the JSON of `jaxgen.evaluate`.

The variable `JAXGEN_CACHE` names the folder of caches: downloads, weights and compiled programs. Its default is
`~/.cache/jaxgen`.
"""
CONFIG_KEYS = """The flag `--config.KEY=VALUE` sets any key of the config. The page [Config keys](config.md) lists them.
"""


def page() -> str:
    """The page, as Markdown."""
    return "\n".join([INTRODUCTION, _main(), *map(_argparse_command, ARGPARSE_COMMANDS)])


def parser_of(command: str) -> argparse.ArgumentParser:
    """The parser of `python -m jaxgen.<command>`, for the commands that use argparse."""
    module = importlib.import_module("jaxgen.report.__main__" if command == "report" else f"jaxgen.{command}")
    return module._parser()


def flags_of_main() -> dict[str, flags.Flag]:
    """The flags of `python -m jaxgen.main`, by name."""
    importlib.import_module("jaxgen.main")
    return {flag.name: flag for flag in flags.FLAGS.get_key_flags_for_module("jaxgen.main")}


def _main() -> str:
    lines = ["## jaxgen.main", "", described(importlib.import_module("jaxgen.main").__doc__), CONFIG_KEYS]
    for flag in flags_of_main().values():
        default = "" if flag.default in (None, False) else f", default `{flag.default}`"
        lines += _definition(f"--{flag.name}", "main", f" `{flag.flag_type()}`{default}", flag.help)
    lines += [
        "### Hardware of `--topology`",
        "",
        "A plan knows these chips. A TPU needs a slice, such as `v5e:2x4`. A GPU needs a number, such as `h100:8`.",
        "",
        "| chip | memory, GiB | bfloat16, TFLOP/s | memory, GB/s | links, GB/s |",
        "|---|---|---|---|---|",
    ]
    for name, chip in {**hardware._TPUS, **hardware._GPUS}.items():
        speeds = (chip.memory_gib, chip.teraflops, chip.gigabytes_per_second, chip.link_gigabytes_per_second)
        lines.append(f"| `{name}` | {' | '.join(f'{value:.0f}' for value in speeds)} |")
    return "\n".join([*lines, ""])


def _argparse_command(command: str) -> str:
    parser = parser_of(command)
    lines = [f"## jaxgen.{command}", "", described(parser.description)]
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        term = (action.option_strings or [action.metavar or action.dest])[0]
        value = ""
        if action.option_strings and action.nargs != 0:
            value = f" `{action.metavar or '|'.join(map(str, action.choices or ())) or (action.type or str).__name__}`"
        if action.required and action.option_strings:
            value += ", required"
        elif action.option_strings and action.nargs != 0 and action.default not in (None, ""):
            value += f", default `{action.default}`"
        lines += _definition(term, command, value, parser._get_formatter()._expand_help(action))
    return "\n".join(lines)


def _definition(term: str, command: str, value: str, text: str) -> list[str]:
    anchor = f"{command}-{term.lstrip('-').lower()}"
    text = text.strip()
    return [f"[`{term}`](#{anchor}){{ #{anchor} .config-key }}{value}", f":   {escaped(text)}", ""]


def described(docstring: str) -> str:
    """A docstring as Markdown: its indented blocks become code, the rest prose."""
    parts = []
    for block in re.split(r"\n\n+", textwrap.dedent(docstring).strip()):
        if not block.startswith("    "):
            parts.append(html.escape(block, quote=False))
        elif parts and parts[-1].endswith("```"):  # an empty line within the code
            parts[-1] = f"{parts[-1].removesuffix('```')}\n{textwrap.dedent(block)}\n```"
        else:
            language = "python" if re.match(r"\s*(import|from) ", block) else "text"
            parts.append(f"```{language}\n{textwrap.dedent(block)}\n```")
    return "\n\n".join(parts) + "\n"
