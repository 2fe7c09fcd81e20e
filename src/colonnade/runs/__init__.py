"""The run folder, and the verbs over it: fit, predict, evaluate."""
