"""The pages: their links, their sentences, the ones that the build makes, and the built site."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from jaxgen.settings import default, default_study
from jaxgen.settings.configuration import flatten
from tools import check_links, check_prose
from tools.pages import command_reference, config_reference, experiment_catalogue, generated, notebook, root_files

ROOT = Path(__file__).parents[2]
WRITTEN = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "launch/README.md"]
WRITTEN += [str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))]
MADE = ["reference/config.md", "reference/command_line.md", "quickstart.md"]


@pytest.fixture(scope="module")
def made():
    return generated.pages(ROOT)


@pytest.mark.full
def test_every_link_leads_somewhere(made):
    assert check_links.of_sources(ROOT, made) == []


@pytest.mark.parametrize("page", WRITTEN)
def test_sentences_of_a_page_are_short(page):
    assert check_prose.complaints((ROOT / page).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", MADE)
def test_sentences_of_a_made_page_are_short(page, made):
    assert check_prose.complaints(made[page]) == []


def test_the_navigation_has_every_page(made):
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"^ +- (?:[^:\n]+: )?(\S+\.md)\b", text.partition("\nnav:\n")[2], re.MULTILINE)
    docs = ROOT / "docs"
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")} | {uri for uri in made if ".md" in uri}
    assert sorted(named) == sorted(pages)


@pytest.mark.parametrize("key", sorted(flatten(default.get_config().to_dict())))
def test_a_key_stands_in_the_reference_with_its_default(key, made):
    value = flatten(default.get_config().to_dict())[key]
    entry = rf"\[`config\.{key}`\]\(#config\.{key}\).*default `{re.escape(config_reference.shown(value))}`\n:   \S"
    assert len(re.findall(entry, made["reference/config.md"])) == 1


def test_keys_of_studies_stand_in_the_reference(made):
    own = set(flatten(default_study.get_config().to_dict())) - set(flatten(default_study.unset_run().to_dict()))
    assert {"seeds", "budget.steps", "redo"} <= own
    assert [key for key in own if f"{{ #study.{key} " not in made["reference/config.md"]] == []


def test_comments_belong_to_their_keys():
    source = """
def part():
    values = {
        "a": 1,  # The a.
        # The b,
        # in two lines.
        "b": 2,
    }

def get_config():
    config = ConfigDict()

    # A heading

    # A paragraph.

    config.x = 1  # At the end.
    # Above.
    config.y = (
        2
    )
    config.z = part()  # A group.
    config.none = 3
