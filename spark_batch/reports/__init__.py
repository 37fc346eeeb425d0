"""Reports: made from the checkpoint, and from nothing else."""
