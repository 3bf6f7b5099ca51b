"""Transformers and recurrent networks, where programs look beyond the parity with PyTorch's samples."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import chainrule as torch
from chainrule import nn


def encoder(**kw: Any) -> Any:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return nn.TransformerEncoder(layer, 2, nn.LayerNorm(8), **kw)


def test_padding_comes_out_of_the_layers_as_zero_in_evaluation() -> None:
    x, padding = torch.randn(2, 4, 8), torch.tensor([[False, False, True, True], [False] * 4])
    model = encoder().eval()
    recorded = model(x, src_key_padding_mask=padding)
    with torch.no_grad():
        out = model(x, src_key_padding_mask=padding)
        kept = encoder(enable_nested_tensor=False).eval()(x, src_key_padding_mask=padding)
    assert torch.allclose(out[0, :2], recorded[0, :2]) and torch.allclose(out[1], recorded[1])
    assert torch.equal(out[0, 2:], model.norm(torch.zeros(2, 8)))
    assert torch.allclose(kept, recorded)


def test_padding_in_the_middle_is_left_as_it_is() -> None:
    x, padding = torch.randn(1, 3, 8), torch.tensor([[False, True, False]])
    model = encoder().eval()
    with torch.no_grad():
        out = model(x, src_key_padding_mask=padding)
    assert torch.allclose(out, model(x, src_key_padding_mask=padding))


def test_causal_hint_is_found_by_the_mask() -> None:
    model = encoder(enable_nested_tensor=False).eval()
    x, mask = torch.randn(1, 5, 8), nn.Transformer.generate_square_subsequent_mask(5)
    whole = model(x, mask=mask)
    assert torch.allclose(whole[:, :3], model(x[:, :3], mask=mask[:3, :3]), atol=1e-6)
    assert torch.allclose(whole, model(x, mask=mask, is_causal=True))


def test_masks_of_two_kinds_warn() -> None:
    x = torch.randn(1, 3, 8)
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    with pytest.warns(UserWarning, match="Support for mismatched key_padding_mask and attn_mask is deprecated"):
        attention(x, x, x, key_padding_mask=torch.zeros(1, 3, dtype=torch.bool), attn_mask=torch.zeros(3, 3))


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: nn.MultiheadAttention(8, 3), AssertionError, "embed_dim must be divisible by num_heads"),
        (lambda: nn.MultiheadAttention(0, 1), ValueError, "embed_dim and num_heads must be greater than 0"),
        (lambda: nn.TransformerEncoderLayer(8, 2, activation="selu"), RuntimeError, "activation should be relu/gelu, not selu"),
        (lambda: nn.LSTM(3, 0), ValueError, "hidden_size must be greater than zero"),
        (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "proj_size has to be smaller than hidden_size"),
        (lambda: nn.GRU(3, 4, proj_size=2), ValueError, "proj_size argument is only supported for LSTM, not RNN or GRU"),
        (lambda: nn.RNN(3, 4, nonlinearity="selu"), ValueError, "Unknown nonlinearity 'selu'. Select from 'tanh' or 'relu'."),
        (lambda: nn.LSTM(3, 4, dropout=2), ValueError, "dropout should be a number in range"),
        (lambda: nn.LSTM(3, 4)(torch.zeros(5, 1, 2)), RuntimeError, "input.size(-1) must be equal to input_size. Expected 3, got 2"),
        (lambda: nn.LSTM(3, 4)(torch.zeros(3)), ValueError, "LSTM: Expected input to be 2D or 3D, got 1D instead"),
        (lambda: nn.GRU(3, 4)(torch.zeros(5, 2, 3), torch.zeros(1, 3, 4)), RuntimeError, "Expected hidden size (1, 2, 4), got [1, 3, 4]"),
        (lambda: nn.GRU(3, 4)(torch.zeros(0, 2, 3)), RuntimeError, "Expected sequence length to be larger than 0 in RNN"),
        (
            lambda: nn.LSTM(3, 4)(torch.zeros(5, 2, 3, dtype=torch.float64)), ValueError,
            "RNN input dtype (torch.float64) does not match weight dtype (torch.float32)",
        ),
        (lambda: nn.LSTMCell(3, 4)(torch.zeros(2, 2)), RuntimeError, "input has inconsistent input_size: got 2 expected 3"),
    ],
)  # fmt: skip
def test_refused(make: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        make()
    assert message in str(caught.value)


def test_dropout_of_one_layer_warns_where_it_is_written() -> None:
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last recurrent layer") as caught:
        nn.LSTM(2, 3, dropout=0.5)
    assert caught[0].filename == __file__


def test_copies_of_recurrent_networks_learn_by_themselves() -> None:
    torch.manual_seed(0)
    net = nn.LSTM(2, 3, bidirectional=True)
    x = torch.randn(4, 1, 2)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x)[0], net(x)[0])
        with torch.no_grad():
            twin.weight_hh_l0_reverse.zero_()
        assert not torch.equal(twin(x)[0], net(x)[0])


def test_networks_as_functions_of_their_parameters() -> None:
    """vmap over samples of the gradient, against a loop."""
    torch.manual_seed(0)
    net = nn.GRU(2, 3)
    x = torch.randn(3, 4, 2)  # 3 samples of 4 steps
    params = dict(net.named_parameters())

    def loss(p: Any, sample: Any) -> Any:
        return torch.func.functional_call(net, p, (sample,))[0].square().sum()

    every = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(params, x)
    for k in range(3):
        one = torch.autograd.grad(loss(params, x[k]), list(params.values()))
        for name, g in zip(params, one, strict=True):
            assert torch.allclose(every[name][k], g, atol=1e-6), name


def test_packed_sequences_come_back() -> None:
    from chainrule.nn.utils.rnn import pack_sequence, pad_packed_sequence, unpack_sequence

    sequences = [torch.arange(3.0), torch.arange(5.0), torch.arange(1.0)]
    packed = pack_sequence(sequences, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [3, 2, 2, 1, 1]
    assert [s.tolist() for s in unpack_sequence(packed)] == [s.tolist() for s in sequences]
    padded, lengths = pad_packed_sequence(packed, batch_first=True, padding_value=-1.0, total_length=6)
    assert lengths.tolist() == [3, 5, 1]
    assert padded[0].tolist() == [0, 1, 2, -1, -1, -1]
    assert packed.double().data.dtype is torch.float64 and packed.to(torch.float32) is packed
    with pytest.raises(RuntimeError, match="`lengths` array must be sorted in decreasing order when `enforce_sorted` is True"):
        pack_sequence(sequences)
