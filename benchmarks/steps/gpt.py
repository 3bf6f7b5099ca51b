"""A character model: four transformer blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import Step, Work, labels, training

LAYERS, HEADS, WIDTH, BLOCK, ROWS, TOKENS = 4, 4, 128, 64, 12, 65


def gpt(T: Any) -> Work:
    T.manual_seed(0)
    nn, F = T.nn, T.nn.functional

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.n1, self.n2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

        def forward(self, x: Any) -> Any:
            b, t, c = x.shape
            q, k, v = [p.view(b, t, HEADS, c // HEADS).transpose(1, 2) for p in self.qkv(self.n1(x)).split(c, 2)]
            a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(a.transpose(1, 2).reshape(b, t, c))
            return x + self.down(F.gelu(self.up(self.n2(x))))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token, self.place = nn.Embedding(TOKENS, WIDTH), nn.Embedding(BLOCK, WIDTH)
            self.blocks = nn.Sequential(*[Block() for _ in range(LAYERS)])
            self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, TOKENS)

        def forward(self, i: Any) -> Any:
            return self.head(self.norm(self.blocks(self.token(i) + self.place.weight))).view(-1, TOKENS)

    model = Model()
    optimizer = T.optim.AdamW(model.parameters(), lr=1e-4)
    x, y = T.from_numpy(labels(TOKENS, ROWS, BLOCK)), T.from_numpy(labels(TOKENS, ROWS * BLOCK))
    return training(T, model, optimizer, F.cross_entropy, x, y)


def gpt_in_jax(weights: Any) -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp

    from .in_jax import adam, cross_entropy, layer_norm, linear, trained

    def block(p: Any, name: str, x: Any) -> Any:
        b, t, c = x.shape
        q, k, v = [a.reshape(b, t, HEADS, c // HEADS) for a in jnp.split(linear(p, name + ".qkv", layer_norm(p, name + ".n1", x)), 3, -1)]
        a = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        x = x + linear(p, name + ".out", a.reshape(b, t, c))
        y = jax.nn.gelu(linear(p, name + ".up", layer_norm(p, name + ".n2", x)), approximate=False)
        return x + linear(p, name + ".down", y)

    def loss(p: Any, i: Any, y: Any) -> Any:
        x = p["token.weight"][i] + p["place.weight"]
        for k in range(LAYERS):
            x = block(p, f"blocks.{k}", x)
        return cross_entropy(linear(p, "head", layer_norm(p, "norm", x)).reshape(-1, TOKENS), y)

    return trained(loss, adam(1e-4, decay=0.01), weights, labels(TOKENS, ROWS, BLOCK), labels(TOKENS, ROWS * BLOCK))


STEPS = [
    Step("character GPT: 4 layers, 4 heads, 128 wide, block 64, batch 12, AdamW", gpt, gpt_in_jax, {"torch": 2, "jax.jit": 1.2}),
]
