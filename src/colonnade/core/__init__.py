"""What flows through the house: batches, schemas, specifications, outputs and typed errors.

Imports torch alone, and torch only in the modules that hold tensors.
"""
