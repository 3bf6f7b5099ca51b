"""Every operation, declared once; one module per family.  Importing this package gives tensors their methods."""
