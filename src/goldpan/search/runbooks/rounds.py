"""Plans that need row numbers alone: IID rounds, a sliding window, points that expire."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from goldpan.core.errors import InputError
from goldpan.search.runbooks.plan import Plan


def plan_iid(
    n: int, *, rounds: int = 30, initial: float = 0.7, share: float = 0.01, consolidate_every: int = 5, seed: int = 0
) -> Plan:
    """Keep the distribution still: a random 70 % of the rows, then rounds of 1 % in, 1 % out; a search after each.

    The protocol of the streaming tests of SVS (Aguerrebere et al., arXiv 2402.02044): add first, then delete, and one
    more search after every fifth round, when deletions have been consolidated, so 30 rounds are 67 searches. Rows are
    permuted at random once, and what goes in or out is a whole block of `share` of them, drawn at random: each block is
    a random sample, but its rows come and go together.

    Args:
        n: rows of the base.
        rounds: how many.
        initial: share of the rows that is live at first.
        share: share of the rows that goes in, and out, each round.
        consolidate_every: rounds between the extra searches; 0 for none.
        seed: of the permutation and the draws.

    Raises:
        InputError: a share leaves nothing to insert or to delete.
    """
    blocks = round(1 / share)
    first = round(initial * blocks)
    if not (0 < first < blocks <= n):
        raise InputError(
            f"iid with {n} rows, initial {initial} and share {share} has nothing to insert or to delete; "
            f"take a share of 1/{n} or more, below 1 - initial."
        )
    rng = np.random.default_rng(seed)
    edges = np.round(np.linspace(0, n, blocks + 1)).astype(int).tolist()
    plan = Plan(order=rng.permutation(n))
    live, waiting = list(range(first)), list(range(first, blocks))
    plan.insert(0, edges[first])
    plan.search()
    for number in range(1, rounds + 1):
        coming = waiting.pop(int(rng.integers(len(waiting))))
        live.append(coming)
        plan.insert(edges[coming], edges[coming + 1])
        plan.search()
        going = live.pop(int(rng.integers(len(live))))
        waiting.append(going)
        plan.delete(edges[going], edges[going + 1])
        plan.search()
        if consolidate_every and number % consolidate_every == 0:
            plan.search()
    return plan


def plan_sliding(n: int, *, batches: int = 200) -> Plan:
    """Let the newest half of the batches be live: insert half of them, then search, delete the oldest, insert the next.

    The design of the sliding-window runbooks of big-ann-benchmarks; a last search is added.

    Raises:
        InputError: fewer rows than batches, or fewer than two batches.
    """
    edges = _batches(n, batches)
    window = batches // 2
    plan = Plan()
    for number in range(batches):
        if number >= window:
            plan.search()
            plan.delete(edges[number - window], edges[number - window + 1])
        plan.insert(edges[number], edges[number + 1])
    plan.search()
    return plan


def plan_expiration(
    n: int,
    *,
    batches: int = 400,
    lifetimes: Sequence[int] = (0, 200, 50),
    ratios: Sequence[float] = (1, 4, 14),
    seed: int = 809,
) -> Plan:
    """Give every batch a lifetime when it is inserted; it is deleted when that is over. A search after each batch.

    The design of the expiration runbooks of big-ann-benchmarks, whose draw from 0 to 18 with limits 0, 4 and 18 has the
    shares 1 : 4 : 14; which batch gets which lifetime is drawn by another generator, so the runbooks are not theirs.

    Args:
        n: rows of the base.
        batches: how many inserts.
        lifetimes: in batches; 0 is forever.
        ratios: how often each is drawn.
        seed: of the draws.

    Raises:
        InputError: fewer rows than batches, or lifetimes and ratios that do not go together.
    """
    edges = _batches(n, batches)
    weights = np.asarray(ratios, float)
    if len(lifetimes) != len(weights) or not weights.sum() > 0 or (weights < 0).any() or min(lifetimes) < 0:
        raise InputError(f"lifetimes {list(lifetimes)} need as many ratios, none below 0, not {list(ratios)}.")
    drawn = np.random.default_rng(seed).choice(lifetimes, batches, p=weights / weights.sum()).tolist()
    plan = Plan()
    for now in range(batches):
        plan.insert(edges[now], edges[now + 1])
        for born in range(now):
            if drawn[born] and born + drawn[born] == now:
                plan.delete(edges[born], edges[born + 1])
        plan.search()
    return plan


def _batches(n: int, batches: int) -> list[int]:
    if not 2 <= batches <= n:
        raise InputError(f"{n} rows cannot be cut into {batches} batches; take 2 to {n}.")
    edges: list[int] = np.round(np.linspace(0, n, batches + 1)).astype(int).tolist()
    return edges
