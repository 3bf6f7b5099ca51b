"""Random functions whose work with tensors is mixed with effects in Python: their text, as a tree that can be made smaller.

All tensors are float64 of shape (3, 4), so any value fits everywhere; what the functions keep is in a :class:`World`, in globals, and
in variables of the function around them.
"""

from __future__ import annotations

import contextlib
import random
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

import chainrule as torch


class World:
    """What the functions read and write besides their argument; called ``S`` in their text."""

    def __init__(self) -> None:
        self.w = torch.nn.Parameter(torch.randn(4, 4, dtype=torch.float64) * 0.5)
        self.optimizer = torch.optim.SGD([self.w], 0.01, momentum=0.9)
        self.log: list[Any] = []
        self.count = 0
        self.total = 0.0
        self.table: dict[Any, Any] = {}
        self.kept = torch.ones(3, 4, dtype=torch.float64)
        self.pair = (torch.ones(3, 4, dtype=torch.float64), 0.5)
        self.bag = {"a": torch.full((3, 4), 0.25, dtype=torch.float64)}
        self.row = [torch.zeros(3, 4, dtype=torch.float64)]
        self.fuel = 0

    def tick(self) -> int:
        self.count += 1
        return self.count

    def again(self, every: int) -> bool:
        """Whether a loop goes on: for a while, and never for ever."""
        self.fuel -= 1
        return self.fuel > 0 and self.fuel % every != 0

    def remember(self, value: Any) -> Any:
        """Note a value and give it back."""
        self.log.append(round(float(value.mean()), 6))
        return value

    def scaled(self, value: Any) -> Any:
        """Work without effects that goes by the state."""
        return value * (1.0 + 0.1 * (self.count % 3)) + self.kept.mean()

    def swap(self, value: Any) -> Any:
        """Exchange what is kept."""
        self.kept, before = value.detach(), self.kept
        return before

    @property
    def level(self) -> float:
        self.total += 0.125
        return self.total

    @contextlib.contextmanager
    def noted(self, name: str) -> Iterator[int]:
        self.log.append(f"in {name}")
        try:
            yield self.count
        finally:
            self.log.append(f"out {name}")


class Clause(NamedTuple):
    """A line with what is indented below it; ``body`` is None for a statement of one line."""

    head: str
    body: tuple[Statement, ...] | None = None


Statement = tuple[Clause, ...]

