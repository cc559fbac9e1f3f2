"""Makes a page of a notebook as it was saved, with its output. Nothing is executed."""

import base64
import json
import re
from typing import NamedTuple

_ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Page(NamedTuple):
    """text: Markdown. pictures: their bytes, by the name under which the page shows them."""

    text: str
    pictures: dict[str, bytes]


def page(notebook: str, name: str) -> Page:
    """The page of a notebook.

    Args:
      notebook: the JSON of a file of format 4.
      name: the notebook's file beside the page, such as "quickstart.ipynb".

    Raises:
      ValueError: a cell or an output of a kind that pages cannot show.
    """
    pictures: dict[str, bytes] = {}
    parts = []
    for number, cell in enumerate(json.loads(notebook)["cells"], 1):
        source = _joined(cell["source"]).strip()
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif cell["cell_type"] == "code":
            if source:
                parts.append(f"```python\n{source}\n```")
            parts += _outputs(cell["outputs"], f"{name.removesuffix('.ipynb')}_{number}", pictures)
        else:
            raise ValueError(f"{name}: cell {number} is of the kind {cell['cell_type']!r}")
    title, *rest = parts
    about = (
        f'This page is a notebook with its output. [Download the notebook]({name}){{ download="{name}" }} to run it.'
    )
    return Page("\n\n".join([title, about, *rest]) + "\n", pictures)


def _outputs(outputs: list[dict], stem: str, pictures: dict[str, bytes]) -> list[str]:
    parts = []
    for number, output in enumerate(outputs, 1):
        kind, data = output["output_type"], output.get("data", {})
        if "image/png" in data:
            name = f"{stem}_{number}.png"
            pictures[name] = base64.b64decode(_joined(data["image/png"]))
            parts.append(f"![{_joined(data.get('text/plain', 'Output of the cell above')).strip('<>')}]({name})")
        elif kind == "stream" or "text/plain" in data:
            text = _ESCAPES.sub("", _joined(output["text"] if kind == "stream" else data["text/plain"])).rstrip()
            # A progress bar writes one line over the other: the last one counts.
            text = "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n"))
            parts.append(f"```text\n{text}\n```")
        else:
            raise ValueError(f"{stem}: output {number} is of the kind {kind!r} with {sorted(data)}")
    return parts


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)
