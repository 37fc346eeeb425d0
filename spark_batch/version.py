"""The package's version, for every module that reports it."""

__version__ = "0.1.0"
