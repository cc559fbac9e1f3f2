"""docs/quickstart.ipynb: what is committed is whole, and it runs from top to bottom."""

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="the extra notebook is not installed")
ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "quickstart.ipynb"


def outputs(notebook):
    """(source, output) of the code cells."""
    return [(cell.source, out) for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs]


def check(notebook):
    """Refuses a notebook that failed, or that shows no pictures and no numbers."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip().strip("#")]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))  # from top to bottom, once
    found = outputs(notebook)
    assert [out for _, out in found if out.output_type == "error"] == []
    pictures = [out for _, out in found if "image/png" in out.get("data", {})]
    assert len(pictures) == 4
    (table,) = [out.text for source, out in found if "metric:30" in source]
    rows = dict(re.findall(r"^(\w+) +([\d.]+ \+- [\d.]+|-) ", table, re.MULTILINE))
    assert rows.keys() == {f"{name}_efficientnet_lite0" for name in ("fd", "precision", "recall")} | {"psnr"}
    assert rows["psnr"] == "-"  # of the GAN
    for row in table.splitlines()[1:]:
        numbers = [float(number) for number in re.findall(r"[\d.]+(?= \+-)", row)]
        assert len(numbers) == (1 if "psnr" in row else 2)
        assert all(0 < number < 500 for number in numbers)
    assert len([out for source, out in found if "jaxgen.evaluate(" in source]) == 1


def test_the_committed_notebook_is_whole_small_and_speaks_of_no_machine():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    check(notebook)
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < 400_000
    parts = [str(out.get("text", "")) + str(out.get("data", {}).get("text/plain", "")) for _, out in outputs(notebook)]
    assert not re.search(r"(?<!\w)/(tmp|work|home|root|Users|usr)/", "".join(parts))


@pytest.mark.full
@pytest.mark.filterwarnings("ignore")  # warnings of Jupyter's packages
def test_it_runs_from_top_to_bottom(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="the extra notebook is not installed")
    pytest.importorskip("ipykernel", reason="the extra notebook is not installed")
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3", resources=resources).execute()
    check(notebook)
    assert (tmp_path / "runs" / "quickstart" / "vae" / "evaluation.json").exists()
