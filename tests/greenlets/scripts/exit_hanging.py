"""The program ends while many closers hang: every other object is closed."""

from ProxyPatternPool import Pool

from ..green_env import Token, green, native_write

HANGING = 12


def closer(token: Token) -> None:
    if token.number < HANGING:
        green.sleep(1000)
    native_write(1, f"closed {token.number}\n".encode())


kept: list[Pool[Token]] = []


def run() -> None:
    green.sleep(0)
    kept.append(Pool(Token, min_size=HANGING + 4, closer=closer))
    kept.append(Pool(lambda number: Token(100 + number), min_size=2, closer=closer))
    kept.append(Pool(lambda number: Token(200 + number), min_size=2, closer=closer))
    native_write(1, b"end\n")
