"""Makes the page "Models and experiments" of the files in configs/: paper, published number and number reached here.

The docstring of an experiment ends with a paragraph of three facts, "Paper", "Published" and "Reached".
"""

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from jaxgen.settings.experiments import experiment

INTRODUCTION = """# Models and experiments

This page lists every experiment under the paper of its model. It is made of the docstrings in `configs/`. "Reached" is
what a run of jaxgen gave, with the commit of that run.

`python -m jaxgen.main --config NAME` trains an experiment.
"""
# Kinds of experiments, in the order of the page: heading, and the recipes and data that belong to it.
_TABLES = ("breast_cancer", "csv")
_HEADINGS = {
    "gan": "GANs",
    "stylegan2": "StyleGAN2",
    "vae": "VAEs",
    "ladder_vae": "Ladder VAEs",
    "rae": "Regularised autoencoders",
    "vq_vae": "VQ-VAE",
    "diffusion": "Diffusion",
    "table": "Tables",
    "study": "Studies",
}
_HEAD = "| experiment | what it is | published | reached |\n|---|---|---|---|\n"


class Entry(NamedTuple):
    """One experiment: its name, what it is, and its facts."""

    name: str
    what: str
    paper: str
    published: str
    reached: str


def read(path: Path) -> Entry:
    """The entry of an experiment's file.

    Raises:
      ValueError: the docstring does not end with the three facts.
    """
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraphs = docstring.split("\n\n")
    facts = dict(re.findall(r"^(Paper|Published|Reached): (.*)$", re.sub(r"\n  ", " ", paragraphs[-1]), re.MULTILINE))
    if list(facts) != ["Paper", "Published", "Reached"]:
        raise ValueError(f"{path.name}: its docstring does not end with Paper, Published and Reached")
    return Entry(path.stem, " ".join(paragraphs[0].split()), facts["Paper"], facts["Published"], facts["Reached"])


def kind(name: str) -> str:
    """The kind of an experiment, a key of `_HEADINGS`: its recipe, the end of the recipe's name, a table or a study."""
    if name.startswith("study"):
        return "study"
    config = experiment(f"{name}:256,8" if name == "stylegan2_auto" else name)
    recipe = config.recipe.name
    if config.data.name in _TABLES or recipe in _HEADINGS:
        return "table" if config.data.name in _TABLES else recipe
    return next((family for family in ("gan", "vae") if recipe.endswith(family)), recipe)


def page(folder: Path) -> str:
    """The page, in Markdown, of the experiments in `folder`.

    Raises:
      ValueError: a file without its facts, or with a recipe that has no heading yet.
    """
    kinds: dict[str, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(folder.glob("*.py")):
        if path.stem != "default":  # it has no model of its own
            entry = read(path)
            kinds[kind(entry.name)][entry.paper].append(entry)
    if unknown := set(kinds) - set(_HEADINGS):
        raise ValueError(f"tools/pages/experiment_catalogue.py: no heading for recipes {sorted(unknown)}")
    text = INTRODUCTION
    for name, heading in _HEADINGS.items():
        text += f"\n## {heading}\n"
        for paper, entries in sorted(kinds[name].items(), key=lambda item: _year(item[0])):
            text += f"\n**{paper.rstrip('.')}**\n\n{_HEAD}"
            text += "".join(_row(entry) for entry in entries)
    return text


def _year(paper: str) -> tuple[str, str]:
    found = re.search(r"\b(19|20)\d\d\b", paper)
    return (found.group() if found else "", paper)


def _row(entry: Entry) -> str:
    cells = (f"`{entry.name}`", entry.what, entry.published, entry.reached[:1].upper() + entry.reached[1:])
    return "| " + " | ".join(cell.replace("|", r"\|").replace("<", "&lt;") for cell in cells) + " |\n"
