"""Statements that look as if they had effects in Python: where to cut first.  Being wrong about one costs time, and nothing else."""

from __future__ import annotations

import ast

from ..capture.reads import EFFECTS, UNSURE
from .source import Source

_KEEPING = frozenset(
    "append extend insert add update setdefault pop popleft appendleft clear remove discard write writelines put info debug warning"
    " error critical log set_postfix set_postfix_str set_description add_scalar add_scalars add_histogram add_image record count"
    " tolist numpy manual_seed".split()
)
_OF_TENSORS = frozenset({"grad", "data", "requires_grad"})
_STEPS = frozenset({"scheduler", "sched", "lr_scheduler", "scaler"})


def suspicious(statement: ast.stmt, source: Source) -> bool:
    """Whether a statement of the function looks like that."""
    return any(_effect(node, source) for node in ast.walk(statement))


def _effect(node: ast.AST, source: Source) -> bool:
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Store):
            return node.id in source.declared
        return node.id not in source.local and (node.id in EFFECTS or node.id in UNSURE)
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        return node.attr not in _OF_TENSORS
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        holder, name = node.func.value, node.func.attr
        if name in ("tolist", "numpy", "manual_seed"):
            return True
        if name == "step":
            return ast.unparse(holder).rpartition(".")[2] in _STEPS
        return name in _KEEPING and not (isinstance(holder, ast.Name) and holder.id in source.local)  # what grows there, and nowhere else
    return False
