"""Feature networks that metrics are named for, and the reading of their weights."""
