"""Normalised mutual information of k-means clusters of the codes and the classes (arithmetic normaliser)."""

from jaxgen.metrics import clusterings

NEEDS = "encode"
DIRECTION = "higher"
TITLE, UNIT = "NMI of clusters (k-means)", ""
MEANING = "What k-means clusters of the codes tell of the classes: 0 nothing, 1 all."
SETTINGS = ("normaliser", "clusters_from")
MIN_SAMPLES = clusterings.MIN_SAMPLES
EXTRACTOR = None
USES = clusterings.USES
start = clusterings.of_k_means(clusterings.mutual_information)