"""
    Heading, Key = config_reference.Heading, config_reference.Key
    assert config_reference.read(source, "get_config", "config") == [
        Heading("A heading"),
        Heading("A paragraph."),
        Key("x", "At the end.", False),
        Key("y", "Above.", False),
        Key("z", "A group.", True),
        Key("z.a", "The a.", False),
        Key("z.b", "The b, in two lines.", False),
        Key("none", "", False),
    ]
    with pytest.raises(ValueError, match=r"keys without a comment: config\.none"):
        config_reference.render([Key("none", "", False)], {"none": 3}, "config.")
    with pytest.raises(ValueError, match="line 4 has a comment above it and one at its end"):
        config_reference.read("def f():\n    c = 1\n    # Above.\n    c.x = 1  # End.", "f", "c")


def test_text_of_comments_is_no_markup():
    assert config_reference.escaped("a <b> * `<c> *` [d]") == r"a &lt;b&gt; \* `<c> *` \[d\]"
    assert config_reference.shown(("a", 1e-5)) == '("a", 1e-05)'
    assert config_reference.shown(("a",)) == '("a",)'


@pytest.mark.parametrize("command", command_reference.ARGPARSE_COMMANDS)
def test_every_argument_stands_in_the_reference(command, made):
    section = made["reference/command_line.md"].partition(f"\n## jaxgen.{command}\n")[2].partition("\n## ")[0]
    wanted = set(re.findall(r"(?<![\w-])--[a-z_]+", command_reference.parser_of(command).format_usage())) - {"--help"}
    assert wanted
    assert [flag for flag in wanted if f"[`{flag}`](#{command}-" not in section] == []


def test_every_flag_of_main_stands_in_the_reference(made):
    names = set(command_reference.flags_of_main())
    assert {"config", "workdir", "mode", "topology", "distributed"} <= names
    assert [name for name in names if f"[`--{name}`](#main-{name})" not in made["reference/command_line.md"]] == []


def test_a_notebook_becomes_a_page_with_its_output():
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "Text."]},
        {
            "cell_type": "code",
            "source": "x = 1",
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["10%\r20%\r", "30%\n\x1b[1mdone\x1b[0m\n"]},
                {"output_type": "display_data", "data": {"image/png": "aGFsbG8=", "text/plain": ["<Figure>"]}},
                {"output_type": "execute_result", "data": {"text/plain": ["42"]}},
            ],
        },
    ]
    page = notebook.page(json.dumps({"cells": cells}), "first.ipynb")
    assert page.pictures == {"first_2_2.png": b"hallo"}
    title, about, code, stream, picture, result = page.text.strip().split("\n\n")
    assert (title, code, result) == ("# Title\nText.", "```python\nx = 1\n```", "```text\n42\n```")
    assert "](first.ipynb)" in about
    assert stream == "```text\n30%\ndone\n```"
    assert picture == "![Figure](first_2_2.png)"
    cells[1]["outputs"] = [{"output_type": "error", "ename": "ValueError"}]
    with pytest.raises(ValueError, match="output 1 is of the kind 'error'"):
        notebook.page(json.dumps({"cells": cells}), "first.ipynb")


def test_links_of_root_files_are_mended():
    text = "[a](docs/guides/data.md#x) [b](SECURITY.md) [c](tests/conftest.py) [d](https://e.f) [g](#h)"
    mended = "[a](../guides/data.md#x) [b](security.md) c [d](https://e.f) [g](#h)"
    assert root_files.page(text, "project/contributing.md") == mended


def test_a_missing_root_file_is_an_error(tmp_path):
    with pytest.raises(OSError, match=r"CONTRIBUTING\.md"):
        generated.pages(tmp_path)


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("[x](missing.md)", "no such page"),
        ("![x](images/missing.png)", "no such page"),
        ("[x](other.md#missing)", "no such heading"),
        ("[x](#missing)", "no such heading"),
        ("[x](../README.md)", "no such page"),
        ('<img src="missing.png">', "no such page"),
        ("[![x](missing.png)](other.md)", "missing.png: no such page"),
        ("[x](other.md#two-words)", ""),
        ("[x](other.md#two-words_1)", ""),
        ("[x](other.md#own)", ""),
        ("[x](made.md#part)", ""),
        ("`[x](missing.md)`", ""),
        ("```text\n[x](missing.md)\n```", ""),
        ("[x](https://example.org/missing)", ""),
    ],
)
def test_a_dead_link_of_the_sources_is_found(tmp_path, link, reason):
    for name in check_links.ROOT_FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("# Title\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "other.md").write_text("# Two `words`\n\n## Two words\n\n[a](#own){ #own }\n")
    (tmp_path / "docs" / "index.md").write_text(f"# Home\n\n{link}\n")
    bad = check_links.of_sources(tmp_path, {"made.md": "## Part\n"})
    assert len(bad) == bool(reason)
    assert reason in "".join(bad)


def test_a_dead_link_of_a_root_file_is_found(tmp_path):
    for name in check_links.ROOT_FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("# A title: more\n\n[x](#a-title-more)\n")
    (tmp_path / "docs").mkdir()
    assert check_links.of_sources(tmp_path, {"made.md": ""}) == []
    (tmp_path / "README.md").write_text("[x](docs/made.md) [y](SECURITY.md#none)")
    assert check_links.of_sources(tmp_path, {"made.md": ""}) == [
        "README.md: docs/made.md: no such file",
        "README.md: SECURITY.md#none: no such heading",
    ]


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ('<a href="other.html#there">x</a>', ""),
        ('<a href="missing.html">x</a>', "no such file"),
        ('<a href="other.html#missing">x</a>', "no such anchor"),
        ('<a href="/other.html">x</a>', "an absolute address"),
        ('<img src="missing.png">', "no such file"),
        ('<a href="https://example.org">x</a>', ""),
        ('<script src="https://example.org/x.js"></script>', "from another server"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "from another server"),
        ('<link rel="preconnect" href="https://example.org">', "from another server"),
        ('<p style="background: url(https://example.org/x.png)">', "from another server"),
    ],
)
def test_a_dead_link_of_the_site_is_found(tmp_path, html, reason):
    (tmp_path / "other.html").write_text('<h1 id="there">x</h1>')
    (tmp_path / "index.html").write_text(html)
    bad = check_links.of_site(tmp_path)
    assert len(bad) == bool(reason)
    assert reason in "".join(bad)


def test_a_style_from_another_server_is_found(tmp_path):
    (tmp_path / "index.html").write_text("<p>x</p>")
    (tmp_path / "x.css").write_text("@import 'https://example.org/font.css';")
    assert check_links.of_site(tmp_path) == ["x.css: https://example.org/font.css: a file from another server"]


def test_docstrings_name_each_field_and_argument():
    pytest.importorskip("griffe", reason="mkdocstrings is missing: pip install -e '.[docs]'")
    from tools.pages import docstrings

    text = """A part.

