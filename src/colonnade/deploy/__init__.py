"""The artefact: one ONNX graph from raw columns to predictions, held to the torch Predictor, and its runtime."""
