"""Studies: many runs, each a process of its own, resumed after anything and compared in a report.

It imports files, report and settings, and leaves the devices to the runs.
"""
