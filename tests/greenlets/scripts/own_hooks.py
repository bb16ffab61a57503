"""While a greenlet is in the middle of a hook, others of its thread go on: they are in the middle of none."""

from ProxyPatternPool import Scope, control, proxy

from ..green_env import Token, green


def run() -> None:
    seen: list[tuple[str, object]] = []

    def open_it(token: Token) -> None:
        seen.append(("hook", control(db).get().number))
        if token.number == 0:
            other = green.spawn(lambda: control(db).get().number)
            green.eventually(lambda: ("hook", 1) in seen)  # which lets the other run
            seen.append(("other", other.join()))

    db: Token = proxy(max_size=2, min_size=0, timeout=5, opener=open_it, scope=Scope.CONTEXT)
    control(db).set_fun(Token)
    assert control(db).get().number == 0
    assert seen == [("hook", 0), ("hook", 1), ("other", 1)], seen
    print("each hook has its own object, and others have theirs")
