"""Training: the compiled step, the loop, checkpoints, logs. Knows recipes by their interface alone."""
