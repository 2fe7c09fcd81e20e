"""From raw rows to batches: sources, schema, splits, preprocessing, store and loaders."""
