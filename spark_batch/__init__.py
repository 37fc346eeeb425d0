"""spark-batch: Terraform for AI picture edits."""

__version__ = "0.1.0"
