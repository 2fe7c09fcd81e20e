"""Kinds: numbers that the weights of a graph can be stored as."""

INT8, FP16, BF16 = "int8", "fp16", "bf16"
KINDS = (INT8, FP16, BF16)
HALVES = (FP16, BF16)