More of it.

folder: where it lies. step: its number, as
  in `a["b"]["c"]` and d["e"]["f"].
views: functions:
  "one": the first,
  "two": the second.
"""
    assert docstrings.of_class(text, ["folder", "step", "views"]).split("Attributes:\n")[1] == (
        "    folder: where it lies.\n"
        '    step: its number, as\n        in `a["b"]["c"]` and d["e"]\\["f"].\n'
        '    views: functions:\n\n        - "one": the first,\n        - "two": the second.'
    )
    assert docstrings.of_class("A part: small.", ["folder"]) == "A part: small."
    text = "Does it.\n\nArgs:\n  a, b: both.\n  c: the last.\n\nReturns:\n  All."
    expected = "Does it.\n\nArgs:\n    a: both.\n    b: both.\n    c: the last.\n\nReturns:\n  All."
    assert docstrings.of_function(text) == expected


@pytest.mark.full
@pytest.mark.skipif(not importlib.util.find_spec("mkdocs"), reason="mkdocs is missing: pip install -e '.[docs]'")
def test_the_site_is_built_and_its_links_lead_somewhere(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert built.returncode == 0, built.stderr[-3000:]
    assert check_links.of_site(tmp_path / "site") == []


def test_the_page_of_experiments_says_what_their_files_say(tmp_path):
    text = experiment_catalogue.page(ROOT / "configs")
    assert len(re.findall(r"^\| `\w+` \|", text, re.MULTILINE)) == len(list((ROOT / "configs").glob("*.py"))) - 1
    row = next(line for line in text.splitlines() if line.startswith("| `vq_vae_digits`"))
    assert "4x4 codes out of 64" in row
    assert "11.2 +- 1.4, 64 s a seed (commit 6bd453c)" in row
    section = text[text.index("## VQ-VAE") : text.index("## Diffusion")]
    assert section.index("Neural discrete representation learning") < section.index("| `vq_vae_digits`")
    (tmp_path / "mine.py").write_text('"""A model.\n\nPaper: Nobody 2020, Nothing.\nReached: no.\n"""\n')
    with pytest.raises(ValueError, match=r"mine\.py: its docstring does not end with"):
        experiment_catalogue.page(tmp_path)
