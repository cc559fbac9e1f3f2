"""`--mode=plan`: a config's training step compiled for hardware that is not here, and what it will cost there."""
