"""What a session is made of, and when it opens the data."""

import numpy as np
import pytest

from jaxgen.runs import run_data, session


@pytest.fixture
def opened_data(monkeypatch):
    """The names of data sets, each time one is opened."""
    names, open_dataset = [], run_data.open_dataset

    def noted(config, **options):
        names.append(config.name)
        return open_dataset(config, **options)

    monkeypatch.setattr(run_data, "open_dataset", noted)
    return names


@pytest.mark.parametrize("recipe", ["gan", "vae"])
def test_a_session_of_known_data_is_the_same_and_opens_them_once_they_are_asked_for(tiny_config, opened_data, recipe):
    usual = session.open_session(tiny_config(recipe))
    assert (usual.example_shape, usual.num_classes, opened_data) == ((8, 8, 1), 10, ["digits"])
    closed = session.open_session(tiny_config(recipe), needs_images=False, known=((8, 8, 1), 10))
    assert opened_data == ["digits"]
    assert (closed.example_shape, closed.num_classes, closed.views.names) == ((8, 8, 1), 10, usual.views.names)
    np.testing.assert_array_equal(closed.test.images, usual.test.images)
    np.testing.assert_array_equal(closed.train.labels, usual.train.labels)
    assert closed.dataset.class_names == usual.dataset.class_names
    assert opened_data == ["digits"] * 2


def test_vectors_are_known_too_and_a_table_is_not():
    contents = {"example_shape": [2], "num_classes": 0, "data": {"files": []}}
    assert session.data_shape_of(contents) == ((2,), 0)
    assert session.data_shape_of({**contents, "data": {"columns": [["age", [], False]]}}) is None
    assert session.data_shape_of({"data": {}}) is None  # of an earlier version
