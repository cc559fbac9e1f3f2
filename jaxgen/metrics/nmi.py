"""Normalised mutual information of a model's own clusters and the classes (arithmetic normaliser)."""

from jaxgen.metrics import clusterings

NEEDS = "clusters"
DIRECTION = "higher"
TITLE, UNIT = "NMI of clusters", ""
MEANING = "What the model's clusters tell of the classes: 0 nothing, 1 all. More clusters than classes change it."
SETTINGS = ("normaliser", "clusters_from")
MIN_SAMPLES = clusterings.MIN_SAMPLES
EXTRACTOR = None
USES = clusterings.USES
start = clusterings.of_view(clusterings.mutual_information)
