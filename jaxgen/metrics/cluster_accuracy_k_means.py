"""Accuracy of k-means clusters of the encoder's codes, by the best one-to-one match (Kuhn 1955)."""

from jaxgen.metrics import clusterings

NEEDS = "encode"
DIRECTION = "higher"
TITLE, UNIT = "cluster accuracy (k-means)", ""
MEANING = "How often the k-means cluster of an image's code names its class, after each class got one cluster."
SETTINGS = ("matched_on", "clusters_from")
MIN_SAMPLES = clusterings.MIN_SAMPLES
FEWEST = 2  # one half decides the match, and the other is scored
EXTRACTOR = None
USES = clusterings.USES
start = clusterings.of_k_means(clusterings.accuracy)
