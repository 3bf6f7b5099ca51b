"""Files travel between chainrule and PyTorch in both directions."""

import io

import pytest

import chainrule

torch = pytest.importorskip("torch")


def made_by(T):
    base = T.arange(6.0).reshape(2, 3)
    return {
        "base": base, "row": base[1], "turned": base.T, "p": T.nn.Parameter(T.ones(2)), "half": base.to(T.bfloat16), "kind": T.float64,
        "size": T.Size([2, 3]), "device": T.device("cpu"), "empty": T.zeros(0, 2), "mask": T.tensor([True, False]), "n": T.tensor(3),
    }  # fmt: skip


@pytest.mark.parametrize("writer, reader", [(chainrule, torch), (torch, chainrule)], ids=["to torch", "from torch"])
def test_round_trip(writer, reader):
    buffer = io.BytesIO()
    writer.save(made_by(writer), buffer)
    buffer.seek(0)
    found, wanted = reader.load(buffer), made_by(reader)
    assert list(found) == list(wanted)
    for key, want in wanted.items():
        assert repr(found[key]) == repr(want), key
    found["base"][1, 0] = 9
    assert found["row"][0] == 9
