"""Packed training: networks of one architecture trained side by side as one batched network."""
