"""Batch to Output: embeddings, backbones, heads, and the network that joins them. Imports torch alone."""
