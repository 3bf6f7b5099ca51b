"""Compiled code of the tests goes to a folder of their own; no mistake in what writes machine code passes for a group without kernels."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from chainrule.compiler.native.loops_index import NotAffine


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAINRULE_CACHE", str(tmp_path_factory.mktemp("compiled")))
        yield


class Mistake(RuntimeError):
    """A group was left to NumPy, and nobody meant it."""


def meant(error: Exception) -> bool:
    """Whether it was raised to refuse a group: by a ``raise`` of ours, and not by Python or NumPy."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    ours = "/chainrule/compiler/" in last.filename.replace("\\", "/")
    return isinstance(error, NotAffine) or (type(error) is ValueError and ours and (last.line or "").startswith("raise "))


@pytest.fixture(scope="session", autouse=True)
def refusals_are_meant() -> Iterator[None]:
    """What is raised while machine code is written and was not meant to leave the group to NumPy fails the test."""
    from chainrule.compiler.native import apart, engine

    original = engine.calls_of

    def looked_at(*given: Any) -> Any:
        try:
            return original(*given)
        except engine.REFUSED as error:
            if not meant(error):
                raise Mistake(f"{given[1].nodes[-1]!r} has no kernel: {error!r}") from error
            raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "calls_of", looked_at)
        patch.setattr(apart, "calls_of", looked_at)
        yield
