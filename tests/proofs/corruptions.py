"""Ways to spoil a proof, each of which a checker must notice.

Every corruption takes a result that is proven optimal, and returns one with a proof that does
not prove what is claimed, or None where it does not apply. That it does not is certain without
the checker: the claim is above the optimum, or a rule is broken that is looked up here by other
means (the tree of `presolve`, the layout at hand, plain loops over edges).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import fold_corruptions as folds
import junction_corruptions as junctions
import part_corruptions as parts
import runs_corruptions as runs
import views_corruptions as views

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from proven import Proven

    import reorder_solver as rs

Corruption: TypeAlias = "Callable[[np.random.Generator, Proven], rs.Result | None]"

#: All of them, by name.
CORRUPTIONS: dict[str, Corruption] = {
    each.__name__.replace("_", " "): each
    for each in (
        parts.bound_raised,
        parts.claim_raised,
        parts.part_dropped,
        parts.part_twice,
        parts.negative_bound,
        parts.access_in_two_parts,
        parts.constant_claimed,
        parts.access_unknown,
        parts.other_instance,
        views.constraint_dropped,
        views.member_dropped,
        views.member_replaced,
        views.member_doubled,
        views.demand_raised,
        views.demand_below_one,
        views.constraint_invented,
        runs.node_number_changed,
        runs.set_number_changed,
        runs.set_dropped,
        runs.set_member_flipped,
        runs.exponent_changed,
        runs.numbers_wrapped,
        runs.split_side_taken,
        runs.split_sides_swapped,
        runs.split_edge_changed,
        runs.split_repeated,
        runs.split_on_no_edge,
        runs.sieve_inserted,
        runs.negative_set,
        runs.set_of_nothing,
        runs.leaf_cut_short,
        runs.node_twice,
        runs.node_of_nowhere,
        runs.nodes_permuted,
        runs.node_missing,
        runs.tensors_reordered,
        runs.tensor_missing,
        runs.access_dropped,
        runs.access_twice,
        folds.claim_value_raised,
        folds.claim_value_lowered,
        folds.claim_dropped,
        folds.claim_of_another_node,
        folds.claim_odd,
        folds.claim_of_no_node,
        folds.claim_twice,
        folds.goal_of_fold_lowered,
        folds.core_folded_away,
        folds.fold_in_a_fold,
        folds.stages_dropped,
        junctions.share_missing,
        junctions.share_too_many,
        junctions.share_negative,
        junctions.share_above_the_price,
        junctions.shares_of_nobody,
        junctions.exponent_negative,
        junctions.joining_access_twice,
    )
}
