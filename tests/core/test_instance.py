"""The problem as a value."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from reorder_solver import Access, Instance, InstanceError, Part, PriceList, Role, Tensor


def small(**changes: object) -> Instance:
    fields: dict[str, object] = {
        "name": "small",
        "tensors": [Tensor("a", 4), Tensor("b", 3, fixed=True)],
        "accesses": [
            Access("one", [Part("a", [3, 1])], bytes=4),
            Access("two", [Part("a", [0, 1]), Part("b", [])], role="write"),
        ],
    }
    return Instance(**(fields | changes))  # type: ignore[arg-type]


def test_channels_are_sorted_and_frozen() -> None:
    """Channels come out ascending and cannot be written to."""
    part = Part("a", [3, 1])
    assert part.channels.tolist() == [1, 3]
    with pytest.raises(ValueError, match="read-only"):
        part.channels[0] = 2


def test_instance_does_not_share_the_callers_array() -> None:
    """Changing the array an instance was made from changes nothing."""
    given = np.array([2, 0])
    part = Part("a", given)
    given[0] = 3
    assert part.channels.tolist() == [0, 2]


def test_equality_and_hash_are_by_value() -> None:
    """Two instances built alike are equal and hash alike; metadata does not count."""
    assert small() == small(meta={"seed": 1})
    assert hash(Part("a", [1, 2])) == hash(Part("a", [2, 1]))
    assert small() != small(name="other")


def test_role_is_parsed() -> None:
    """A role may be given by its name."""
    assert small().accesses[1].role is Role.WRITE


def test_pickle_and_deepcopy_round_trip() -> None:
    """Instances survive pickling and deep copies (worker processes need it)."""
    instance = small(meta={"k": [1]})
    for twin in (pickle.loads(pickle.dumps(instance)), copy.deepcopy(instance)):
        assert twin == instance
        assert dict(twin.meta) == {"k": [1]}


def test_replace_validates_again() -> None:
    """A changed copy is checked like a new one."""
    with pytest.raises(InstanceError, match="unknown tensor 'b'"):
        small().replace(tensors=[Tensor("a", 4)])


def test_used_and_placed_channels() -> None:
    """Unused channels are dropped, except where the tensor is fixed."""
    instance = small()
    assert instance.used_channels()["a"].tolist() == [True, True, False, True]
    assert instance.placed_channels()["b"].all()


@pytest.mark.parametrize(
    ("make", "phrase"),
    [
        (lambda: Tensor("", 4), "tensor id must have"),
        (lambda: Tensor("a\nb", 4), "printable"),
        (lambda: Tensor("a", 0), "at least 1"),
        (lambda: Tensor("a", 2.0), "must be an integer"),
        (lambda: Tensor("a", True), "must be an integer"),
        (lambda: Tensor("a", 1 << 40), "at most"),
        (lambda: Tensor("a", 4, fixed=1), "true or false"),
        (lambda: Part("a", [0, 0]), "listed twice"),
        (lambda: Part("a", [-1]), "negative"),
        (lambda: Part("a", [0.5]), "flat list of integers"),
        (lambda: Part("a", [[0], [1]]), "flat list of integers"),
        (lambda: Part("a", np.array([True, False])), "flat list of integers"),
        (lambda: Access("x", []), "non-empty"),
        (lambda: Access("x", [Part("a", [0])], bytes=1.5), "bytes must be an integer"),
        (lambda: Access("x", [Part("a", [0])], weight=-1), "at least 0"),
        (lambda: Access("x", [Part("a", [0])], role="eat"), "unknown role"),
        (lambda: Access("x", [Part("a", [0])], required="yes"), "true or false"),
        (lambda: Access("x", [Part("a", [0])], prices={}), "PriceList"),
        (lambda: PriceList(gather=(1,)), "takes 2 integers"),
        (lambda: PriceList(split=(-1,)), "at least 0"),
        (lambda: PriceList(cat=(1, 2, 0.5)), "integer"),
        (lambda: PriceList(cover="1"), "list of 1"),
        (lambda: PriceList.from_mapping({"teleport": [1]}), "unknown mode"),
        (lambda: small(tensors=[Tensor("a", 4), Tensor("a", 3)]), "used twice"),
        (lambda: small(accesses=[Access("x", [Part("a", [4])])]), "outside tensor"),
        (lambda: small(accesses=[Access("x", [Part("z", [0])])]), "unknown tensor"),
        (lambda: small(accesses=[Access("x", [Part("a", [0])])] * 2), "used twice"),
        (lambda: small(name=3), "name must be"),
    ],
)
def test_broken_rules_are_named_bug(make: object, phrase: str) -> None:
    """Each rule raises its own one-line message."""
    with pytest.raises(ValueError, match=phrase) as caught:
        make()  # type: ignore[operator]
    assert "\n" not in str(caught.value)


def test_message_about_a_huge_integer_bug() -> None:
    """An integer too long to print still gives the ordinary one-line error."""
    with pytest.raises(InstanceError, match="weight must be at least 0, got a huge int"):
        Access("x", [Part("a", [0])], weight=-(10**5000))
    with pytest.raises(InstanceError) as caught:
        Access("x", [Part("a", [0])], bytes="y" * 10_000)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 200
