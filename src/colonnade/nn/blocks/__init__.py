"""Layers that several backbones or embeddings share, a layer a file."""
