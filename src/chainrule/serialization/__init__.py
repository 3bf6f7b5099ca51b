"""Saving and loading (``torch.save``, ``torch.load``): PyTorch's own file format, both ways."""

from .reading import add_safe_globals, clear_safe_globals, get_safe_globals, load, safe_globals
from .writing import save

__all__ = ["add_safe_globals", "clear_safe_globals", "get_safe_globals", "load", "safe_globals", "save"]
