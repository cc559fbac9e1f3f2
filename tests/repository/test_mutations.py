"""What `tools/mutate_stylegan2.py` changes stands in its file, once, or it would be another mutation than it says."""

import pytest

from tools.mutate_stylegan2 import MUTATIONS, ROOT


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation[0])
def test_a_mutation_has_its_place(mutation):
    _, file, old, new, tests = mutation
    text = (ROOT / file).read_text()
    assert text.count(old) == 1
    assert old != new
    assert (ROOT / tests.partition("::")[0]).is_file()
