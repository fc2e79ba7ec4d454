"""The `onnxruntime` backend for the server in our CPU image; Triton loads `model.py` by path, so nothing is exported here."""
