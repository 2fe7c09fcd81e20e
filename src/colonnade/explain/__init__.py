"""Attributions in raw-column space: what each column of a table contributes to a prediction."""
