"""Files: models, checkpoints, and replacing them atomically."""
