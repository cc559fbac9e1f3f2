"""Makes the page "Models and experiments" of the files in configs/: paper, published number and number reached here.

The docstring of an experiment ends with a paragraph of facts: "Paper", "Published", "Reached", and "Differs" where the
experiment is unlike the code of PyTorch-GAN or PyTorch-VAE. A recipe's constant FAMILY is the heading of its
experiments.
"""

import ast
import re
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from jaxgen.settings import lookup
from jaxgen.settings.experiments import experiment

INTRODUCTION = """# Models and experiments

This page lists every experiment under the paper of its model. It is made of the docstrings in `configs/`. "Reached" is
what a run of jaxgen gave, with the commit of that run. "Differs" says what is unlike the code of PyTorch-GAN or
PyTorch-VAE, and why.

`python -m jaxgen.main --config NAME` trains an experiment.
"""
# Families of recipes, in the order of the page.
_FAMILIES = (
    "GANs",
    "R3GAN",
    "GANs with classes, codes or an autoencoder",
    "GANs with an encoder or a partner",
    "StyleGAN2",
    "VAEs",
    "VQ-VAE",
    "Diffusion",
    "Tables",
    "Studies",
)
_TABLES = ("breast_cancer", "csv")
_HEAD = "| experiment | what it is | published | reached |\n|---|---|---|---|\n"
_FACTS = ["Paper", "Published", "Reached"]


class Entry(NamedTuple):
    """One experiment: its name, what it is, and its facts. differs: "" where nothing is said."""

    name: str
    what: str
    paper: str
    published: str
    reached: str
    differs: str = ""


def read(path: Path) -> Entry:
    """The entry of an experiment's file.

    Raises:
      ValueError: the docstring does not end with the three facts that each experiment has.
    """
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraphs = docstring.split("\n\n")
    facts = dict(re.findall(rf"^({'|'.join(_FACTS)}): (.*)$", re.sub(r"\n  ", " ", paragraphs[-1]), re.MULTILINE))
    if list(facts) != _FACTS:
        raise ValueError(f"{path.name}: its docstring does not end with {', '.join(_FACTS)}")
    differs = re.search(rf"^Differs: (.*?)(?=\n\n|\n(?:{'|'.join(_FACTS)}): |\Z)", docstring, re.MULTILINE | re.DOTALL)
    unlike = " ".join(differs[1].split()) if differs else ""
    return Entry(path.stem, " ".join(paragraphs[0].split()), *facts.values(), unlike)


def family(name: str) -> str:
    """The heading of an experiment: that of its recipe, tables or studies.

    Raises:
      ValueError: the recipe has no FAMILY, or one that this page does not know.
    """
    if name.startswith("study"):
        return "Studies"
    config = experiment(f"{name}:256,8" if name == "stylegan2_auto" else name)
    if config.data.name in _TABLES:
        return "Tables"
    recipe = lookup.module("recipes", config.recipe.name, "config.recipe.name")
    heading = getattr(recipe, "FAMILY", None)
    if heading not in _FAMILIES:
        raise ValueError(f"{recipe.__name__}: FAMILY={heading!r} is no heading of tools/pages/experiment_catalogue.py")
    return heading


def page(folder: Path) -> str:
    """The page, in Markdown, of the experiments in `folder`.

    Raises:
      ValueError: a file without its facts, or with a recipe that has no heading yet.
    """
    families: dict[str, dict[str, list[Entry]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(folder.glob("*.py")):
        if path.stem != "default":  # it has no model of its own
            entry = read(path)
            families[family(entry.name)][entry.paper].append(entry)
    text = INTRODUCTION
    for heading in _FAMILIES:
        text += f"\n## {heading}\n"
        for paper, entries in sorted(families[heading].items(), key=lambda item: _year(item[0])):
            text += f"\n**{paper.rstrip('.')}**\n\n{_HEAD}"
            text += "".join(_row(entry) for entry in entries)
    return text


def _year(paper: str) -> tuple[str, str]:
    found = re.search(r"\b(19|20)\d\d\b", paper)
    return (found.group() if found else "", paper)


def _row(entry: Entry) -> str:
    what = f"{entry.what} Differs: {entry.differs}" if entry.differs else entry.what
    cells = (f"`{entry.name}`", what, entry.published, entry.reached[:1].upper() + entry.reached[1:])
    return "| " + " | ".join(cell.replace("|", r"\|").replace("<", "&lt;") for cell in cells) + " |\n"
