"""Adjusted Rand index of a model's own clusters and the classes (Hubert and Arabie 1985)."""

from jaxgen.metrics import clusterings

NEEDS = "clusters"
DIRECTION = "higher"
TITLE, UNIT = "ARI of clusters", ""
MEANING = "How far the model's clusters group images as the classes do: 0 by chance, 1 in the same way."
SETTINGS = ("clusters_from",)
MIN_SAMPLES = clusterings.MIN_SAMPLES
EXTRACTOR = None
USES = clusterings.USES
start = clusterings.of_view(clusterings.rand_index)
