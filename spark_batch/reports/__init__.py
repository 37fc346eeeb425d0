"""Reports, made from the checkpoint alone."""
