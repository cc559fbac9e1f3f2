"""Files of a run: work directory, logs, evaluation.json, downloads, provenance.

It imports settings.
"""
