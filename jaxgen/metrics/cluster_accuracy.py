"""Accuracy of a model's own clusters as classes, by the best one-to-one match (Kuhn 1955)."""

from jaxgen.metrics import clusterings

NEEDS = "clusters"
DIRECTION = "higher"
TITLE, UNIT = "cluster accuracy", ""
MEANING = "How often the model's cluster of a real image names its class, after each class got one cluster."
SETTINGS = ("matched_on", "clusters_from")
MIN_SAMPLES = clusterings.MIN_SAMPLES
FEWEST = 2  # one half decides the match, and the other is scored
EXTRACTOR = None
USES = clusterings.USES
start = clusterings.of_view(clusterings.accuracy)
