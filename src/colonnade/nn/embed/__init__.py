"""Embeddings of encoded columns; any of them goes with any flat backbone, those of one width also with token
backbones."""