EXPRESSIONS = (
    "{a} * {b} + {c}", "({a} @ S.w).tanh()", "{a}.sin()", "F.relu({a}) - {c}", "{a} / ({b}.abs() + 1)", "{a} + S.count",
    "torch.where({a} > 0, {a}, {b})", "{a}.cumsum(0) * {c}", "{a} * total", "S.kept.mean() + {a}", "{a} + level", "{a} * shared",
    "S.scaled({a})", "S.pair[0] * {a} + S.pair[1]", "S.bag['a'] + {a}.cos()", "S.row[-1] - {a} * {c}", "sum(S.row) * {c} + {a}",
    "(lambda q: q * total + {a})({b})", "torch.stack([{a}, {b}]).mean(0)", "max([{a}, {b}], key=lambda t: float(t.sum()))",
    "sum(t * {c} for t in ({a}, {b}))", "{a} if len(S.log) % 2 else {b}", "torch.softmax({a}, -1) @ S.w.detach()",
)  # fmt: skip
EFFECTIVE = (  # expressions whose evaluation has an effect
    "S.remember({a}) * {c}", "{a} + S.tick()", "{a} * S.level", "S.swap({a}) + {b}", "{a} + (S.log.append({c}) or {c})",
    "sum([S.remember(t) for t in ({a}, {b})])", "{{k: S.remember(t) for k, t in [(0, {a}), (1, {b})]}}[1]",
    "(kept := {a}.tanh()) * {b} + kept", "S.row.pop() + {a} if len(S.row) > 1 else {b}", "S.bag.setdefault({key}, {a}.detach()) + {b}",
    "[S.remember(t) for t in map(torch.sin, [{a}, {b}]) if S.tick() % 2 or float(t.sum()) > 0][-1:][0]",
    "next(S.remember(t) for t in ({a}, {b}) if S.tick())", "{a} + torch.rand(3, 4, dtype=torch.float64)", "{a} + random.random()",
)  # fmt: skip
EFFECTS = (
    "S.log.append({a}.sum().item())", "S.count += 1", "total = total + float({a}.mean())", "S.table[{key}] = {a}.max().item()",
    "S.kept = {a}.detach()", "S.log.append({a}.detach().clone())", "print(f'{{{a}.sum():.4f}} {{S.count}}')", "level = level + 0.25",
    "shared = shared * 0.5 + 0.25", "S.total += {a}.sum().item()", "S.pair = ({a}.detach(), S.count)", "S.row.append({a}.detach())",
    "S.row[-1] = {a}.detach()", "S.bag['a'] = {a}.detach() * {c}", "del S.row[1:]", "S.kept.add_({a}.detach() * 0.1)", "S.tick()",
    "S.remember({a})", "S.log.extend(({a} * {c}).sum(1).tolist())", "assert S.count % 7 != 6, f'count {{S.count}}'",
    "S.log[-1:] = [{a}.mean().item(), S.count]", "x.mul_(0.5)", "S.table.update(n=len(S.log), m=float({a}.amax()))",
    "S.log.append(sorted([({a}.sum().item(), 0), ({b}.mean().item(), 1)], key=lambda t: t[0])[0][1])", "shared += float({a}.std())",
    "first, *rest = S.remember({a}); S.log.append(len(rest)); S.log.append(first.sum().item())", "level, shared = shared, level",
    "loss = ({a} * S.w.sum()).pow(2).mean(); loss.backward(); S.optimizer.step(); S.optimizer.zero_grad()",
    "loss = ({a} @ S.w).square().mean(); loss.backward(); S.log.append(loss.item())", "S.optimizer.step()",
    "grown = {a}.clone(); grown[0] += 1; grown.mul_(0.5); S.log.append(grown.mean().item())", "S.log.append(repr(S.kept.shape))",
    "S.w.grad = None", "S.row.sort(key=lambda t: t.sum().item())", "S.row[:] = [t * 0.5 for t in S.row]", "total -= S.tick()",
)  # fmt: skip
TESTS = ("S.count % 2 == 0", "len(S.log) > 3", "{a}.sum() > 0", "total > 0.5", "S.tick() % 3", "float({a}.mean()) > float({b}.mean())",
         "level < 1 and ({a} > 0).any()", "not S.log", "'k' in S.table", "S.remember({a}).sum() < {c}")  # fmt: skip
KEYS = ("S.count", "len(S.log)", "'k'", "('t', S.count % 2)")
RAISING = ("if S.count % 3 == 1:\nraise ValueError(f'count {S.count}')", "if S.tick() % 4 == 2:\nraise KeyError('k')",
           "if float({a}.sum()) > 3:\nraise RuntimeError('large')")  # fmt: skip


