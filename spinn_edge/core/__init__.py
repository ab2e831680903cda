"""What every other part speaks: errors, tensor specs, bundles. No torch, no onnxruntime."""
