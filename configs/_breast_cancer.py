"""What the experiments on Breast Cancer Wisconsin (Diagnostic) share: the split, and how they are measured."""

from jaxgen.settings import default


def get_config():
    config = default.get_config()
    config.data.name = "breast_cancer"
    config.data.test_fraction = 0.3
    config.data.labels = True
    config.evaluation.metrics = (
        *("c2st_forest", "c2st_logistic", "tstr", "ks_complement", "correlation_similarity", "frechet_columns"),
        *("closest_record", "duplicate_rows", "class_ratio"),
    )
    config.evaluation.num_samples = 398  # as many as there are training rows
    config.evaluation.baselines = (
        *("real", "bootstrap", "class_copula", "class_gaussian", "class_shuffled", "shuffled"),
    )
    config.sample.num_images = 569
    return config
