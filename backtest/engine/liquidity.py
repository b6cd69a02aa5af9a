"""The liquidity of the bar in progress: the lots it can still take, and the flow that went through it."""

from __future__ import annotations

from fractions import Fraction

from backtest.engine.world import World
from backtest.mechanics.exact import Ints
from backtest.mechanics.path import freed


class Liquidity:
    """Lots used in the present bar, and the signed flow of the present step, by symbol."""

    def __init__(self, world: World) -> None:
        self.world, self.bar, self.part = world, -1, 0
        self.used = [0] * len(world.symbols)
        self.flow = [0] * len(world.symbols)
        self._shares = [(scale * world.rules.participation).as_integer_ratio() for scale in world.rules.scale]
        self._capacity: list[int] = []  # of the bar, by symbol

    def enter(self, step: int) -> None:
        """Begin a step; a new bar has its own liquidity."""
        walk, count = self.world.walk, len(self.world.symbols)
        self.flow, self.part = [0] * count, int(walk.part[step - 1])
        if (bar := int(walk.bar[step - 1])) != self.bar:
            self.bar, self.used = bar, [0] * count
            lots = self.world.volume[:, bar].tolist()
            self._capacity = [each * many // few for (many, few), each in zip(self._shares, lots, strict=True)]

    def volume(self, symbol: int) -> Fraction:
        """Return the lots traded in the bar, times the liquidity scale."""
        return self.world.rules.scale[symbol] * int(self.world.volume[symbol, self.bar])

    def left(self, symbol: int) -> int:
        """Return the lots freed up to this step and not used: of floor(volume x scale x participation) in the bar."""
        return freed(self._capacity[symbol], self.part, self.world.walk.parts) - self.used[symbol]

    def use(self, symbol: int, flow: Ints) -> None:
        """Take signed lots out of the bar."""
        self.used[symbol] += int(abs(flow).sum())
        self.flow[symbol] += int(flow.sum())
