"""The tensors of the process are found, whatever the collector has done in between."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

import chainrule as torch
from chainrule.compiler.capture.census import Census, live_tensors


@pytest.fixture(autouse=True)
def no_collections() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


class Own(torch.Tensor):
    pass


@pytest.mark.parametrize("generation", [None, 0, 1, 2])
def test_what_was_made_since_is_found(generation: int | None) -> None:
    old = torch.ones(2)
    census = Census()
    made = [torch.zeros(3), torch.nn.Parameter(torch.zeros(1)), torch.ones(2).as_subclass(Own)]
    if generation is not None:
        gc.collect(generation)
    found = census.now()
    assert {id(t) for t in found} >= {id(old), *map(id, made)}
    assert len({id(t) for t in found}) == len(found)
    assert {id(t) for t in found} >= {id(t) for t in live_tensors()}


def test_a_type_made_since_counts() -> None:
    census = Census()

    class Late(torch.Tensor):
        pass

    late = torch.ones(2).as_subclass(Late)
    assert any(t is late for t in census.now())


def test_what_is_gone_is_not_found() -> None:
    census = Census()
    brief = torch.ones(2)
    mark = id(brief)
    del brief
    assert all(id(t) != mark for t in census.now())


def test_tensors_of_many_types_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to look find the same."""
    kept = [torch.ones(2), torch.ones(2).as_subclass(Own), torch.nn.Parameter(torch.ones(1))]
    few = {id(t) for t in live_tensors()}
    monkeypatch.setattr("chainrule.compiler.capture.census._FEW", 0)
    assert few == {id(t) for t in live_tensors()} and few >= set(map(id, kept))
