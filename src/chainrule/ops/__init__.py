"""Every operation, declared once; one module per family.  Importing this package gives tensors their methods."""

from . import arithmetic, basics, convert, creation, data, joining, shape, slicing, structure, tape, writes

__all__ = ["arithmetic", "basics", "convert", "creation", "data", "joining", "shape", "slicing", "structure", "tape", "writes"]
