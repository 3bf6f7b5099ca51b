"""The engine: dtypes, shapes, operations, tensors, the tape. It imports nothing above itself."""
