"""What libraries for data make of proxies, as docs/forwarding.md says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoInspectionAvailable
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from ProxyPatternPool import control, proxy

late: Callable[..., Any] = proxy
"""As checkers do not know what will come."""


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)


# --- NumPy


def test_arrays() -> None:
    """Arithmetic, functions, indices and shapes take a proxied array for one, on either side."""
    array = late(np.array([1.0, 2.0, 3.0]))
    uses: list[Callable[[Any], Any]] = [
        lambda a: a + 1,
        lambda a: np.ones(3) + a,
        lambda a: a @ a,
        np.sin,
        np.asarray,
        lambda a: np.concatenate([a, a]),
        lambda a: np.arange(5.0)[a.astype(int)],
    ]
    for use in uses:
        assert np.array_equal(use(array), use(control(array).get()))
    assert isinstance(array, np.ndarray)
    number = late(2)
    assert np.zeros((number, 3)).shape == (2, 3)
    assert np.arange(5)[number] == 2
    assert len(np.arange(5)[:number]) == 2


def test_what_numpy_wants_itself() -> None:
    """An array to write to, and a type."""
    array, kind, number = late(np.zeros(3)), late(np.dtype("int32")), late(5)
    add: Callable[..., Any] = np.add
    with pytest.raises(TypeError, match="return arrays must be of ArrayType"):
        add(1, 2, out=array)
    add(1, 2, out=control(array).get())
    assert array.tolist() == [3.0] * 3
    zeros: Callable[..., Any] = np.zeros
    for wrong in (kind, late(int), late("int32")):
        with pytest.raises(TypeError, match="Cannot interpret"):
            zeros(2, dtype=wrong)
        assert zeros(2, dtype=control(wrong).get()).dtype.kind == "i"
    assert np.array([number, number]).dtype == object
    full: Callable[..., Any] = vars(np)["full"]  # its types are partly unknown before Python 3.11
    assert full(2, number).dtype == object
    assert (np.ones(3) * number).dtype == object
    assert (number * np.ones(3)).dtype == float
    with pytest.raises(TypeError, match="has no callable sin method"):
        np.sin(number)
    assert np.sin(float(number)) < 0
    assert np.array([int(number)] * 2).dtype.kind == "i"
    assert np.array([number, number], dtype=int).tolist() == [5, 5]


# --- SQLAlchemy


def test_sqlalchemy() -> None:
    """Engines and sessions are used as ever; `inspect`, and what is made of classes, goes by the exact type."""
    engine = late(sa.create_engine("sqlite://", poolclass=sa.StaticPool))
    Base.metadata.create_all(engine)
    session = late(Session(engine))
    session.add(User(id=3))
    session.flush()
    assert session.scalars(sa.select(User.id)).all() == [3]
    with pytest.raises(NoInspectionAvailable):
        sa.inspect(engine)
    assert sa.inspect(control(engine).get()).get_table_names() == ["user"]
    model = late(User)
    with pytest.raises(ArgumentError):
        sa.select(model)
    assert str(sa.select(control(model).get())) == str(sa.select(User))
    session.close()
    engine.dispose()
