"""A slot with a record for each owner: those that end leave nothing behind, those that live lose nothing."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from ProxyPatternPool._scope.base import EMPTY, Kept
from ProxyPatternPool._scope.keyed import KeyedSlot


class Owner:
    """An owner that may end while it still is referred to, and say so."""

    def __init__(self) -> None:
        self.ended = False
        self.tell: list[Callable[..., object]] = []


class SlotByHand(KeyedSlot[int]):
    """Its current owner is the one that was set."""

    def __init__(self, owner: Owner) -> None:
        super().__init__()
        self.current = owner

    @property
    def kept(self) -> Kept[int]:
        return self.get() or EMPTY

    def owner(self) -> object:
        return self.current

    def _key(self) -> Hashable:
        return id(self.current)

    def _owners(self) -> Iterable[object]:
        return [self.current]

    def _link(self, owner: object, end: Callable[..., object]) -> None:
        assert isinstance(owner, Owner)
        owner.tell.append(end)

    def _ended(self, owner: object) -> bool:
        assert isinstance(owner, Owner)
        return owner.ended

    def use(self, owner: Owner) -> Kept[int]:
        """Have an owner keep something."""
        self.current = owner
        return self.put(Kept(1))


def test_a_slot_begins_with_nothing() -> None:
    """An owner that never kept anything can forget it, and look for it."""
    slot = SlotByHand(Owner())
    slot.remove(Kept(1))
    slot.drop_ended()
    assert slot.get() is None


def test_an_owner_has_one_record() -> None:
    """However often it keeps something and forgets it: it is linked to once."""
    owner = Owner()
    slot = SlotByHand(owner)
    slot.use(owner)
    [record] = slot._records.values()
    for _ in range(3):
        slot.use(owner)
        assert list(slot._records.values()) == [record]
        slot.remove(record.kept)
        assert list(slot._records.values()) == [record]
        assert not slot._filled, "looked at for nothing"
    assert len(owner.tell) == 1


def test_an_owner_that_says_that_it_has_ended() -> None:
    """Its record is deleted, and nobody else's."""
    owner, other = Owner(), Owner()
    slot = SlotByHand(other)
    kept = slot.use(other)
    slot.use(owner)
    owner.tell[0]("whatever it is called with")
    assert slot.get() is None
    assert (len(slot._records), len(slot._filled), len(slot._parts)) == (1, 1, 1)
    owner.tell[0]()
    slot.current = other
    assert slot.get() is kept


def test_an_owner_that_has_ended_and_has_not_said_so() -> None:
    """It is found by whoever looks; one that has ended and keeps nothing, or lives, is left alone."""
    owner, empty, other = Owner(), Owner(), Owner()
    slot = SlotByHand(owner)
    for each in (owner, empty, other):
        slot.use(each)
    slot.current = empty
    slot.remove(slot.kept)
    owner.ended = empty.ended = True
    slot.drop_ended()
    assert set(slot._records) == {id(empty), id(other)}
    assert slot._filled == {id(other)}


def test_keys_of_owners_that_live_are_not_forgotten() -> None:
    """Stale keys are deleted when there are many, and no others: an owner that ends later is found all the same."""
    owner, newcomer = Owner(), Owner()
    slot = SlotByHand(owner)
    slot.use(owner)
    crowd = [Owner() for _ in range(100)]
    for number in range(100):
        slot.use(crowd[number])
    slot.current = newcomer
    crowd.clear()
    slot.use(newcomer)
    assert slot._filled == {id(owner), id(newcomer)}
    owner.ended = True
    slot.drop_ended()
    assert list(slot._records) == [id(newcomer)]
