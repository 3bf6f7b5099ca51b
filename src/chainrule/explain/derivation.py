"""``explain(y)``: the derivative of ``y``, worked out step by step."""
