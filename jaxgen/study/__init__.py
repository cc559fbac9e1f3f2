"""Studies: many runs, each in its own process, resumable at any point and compared in a report.

It imports files, report and settings, and leaves the devices to the runs.
"""
