"""Datasets, samplers, loaders and their workers."""

from __future__ import annotations

from typing import Any

import pytest

import chainrule as torch
from chainrule.utils import data

SET = data.TensorDataset(torch.arange(10.0), torch.arange(20).view(10, 2))


# recorded with PyTorch 2.13 by the statements of test_shuffling_is_pytorchs
EXPECTED_ORDERS = [[[3, 2, 7, 8], [6, 1, 5, 9], [0, 4]], [[1, 3, 5, 2], [8, 9, 6, 7], [4, 0]]]
EXPECTED_SPLIT = [[5, 6, 1], [2, 0, 8, 9, 3, 7, 4]]


def firsts(loader: Any) -> list[list[float]]:
    return [batch[0].tolist() for batch in loader]


def test_batches_in_order() -> None:
    assert firsts(data.DataLoader(SET, batch_size=4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert firsts(data.DataLoader(SET, batch_size=4, drop_last=True)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(data.DataLoader(SET, batch_size=4)) == 3


def test_shuffling_is_pytorchs() -> None:
    torch.manual_seed(7)
    loader = data.DataLoader(SET, batch_size=4, shuffle=True)
    orders = [firsts(loader), firsts(loader)]
    assert orders == EXPECTED_ORDERS
    assert [s.indices for s in data.random_split(range(10), [3, 7], generator=torch.Generator().manual_seed(1))] == EXPECTED_SPLIT


def test_workers_give_the_same_batches() -> None:
    torch.manual_seed(3)
    alone = firsts(data.DataLoader(SET, batch_size=4, shuffle=True))
    torch.manual_seed(3)
    assert firsts(data.DataLoader(SET, batch_size=4, shuffle=True, num_workers=2)) == alone


class Failing(data.Dataset[int]):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> int:
        raise ValueError("no sample")


def test_a_workers_error_is_raised_here() -> None:
    with pytest.raises(ValueError, match=r"Caught ValueError in DataLoader worker process 0\.[\s\S]*no sample"):
        list(data.DataLoader(Failing(), num_workers=1))


class Stream(data.IterableDataset[int]):
    def __iter__(self) -> Any:
        info = data.get_worker_info()
        return iter(range(7)) if info is None else iter(range(info.id, 7, info.num_workers))


def test_streams() -> None:
    assert [b.tolist() for b in data.DataLoader(Stream(), batch_size=3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert sorted(i for b in data.DataLoader(Stream(), batch_size=2, num_workers=2) for i in b.tolist()) == list(range(7))
    with pytest.raises(ValueError, match="expected unspecified shuffle option"):
        data.DataLoader(Stream(), shuffle=True)


def test_collating_follows_the_sample() -> None:
    batch = data.default_collate([{"x": torch.tensor(i), "y": (i, "a" * i)} for i in (1, 2)])
    assert batch["x"].tolist() == [1, 2]
    assert batch["y"][0].tolist() == [1, 2]
    assert batch["y"][1] == ["a", "aa"] or batch["y"][1] == ("a", "aa")
    with pytest.raises(RuntimeError, match="each element in list of batch should be of equal size"):
        data.default_collate([[1], [2, 3]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size should be a positive integer value, but got batch_size=0"),
        ({"shuffle": True, "sampler": [1]}, "sampler option is mutually exclusive with shuffle"),
        ({"num_workers": -1}, "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing."),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
    ],
)
def test_refused_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        data.DataLoader(SET, **options)
    assert str(error.value) == message


def test_late_changes_are_refused() -> None:
    with pytest.raises(ValueError, match="batch_size attribute should not be set after DataLoader is initialized"):
        data.DataLoader(SET).batch_size = 3


def test_ranks_share_a_dataset() -> None:
    parts = [list(data.distributed.DistributedSampler(range(10), 3, rank, shuffle=False)) for rank in range(3)]
    assert parts == [[0, 3, 6, 9], [1, 4, 7, 0], [2, 5, 8, 1]]


def test_parts_of_datasets() -> None:
    both = data.ConcatDataset([SET, data.Subset(SET, [2, 5])])
    assert len(both) == 12
    assert both[11][0].item() == 5
    with pytest.raises(ValueError, match="absolute value of index should not exceed dataset length"):
        both[-40]
