"""A project with a mistake in it: who is silent about everything has not looked."""

from ProxyPatternPool import Pool


def connect(number: int) -> str:
    return str(number)


pool = Pool(connect)
pool.ret(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
