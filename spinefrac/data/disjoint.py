"""Disjoint sets: who belongs together when belonging is found pair by pair."""


class DisjointSets:
    """Sets of 0…n-1 that grow together; the smallest member stands for each set."""

    def __init__(self, n: int) -> None:
        self._parent = list(range(n))

    def find(self, member: int) -> int:
        """Return the smallest member of the set that `member` is in."""
        while self._parent[member] != member:
            self._parent[member] = self._parent[self._parent[member]]
            member = self._parent[member]
        return member

    def union(self, first: int, second: int) -> None:
        """Make one set of the two that the members are in."""
        a, b = self.find(first), self.find(second)
        self._parent[max(a, b)] = min(a, b)
