"""Feature networks that give metrics their names, and readers of their weights."""
