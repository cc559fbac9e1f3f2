"""Adjusted Rand index of k-means clusters of the codes and the classes (Hubert and Arabie 1985)."""

from jaxgen.metrics import clusterings

NEEDS = "encode"
DIRECTION = "higher"
TITLE, UNIT = "ARI of clusters (k-means)", ""
MEANING = "How far k-means clusters of the codes group images as the classes do: 0 by chance, 1 in the same way."
SETTINGS = ("clusters_from",)
MIN_SAMPLES = clusterings.MIN_SAMPLES
EXTRACTOR = None
USES = clusterings.USES
start = clusterings.of_k_means(clusterings.rand_index)
