"""Generated streams: every operation is possible, and the published protocols have their numbers."""

import numpy as np
import pytest

from goldpan.core.errors import InputError
from goldpan.search.runbooks.groups import cluster_rows, plan_class_drift, plan_clustered, plan_replace
from goldpan.search.runbooks.plan import Plan
from goldpan.search.runbooks.rounds import plan_expiration, plan_iid, plan_sliding

LABELS = np.repeat(["dog", "eel", "cat", "ant"], [400, 300, 200, 100])
GROUPS = np.random.default_rng(0).integers(0, 8, 1000)


def play(plan: Plan, n: int = 1000) -> list[set[int]]:
    """Return the live tags at each search; fails on an operation that is not possible."""
    live: set[int] = set()
    largest, seen = 0, []
    for name, *values in plan.operations:
        if name == "insert":
            new = set(range(*values))
            assert new and not new & live and max(new) < n
            live |= new
        elif name == "delete":
            old = set(range(*values))
            assert old and old <= live
            live -= old
        elif name == "replace":
            tags, ids = range(*values[:2]), range(*values[2:])
            assert len(tags) == len(ids) > 0 and set(tags) <= live and max(ids) < n
        else:
            seen.append(set(live))
        largest = max(largest, len(live))
    assert plan.operations[0][0] == "insert"
    assert largest == plan.max_pts
    return seen


PLANS = {
    "iid": lambda: plan_iid(1000),
    "iid ragged": lambda: plan_iid(997, rounds=12, share=0.03, seed=4),
    "sliding": lambda: plan_sliding(1000),
    "expiration": lambda: plan_expiration(1000, batches=300),
    "clustered": lambda: plan_clustered(GROUPS),
    "replace same": lambda: plan_replace(GROUPS),
    "replace random": lambda: plan_replace(GROUPS, source="random", seed=1),
    "class drift": lambda: plan_class_drift(LABELS),
    "class drift, drawn order": lambda: plan_class_drift(LABELS, initial=0.3, share=0.07, seed=5),
}


@pytest.mark.parametrize("name", PLANS)
def test_every_operation_is_possible_and_the_same_again(name: str) -> None:
    plan = PLANS[name]()
    assert len(play(plan)) > 1
    again = PLANS[name]()
    assert plan.operations == again.operations
    if plan.order is not None:
        np.testing.assert_array_equal(plan.order, again.order)
        np.testing.assert_array_equal(np.sort(plan.order), np.arange(len(plan.order)))


def test_iid_is_the_protocol_of_svs() -> None:
    plan = plan_iid(1000)
    seen = play(plan)
    assert len(seen) == 67  # 1 + 30 x 2 + 6
    assert {len(live) for live in seen} == {700, 710}
    assert plan.max_pts == 710
    assert len(play(plan_iid(1000, rounds=50))) == 111
    assert seen[0] != seen[-1]


def test_the_window_slides() -> None:
    seen = play(plan_sliding(1000))
    assert len(seen) == 101
    assert seen[0] == set(range(500)) and seen[-1] == set(range(500, 1000))


def test_batches_expire_when_their_time_has_come() -> None:
    seen = play(plan_expiration(400, batches=40, lifetimes=(10,), ratios=(1,)), 400)
    assert [len(live) for live in seen] == [10 * min(now + 1, 10) for now in range(40)]
    assert len(play(plan_expiration(400, batches=40, lifetimes=(0,), ratios=(1,)), 400)[-1]) == 400


def test_clusters_are_whole_ranges() -> None:
    plan = plan_clustered(GROUPS)
    assert plan.order is not None
    assert np.all(np.diff(GROUPS[plan.order]) >= 0)
    inserted = sum(values[1] - values[0] for name, *values in plan.operations if name == "insert")
    assert inserted == 1000
    assert sum(operation[0] == "search" for operation in plan.operations) * 2 == len(plan.operations)


def test_replaced_points_take_rows_that_were_never_inserted() -> None:
    for source in ("same", "random"):
        plan = plan_replace(GROUPS, source=source)
        inserted = {row for name, *values in plan.operations if name == "insert" for row in range(*values)}
        taken = [row for name, *values in plan.operations if name == "replace" for row in range(*values[2:])]
        assert taken and not inserted & set(taken) and len(taken) == len(set(taken))


def test_classes_follow_each_other_in_order_of_size() -> None:
    plan = plan_class_drift(LABELS)
    assert plan.order is not None
    assert list(dict.fromkeys(LABELS[plan.order])) == ["dog", "eel", "cat", "ant"]
    seen = play(plan)
    assert seen[0] == set(range(700)) and seen[-1] == set(range(300, 1000))


def test_clusters_of_rows_are_found() -> None:
    rng = np.random.default_rng(2)
    centers = rng.normal(size=(4, 8)) * 30
    rows = (centers[np.arange(200) % 4] + rng.normal(size=(200, 8))).astype(np.float32)
    found = cluster_rows(rows, 4, seed=1)
    assert len(set(zip(found.tolist(), (np.arange(200) % 4).tolist(), strict=True))) == 4
    bits = np.where(np.arange(64)[:, None] % 2, 255, np.zeros(4)).astype(np.uint8)
    assert len({tuple(found) for found in cluster_rows(bits, 2, packed=True).reshape(-1, 2)}) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: plan_iid(50), "share of 1/50 or more"),
        (lambda: plan_iid(1000, initial=1.0), "nothing to insert"),
        (lambda: plan_sliding(100), "200 batches"),
        (lambda: plan_expiration(1000, lifetimes=(1, 2)), "as many ratios"),
        (lambda: plan_clustered(GROUPS, rounds=6), "1 to 5 rounds"),
        (lambda: plan_class_drift(["a", "b"] * 5), "only together"),
        (lambda: cluster_rows(np.ones((3, 2), np.float32), 4), "4 clusters"),
    ],
)
def test_what_cannot_be_planned_is_a_sentence(make: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
