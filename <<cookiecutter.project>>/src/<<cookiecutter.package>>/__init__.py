"""The pipeline, one module a stage; `cli` is the way in."""
