"""How far probabilities can be trusted: calibration, measured and fitted on rows that no model learned from."""
