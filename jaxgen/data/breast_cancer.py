"""Breast Cancer Wisconsin (Diagnostic) (Wolberg, Street and Mangasarian 1995), as scikit-learn carries it: 569 x 30."""

import numpy as np

from jaxgen.data.base import Dataset
from jaxgen.data.table import Column, dataset

VECTORS = True


def load(config) -> Dataset:
    """Splits "train" and "test" of the 30 measurements and the diagnosis, the last column and the label.

    Raises:
      UserError: a fraction or seed that cannot be.
    """
    # Imported here: it takes a second, which only this source needs.
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    columns = [Column(str(name)) for name in data.feature_names]
    columns.append(Column("diagnosis", tuple(map(str, data.target_names)), label=True))
    rows = np.column_stack([data.data, data.target])
    return dataset(config, "breast_cancer", columns, rows, {"source": "sklearn.datasets.load_breast_cancer"})
