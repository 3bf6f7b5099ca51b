"""From nodes to kernels: which computations share a pass over memory, what is kept in memory, and where."""
