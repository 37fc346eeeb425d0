"""`python -m spark_batch`, the same as the `spark-batch` command."""

from spark_batch.cli import main

main()
