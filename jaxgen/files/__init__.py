"""What a run and its results are on the disk: work directory, logs, evaluation.json, downloads, provenance.

It imports settings.
"""
