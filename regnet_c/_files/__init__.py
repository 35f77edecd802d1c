"""Files: models, checkpoints, and their replacement in one go."""
