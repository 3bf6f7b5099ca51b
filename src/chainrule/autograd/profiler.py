"""``torch.autograd.profiler``: see ``torch.profiler``."""

from chainrule.profiler._events import EventList, FunctionEvent, FunctionEventAvg
from chainrule.profiler._ranges import record_function
from chainrule.profiler._whole import profile

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "profile", "record_function"]
