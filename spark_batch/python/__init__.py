"""The Python interface: one function a command, with its options as keywords, and typed results.

It stands beside the command line: both call `project` and know nothing below it. Nothing here
prints unless it is asked to, ends the process, or leaves signal handlers behind.
"""
