"""Backbones: embedded columns in, a representation per member out. A file a model; none has to be registered."""
