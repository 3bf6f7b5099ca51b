"""Files: what is saved comes back, shared memory stays shared, and nothing runs code unless it may."""

import io
import pickle
from collections import OrderedDict

import pytest

import chainrule as torch


def again(obj, **options):
    buffer = io.BytesIO()
    torch.save(obj, buffer)
    buffer.seek(0)
    return torch.load(buffer, **options)


@pytest.mark.parametrize("kind", ["bool", "uint8", "int64", "float16", "bfloat16", "float32", "float64", "complex64"])
@pytest.mark.parametrize("shape", [(), (0, 3), (4,), (2, 3)])
def test_every_dtype_and_shape(kind, shape):
    t = torch.arange(6)[: max(1, torch.Size(shape).numel())].to(getattr(torch, kind)).reshape(-1)
    t = t[: torch.Size(shape).numel()].reshape(shape)
    back = again(t)
    assert back.dtype is t.dtype and back.shape == t.shape and back.tolist() == t.tolist()


def test_views_share_their_storage_after_loading():
    base = torch.arange(12.0).reshape(3, 4)
    loaded = again({"base": base, "row": base[1], "turned": base.T})
    loaded["base"][1, 0] = 100
    assert loaded["row"][0] == 100 and loaded["turned"][0, 1] == 100
    assert loaded["turned"].stride() == (1, 4)


def test_containers_parameters_and_torch_objects():
    saved = OrderedDict(w=torch.nn.Parameter(torch.ones(2)), kind=torch.float32, size=torch.Size([2, 3]), rest=[1, (2.5, "x"), None, {3}])
    loaded = again(saved)
    assert type(loaded) is OrderedDict and isinstance(loaded["w"], torch.nn.Parameter) and loaded["w"].requires_grad
    assert loaded["kind"] is torch.float32 and loaded["size"] == (2, 3) and loaded["rest"] == [1, (2.5, "x"), None, {3}]
    assert again(torch.ones(1, requires_grad=True)).requires_grad


class Custom:
    pass


def test_other_classes_need_permission():
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        again(Custom())
    assert type(again(Custom(), weights_only=False)) is Custom
    with torch.serialization.safe_globals([Custom]):
        assert type(again(Custom())) is Custom


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(torch.ones(2), path)
    with pytest.raises(Exception, match="pickle|Pickle"):
        torch.save(lambda: None, path)
    assert torch.load(path).tolist() == [1, 1]
    assert [p.name for p in tmp_path.iterdir()] == ["model.pt"]


def test_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        torch.load(tmp_path / "missing.pt")
    with pytest.raises(RuntimeError, match="Parent directory .* does not exist"):
        torch.save(1, tmp_path / "no" / "where.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(RuntimeError, match="zip format"):
        torch.load(tmp_path / "text.pt")
    with pytest.raises(EOFError, match="Ran out of input"):
        torch.load(io.BytesIO())