class Author:
    """Writes the body of one function; every choice is the generator's."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.names = ["x"]  # tensors that are bound for certain
        self.loops = 0
        self.functions = 0

    def filled(self, text: str) -> str:
        pick = self.rng.choice
        return text.format(a=pick(self.names), b=pick(self.names), c=round(self.rng.uniform(-1, 1), 2), key=pick(KEYS))

    def expression(self) -> str:
        return self.filled(self.rng.choice(EFFECTIVE if self.rng.random() < 0.25 else EXPRESSIONS))

    def body(self, depth: int, most: int = 3) -> tuple[Statement, ...]:
        """Statements of an inner block; what only they bind is not relied on afterwards, or seldom."""
        before = list(self.names)
        made = tuple([self.statement(depth + 1) for _ in range(self.rng.randrange(1, most))])
        if self.rng.random() < 0.95:
            self.names = before
        return made

    def statement(self, depth: int = 0) -> Statement:
        kind = self.rng.random()
        if kind < 0.36:
            return self.let()
        if kind < 0.66 or depth > 2:
            return (Clause(self.filled(self.rng.choice(EFFECTS))),)
        blocks = (
            self.branch, self.branch, self.loop, self.counted, self.guarded, self.guarded, self.context, self.function, self.function,
            self.generator, self.leaving, self.leaving, self.matched,
        )  # fmt: skip
        return self.rng.choice(blocks)(depth)

    def let(self) -> Statement:
        name = self.rng.choice(("v0", "v1", "v2", "v3", "x"))
        line = f"{name} = {self.expression()}"
        if name not in self.names:
            self.names.append(name)
        return (Clause(line),)

    # -- blocks ------------------------------------------------------------------------------------------------------------

    def test(self) -> str:
        return self.filled(self.rng.choice(TESTS))

    def branch(self, depth: int) -> Statement:
        clauses = [Clause(f"if {self.test()}:", self.body(depth))]
        if self.rng.random() < 0.2:
            clauses.append(Clause(f"elif {self.test()}:", self.body(depth)))
        if self.rng.random() < 0.5:
            clauses.append(Clause("else:", self.body(depth)))
        return tuple(clauses)

    def loop(self, depth: int) -> Statement:
        over = (
            f"i in range({self.rng.randrange(4)})",
            "i, t in enumerate([x, x * 2])",
            "t in list(S.row[:3])",
            "t in (v for v in (x, x.sin()))",
        )
        return self._loop(f"for {self.rng.choice(over)}:", depth)

    def counted(self, depth: int) -> Statement:
        return self._loop(f"while S.again({self.rng.randrange(2, 5)}):", depth)

    def _loop(self, head: str, depth: int) -> Statement:
        self.loops += 1
        clauses = [Clause(head, self.body(depth))]
        self.loops -= 1
        if self.rng.random() < 0.2:
            clauses.append(Clause("else:", self.body(depth)))
        return tuple(clauses)

    def guarded(self, depth: int) -> Statement:
        test, _, error = self.filled(self.rng.choice(RAISING).replace("{S.count}", "{{S.count}}")).partition("\n")
        raising: Statement = (Clause(test + ":" * (not test.endswith(":")), ((Clause(error),),)),)
        body = (*self.body(depth), raising, *self.body(depth, 2))
        clauses = [
            Clause("try:", body),
            Clause("except (ValueError, KeyError) as error:", ((Clause("S.log.append(repr(error))"),), *self.body(depth, 2))),
        ]
        if self.rng.random() < 0.3:
            clauses.append(Clause("else:", self.body(depth, 2)))
        if self.rng.random() < 0.4:
            clauses.append(Clause("finally:", ((Clause("S.count += 1"),),)))
        return tuple(clauses)

    def context(self, depth: int) -> Statement:
        heads = (
            "with torch.no_grad():", "with S.noted('a'):", "with S.noted('b') as number, torch.no_grad():", "with torch.enable_grad():",
            "with contextlib.suppress(ValueError, RuntimeError):",
        )  # fmt: skip
        head = self.rng.choice(heads)
        body = self.body(depth)
        if "suppress" in head or self.rng.random() < 0.2:
            body = (*body, (Clause("if S.count % 2:", ((Clause("raise ValueError('left')"),),)),), *self.body(depth, 2))
        return (Clause(head, body),)

    def function(self, depth: int) -> Statement:
        """A function inside, called where it stands; it sees the variables around it, and may set them."""
        self.functions += 1
        name = f"inner{self.functions}"
        kept, self.names, self.loops = (list(self.names), self.loops), [*self.names, "q"], 0
        head = self.rng.choice(("q", "q, scale=2.0", "q, *, scale=total"))
        lines: list[Statement] = [
            (Clause(self.filled(self.rng.choice(EFFECTS[:3] + ("S.tick()", "S.remember({a})", "S.log.append(q.shape[0])")))),)
        ]
        lines = [s for s in lines if not s[0].head.startswith("total")] or [(Clause("nonlocal total"),), *lines]
        expression = self.filled(self.rng.choice(EXPRESSIONS[:12]))
        self.names, self.loops = kept
        defined: Statement = (Clause(f"def {name}({head}):", (*lines, (Clause(f"return {expression}"),))),)
        target = self.rng.choice(self.names)
        called = self.filled(
            self.rng.choice(
                (f"{target} = {name}({{a}})", f"{target} = sum(map({name}, [{{a}}, {{b}}]))", f"S.log.append({name}({{a}}).sum().item())")
            )
        )
        return (Clause("if True:", (defined, *self.body(depth, 2), (Clause(called),))),)

    def generator(self, depth: int) -> Statement:
        self.functions += 1
        name = f"steps{self.functions}"
        body = (
            (Clause("for k in range(3):", ((Clause(self.filled("S.log.append(k)")),), (Clause(self.filled("yield {a} * k + {b}")),))),),
            (Clause("S.tick()"),),
        )
        used = self.filled(
            self.rng.choice(
                (
                    f"S.kept = sum({name}()).detach()",
                    f"S.log += [t.sum().item() for t in {name}()]",
                    f"S.row.append(next({name}()).detach())",
                )
            )
        )
        return (Clause("if True:", ((Clause(f"def {name}():", body),), (Clause(used),))),)

    def leaving(self, depth: int) -> Statement:
        ways = [
            f"return {self.rng.choice(self.names)}",
            f"return {self.expression()}, total",
            f"raise LookupError('count {self.rng.randrange(9)}')",
        ]
        ways += ["break", "continue"] * 3 * (self.loops > 0)
        return (
            Clause(f"if {self.rng.choice((f'S.count == {self.rng.randrange(9)}', self.test()))}:", ((Clause(self.rng.choice(ways)),),)),
        )

    def matched(self, depth: int) -> Statement:
        cases = tuple([(Clause(f"case {k}:", self.body(depth, 2)),) for k in ("0", "1 | 2", "_")])
        return (Clause("match S.count % 4:", cases),)


def written(seed: int) -> tuple[tuple[Statement, ...], str]:
    """The body of a function, and what kind of function it is: plain, method or module."""
    author = Author(seed)
    body = [author.statement() for _ in range(author.rng.randrange(4, 12))]
    body.append((Clause(f"return {author.rng.choice(author.names)}, {author.expression()}, total"),))
    return tuple(body), author.rng.choice(("plain", "plain", "plain", "method", "module"))


HEADS = {
    "plain": "def f(x, S, total=0.0):",
    "method": "class Own:\n    def f(self, x, S, total=0.0):",
    "module": "class Own(torch.nn.Module):\n    def forward(self, x, S, total=0.0):",
}
MADE = {"plain": "f", "method": "Own().f", "module": "Own()"}


def text(body: tuple[Statement, ...], kind: str) -> str:
    """The module that defines the function; ``make()`` gives it."""
    head = HEADS[kind]
    deep = "        " if kind == "plain" else "            "
    lines = ["global level", "nonlocal shared", *_lines(body)]
    inner = [*head.split("\n"), *[deep[4:] + line for line in lines]]
    around = "\n".join(["shared = 1.5", *inner, f"return {MADE[kind]}"])
    return (
        "import contextlib\nimport random\n\nimport chainrule as torch\n\nF = torch.nn.functional\nlevel = 0.5\n\n\ndef make():\n"
        + textwrap.indent(around, "    ")
        + "\n"
    )


def _lines(body: tuple[Statement, ...]) -> Iterator[str]:
    for statement in body:
        for clause in statement:
            yield clause.head
            if clause.body is not None:
                yield from ["    " + line for line in _lines(clause.body)] or ["    pass"]


def smaller(body: tuple[Statement, ...]) -> Iterator[tuple[Statement, ...]]:
    """The body with one statement or one clause left out, or with a block's statements in its place."""
    for k, statement in enumerate(body):
        before, after = body[:k], body[k + 1 :]
        yield before + after
        for i, clause in enumerate(statement):
            if clause.body is None:
                continue
            yield before + clause.body + after
            if i:
                yield (*before, statement[:i] + statement[i + 1 :], *after)
            for inner in smaller(clause.body):
                yield (*before, (*statement[:i], Clause(clause.head, inner), *statement[i + 1 :]), *after)


__all__ = ["Statement", "World", "smaller", "text", "written"]
