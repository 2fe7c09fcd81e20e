"""Steps of the pipeline: a file each. Fitted on train rows only, applied as torch modules, exportable to ONNX."""
