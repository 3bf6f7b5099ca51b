"""From a Python function to a program: the function runs once on captured values, below the tape, and every operation leaves its nodes."""
