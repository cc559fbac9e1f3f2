"""The commands of README and all pages parse: their flags exist, their configs can be runs, their files are there."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from absl import flags
from ml_collections import config_flags

from jaxgen import convert
from jaxgen.settings import checks, default, experiments, lookup
from jaxgen.study import definition
from tools.pages import command_reference

# ml_collections reads config files by a way that Python gives up in 3.12.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "launch/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
_END = re.compile(r"[|&;>]|>>|&&|\|\||2>&1")


def lines_of_pages():
    """(page, its text, words of a command line) of each line in a block of bash."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in re.findall(r"^```bash\n(.*?)^```", text.replace("\\\n", " "), re.DOTALL | re.MULTILINE):
            for line in whole_lines(block):
                yield page, text, shlex.split(line, comments=True)


def whole_lines(block):
    """The lines of a block; what stands in quotes over several lines is one."""
    line = ""
    for part in block.splitlines():
        line += part
        if len(re.findall(r"(?<!\\)\"", line)) % 2 == 0:
            yield line
            line = ""
        else:
            line += "\n"
    assert not line, f"an open quotation: {line}"


def commands(*names):
    """The arguments of each command that a page shows, with the page's text: words that follow one of `names`."""
    found = []
    for page, text, words in lines_of_pages():
        for start, word in enumerate(words):
            if word in names and (word != "jaxgen" or not start):  # also a name of clusters in launch/
                end = next((i for i in range(start + 1, len(words)) if _END.fullmatch(words[i])), len(words))
                arguments = words[start + 1 : end]
                label = f"{page.relative_to(ROOT)}: {word} {' '.join(arguments)[:60]}"
                found.append(pytest.param(word, arguments, text, id=label))
    return found


OF_MAIN = commands("jaxgen.main", "jaxgen")
OTHERS = commands(*(f"jaxgen.{name}" for name in command_reference.ARGPARSE_COMMANDS))
SCRIPTS = commands(
    *(
        path.relative_to(ROOT).as_posix()
        for folder in ("benchmarks", "tools", "launch")
        for path in (ROOT / folder).rglob("*.*")
    )
)


def test_there_are_commands():
    assert len(OF_MAIN) > 40
    assert {param.values[0] for param in OTHERS} == {f"jaxgen.{c}" for c in command_reference.ARGPARSE_COMMANDS}
    assert len(SCRIPTS) > 3


def config_file(arguments, text, folder):
    """The file that `--config` means; for a work directory, which is not here, and for no --config: the defaults."""
    match = re.search(r"--config[= ](\S+)", " ".join(arguments))
    name, colon, argument = (match[1] if match else "").partition(":")
    if re.fullmatch(r"(my|study)_\w+\.py", name):  # a file that the page shows
        shown = dict(re.findall(r"^```python title=\"([^\"]+)\"\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
        (folder / name).write_text(shown[name])
        return str(folder / name)
    if not name or re.match(r"runs/|[A-Z]+$", name):
        return default.__file__
    return f"{ROOT / name if name.startswith('configs/') else experiments.find(name)}{colon}{argument}"


@pytest.mark.parametrize(("word", "arguments", "text"), OF_MAIN)
def test_a_command_of_main_can_be_run(word, arguments, text, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    rest = re.sub(r"--config[= ]\S+", "", shlex.join(arguments))
    rest = re.sub(r"(--(?:num_processes|process_id)[= ])[A-Z]\b", r"\g<1>1", rest)  # the reader's own number
    argv = [word, f"--config={config_file(arguments, text, tmp_path)}", *shlex.split(rest)]
    monkeypatch.setattr(sys, "argv", argv)  # ml_collections looks for overrides there
    values = flags.FlagValues()
    for name, flag in command_reference.flags_of_main().items():
        if name != "config":
            values[name] = flag
    chosen = config_flags.DEFINE_config_file("config", lock_config=True, flag_values=values)
    own = {name: flag for name, flag in command_reference.flags_of_main().items() if name != "config"}
    before = {name: (flag.value, flag.present) for name, flag in own.items()}
    try:
        assert values(argv) == [word]
    finally:
        for name, flag in own.items():  # a later test of the command line would find them given
            flag.value, flag.present = before[name]
    if definition.is_study(chosen.value):
        definition.read(chosen.value, values["config"].config_filename)
    else:
        checks.check(chosen.value)


@pytest.mark.parametrize(("word", "arguments", "text"), OTHERS)
def test_another_command_can_be_run(word, arguments, text):
    parser = command_reference.parser_of(word.removeprefix("jaxgen."))
    if word == "jaxgen.convert":
        parsed, overrides = parser.parse_known_args(arguments)
        convert._check(parsed, overrides)
    else:
        parsed = parser.parse_args(arguments)
    if word == "jaxgen.evaluate":
        known = [*lookup.choices("metrics"), *lookup.choices("metrics.extractors")]
        named = [*parsed.metrics.split(","), parsed.extractor]
        assert [name for name in named if name not in known and "." not in name] == []


@pytest.mark.parametrize(("word", "arguments", "text"), SCRIPTS)
def test_flags_of_a_script_are_its_own(word, arguments, text):
    source = (ROOT / word).read_text(encoding="utf-8")
    used = {argument.partition("=")[0] for argument in arguments if re.match(r"--(?!config\.)[a-z]", argument)}
    assert [flag for flag in used if flag not in source] == []


def test_files_of_tests_are_there():
    named = [word for _, _, words in lines_of_pages() for word in words if word.startswith("tests/")]
    assert [name for name in named if not (ROOT / name.partition("::")[0]).exists()] == []
