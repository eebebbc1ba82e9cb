"""What workflows do around the pipeline: from a stale `dvc.lock` to a commit with its checks."""
