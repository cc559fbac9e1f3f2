"""What a run leaves on the disk and how: work directory, logs, evaluation.json, downloads, provenance.

It imports settings.
"""
