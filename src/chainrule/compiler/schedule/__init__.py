"""From a program to kernels: which nodes are computed together, in which order, and where their values lie."""
