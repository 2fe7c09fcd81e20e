"""Training: the one LightningModule, optimizers and schedules, checkpoints, loggers and callbacks."""
