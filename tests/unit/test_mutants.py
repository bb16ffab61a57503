"""``tools/mutants``: what it changes in a source, what functions do then, and the list of those that may survive."""

from __future__ import annotations

import io
import re
import signal
import textwrap
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import CodeType, SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("libcst")
pytest.importorskip("mutmut")

from tools.mutants import listed
from tools.mutants.changes import Mutant, mutants
from tools.mutants.children import BROKE, HUNG, Children, Ended, Failures
from tools.mutants.reach import Measured, Reach
from tools.mutants.scores import KILLED, SURVIVED, UNFIT, Run, Score, _Trial
from tools.mutants.swap import Functions, Unfit

SOURCE = textwrap.dedent(
    '''\
    """A module."""

    LIMIT = 3


    class Shelf:
        """A class."""

        size: int = 0

        def add(self, number: int) -> bool:
            """Add some."""
            if number > LIMIT and self.size:
                raise ValueError("too many")
            self.size += number
            self.note(number)
            return self.size < 10

        def note(self, number: int) -> None:
            while True:
                break
    '''
)


def made(text: str = SOURCE) -> list[Mutant]:
    return list(mutants("_room", "_room/shelf.py", "shelf.py", text))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("if number > LIMIT and self.size:", "if number >= LIMIT and self.size:"),
        ("if number > LIMIT and self.size:", "if number > LIMIT or self.size:"),
        ("if number > LIMIT and self.size:", "if not (number > LIMIT and self.size):"),
        ('raise ValueError("too many")', 'raise ValueError("XXtoo manyXX")'),
        ("self.size += number", "self.size -= number"),
        ("self.size += number", "self.size = number"),
        ("self.note(number)", "False and (self.note(number))"),
        ("self.note(number)", "self.note(None)"),
        ("return self.size < 10", "return self.size <= 10"),
        ("return self.size < 10", "return self.size < 11"),
        ("return self.size < 10", "return None"),
        ("break", "return"),
    ],
)
def test_what_is_changed(before: str, after: str) -> None:
    """Operators, texts and numbers; conditions turn round, calls and results are left out."""
    assert f"- {before}\n+ {after}" in [mutant.difference for mutant in made()]


def test_what_is_not_changed() -> None:
    """What is done once, at the import, and what has no effect: documentation, annotations, defaults, decorators."""
    for mutant in made():
        assert mutant.function in ("Shelf.add", "Shelf.note")
        assert not {"LIMIT = 3", "size: int = 0", '"""'} & set(mutant.difference.split("\n"))
        assert "number: int" not in mutant.difference
    assert made("def nothing(number: int = 3) -> None:\n    '''Say 1 + 1.'''\n") == []
    assert all("XX" not in mutant.difference for mutant in made("def f(x):\n    assert x, 'it is'\n"))
    (only,) = made("def no(self):\n    self.found = False\n    self.one = None\n")
    assert only.difference == "- self.found = False\n+ self.found = True"
    after = [mutant.difference.split("+ ")[1] for mutant in made("def no():\n    call(False, x=1)\n")]
    assert sorted(after) == [
        *("False and (call(False, x=1))", "call(False, )", "call(False, x=2)", "call(False, x=None)"),
        *("call(True, x=1)", "call(x=1)"),
    ]


def test_a_mutant_says_where_it_is() -> None:
    """By the function, and not by the number of a line, which others change; by its line tests are found."""
    (mutant,) = (mutant for mutant in made() if mutant.difference.endswith("+ self.size -= number"))
    assert mutant.key == "_room/shelf.py Shelf.add\n- self.size += number\n+ self.size -= number"
    assert SOURCE.splitlines()[mutant.line - 1].strip() == "self.size += number"


def test_where_tests_find_a_condition_of_several_lines() -> None:
    """In its first line: Python reaches the line of the ``if`` only where that begins with its condition."""
    text = "def room(size):\n    if (\n        size\n        and size < 10\n    ):\n        return True\n"
    (other_way,) = (mutant for mutant in made(text) if " not " in mutant.difference)
    assert other_way.lines == {3}


def test_where_a_mutant_may_show() -> None:
    """In its function; where it assigns to an attribute, wherever that is used."""
    text = """
    class Shelf:
        def __init__(self):
            self.size = 0
            self.name = "shelf"

        def note(self):
            return f"{self.size} in {self.name}"

        def add(self):
            self.size += 1
    """
    of_add, of_size = (
        {m.beside for m in made(textwrap.dedent(text).lstrip()) if m.function == f"Shelf.{name}" and "size" in m.key}
        for name in ("add", "__init__")
    )
    assert of_add == {frozenset({9, 10})}
    assert of_size == {frozenset({3, 7, 10})}


def test_functions_are_given_what_was_changed(tmp_path: Path) -> None:
    """Objects that exist already do what the changed source says; nothing of the module is run again."""
    original = compile(SOURCE, str(tmp_path / "shelf.py"), "exec")
    names: dict[str, Any] = {}
    exec(original, names)
    shelf = names["Shelf"]()
    assert shelf.add(3) is True
    changed = compile(SOURCE.replace("self.size += number", "self.size -= number"), str(tmp_path / "shelf.py"), "exec")
    Functions().swap(original, changed)
    shelf.add(2)
    assert shelf.size == 1


def test_what_no_function_has_cannot_be_made(tmp_path: Path) -> None:
    """A module that was never imported; and one whose functions would need other variables of those around them."""
    original = compile(SOURCE, str(tmp_path / "nowhere.py"), "exec")
    with pytest.raises(Unfit):
        Functions().swap(original, compile(SOURCE.replace("< 10", "< 11"), str(tmp_path / "nowhere.py"), "exec"))
    text = "def outer(one):\n    def inner():\n        return one\n    return inner\n"
    names: dict[str, Any] = {}
    original = compile(text, str(tmp_path / "outer.py"), "exec")
    exec(original, names)
    kept = names["outer"](1)
    with pytest.raises(Unfit):
        Functions().swap(original, compile(text.replace("return one", "return 0"), str(tmp_path / "outer.py"), "exec"))
    assert kept() == 1


def test_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a reason, its own or that of the one before."""
    path = tmp_path / "mutants.txt"
    path.write_text("# It is\n# the same.\na.py f\n- 1\n+ 2\n\na.py f\n- 1\n+ 0\n\n# Other.\na.py g\n- 3\n", "utf-8")
    monkeypatch.setattr(listed, "LIST", path)
    assert listed.read() == {
        "a.py f\n- 1\n+ 2": "It is the same.",
        "a.py f\n- 1\n+ 0": "It is the same.",
        "a.py g\n- 3": "Other.",
    }


def test_every_listed_one_has_a_reason() -> None:
    """The list of this library has no mutant without one."""
    found = listed.read()
    assert found
    assert all(found.values())


def run_of(reasons: dict[str, str]) -> tuple[Run, io.StringIO]:
    out = io.StringIO()
    run = Run(["_ledger"], 1, 1.0, reasons, out)
    run._finished = True
    run._files.add("_room/shelf.py")
    return run, out


def note(run: Run, mutant: Mutant, status: int) -> None:
    run._scores.setdefault(mutant.room, Score())
    run._note(Ended(1, [], status, "Traceback" if status == BROKE else ""), mutant, [])


def test_the_verdict() -> None:
    """Of ten mutants nine have to be noticed, and the others to be listed; what cannot be made counts neither way."""
    ten = made()[:10]
    run, out = run_of({mutant.key: "It is the same." for mutant in ten[:1]})
    for mutant in ten[1:] * 2:
        note(run, mutant, KILLED)
    for _ in range(2):
        note(run, ten[0], SURVIVED)
    note(run, made()[10], UNFIT)
    assert run.verdict() == 0
    assert "_room: 90.0 % of 20 killed, 90 % are required" in out.getvalue()
    assert " 1 could not be made, with 0 pytest or this tool broke\n" in out.getvalue()
    run, out = run_of({mutant.key: "It is the same." for mutant in ten[:2]})
    for mutant in ten:
        note(run, mutant, SURVIVED if mutant in ten[:2] else KILLED)
    assert run.verdict() == 1


def test_a_survivor_that_is_not_listed() -> None:
    """One is enough to fail, however many others are noticed; it is shown."""
    killed, survivor = made()[:2]
    run, out = run_of({})
    for _ in range(99):
        note(run, killed, KILLED)
    assert run.verdict() == 0
    note(run, survivor, SURVIVED)
    assert f"\n_room/shelf.py:{survivor.line}\n{survivor.key}\n" in out.getvalue()
    assert run.verdict() == 1
    assert "_room: 99.0 % of 100 killed" in out.getvalue()


def test_what_no_test_reaches() -> None:
    """It is shown with its lines, and must not be much, but in files that others than unit tests reach."""
    one = made()[0]
    run, out = run_of({})
    for _ in range(19):
        note(run, one, KILLED)
    score = run._scores["_room"]
    score.unreached += [replace(one, file="_scope/greenlets.py")] * 9 + [replace(one, line=7)]
    assert run.verdict() == 0
    assert "Not reached by a quick test: 10, in these lines\n    _scope/greenlets.py: " in out.getvalue()
    assert "    _room/shelf.py: 7\n" in out.getvalue()
    score.unreached.append(replace(one, line=5))
    assert run.verdict() == 1
    assert "    _room/shelf.py: 5, 7\n9.5 % are not reached or made, 5 % may be at most\n" in out.getvalue()


def test_what_could_not_be_made_is_bounded_with_it() -> None:
    """Both together: nothing is known of either."""
    one = made()[0]
    run, out = run_of({})
    for status in [KILLED] * 36 + [UNFIT]:
        note(run, one, status)
    run._scores["_room"].unreached.append(one)
    assert run.verdict() == 1
    assert "5.3 % are not reached or made, 5 % may be at most\n" in out.getvalue()
    run._scores["_room"].unfit[0] = replace(one, file="_scope/greenlets.py")
    assert run.verdict() == 0


def test_what_breaks_is_no_kill() -> None:
    """It is shown with its traceback, and fails the run: nothing is known of the mutant, be it listed or not."""
    one = made()[0]
    run, out = run_of({one.key: "It is the same."})
    for mutant in made()[1:11]:
        note(run, mutant, KILLED)
    note(run, one, BROKE)
    assert out.getvalue().endswith(f"\n{one.key}\nNo test fails, but something else does:\nTraceback\n")
    assert run.verdict() == 1
    assert "_room: 100.0 % of 10 killed" in out.getvalue()
    assert " with 1 pytest or this tool broke\n" in out.getvalue()
    assert "Remove it" not in out.getvalue()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize(("then", "killed"), [(HUNG, 1), (KILLED, 1), (SURVIVED, 0)])
def test_what_hangs_has_to_hang_twice(then: int, killed: int) -> None:
    """It is tried again, as what fails is; how that ends counts."""
    run, _ = run_of({})
    run._scores["_room"] = Score()
    ends = [HUNG, then]
    children = Children()
    running: dict[int, _Trial] = {}
    trial = _Trial(made()[0], [], lambda tell: ends[0])
    running[children.start(trial.work)] = trial
    run._wait(children, running)
    score = run._scores["_room"]
    assert (len(children), len(running), score.killed) == (1, 1, 0)
    children.wait()
    (again,) = running.values()
    assert again.again
    del ends[0]
    running = {children.start(again.work): again}
    run._wait(children, running)
    assert not running
    assert (score.killed, score.hung, len(score.survivors)) == (killed, then == HUNG, 1 - killed)


def test_what_is_listed_has_to_survive() -> None:
    """If a test notices one now that is listed, the list has to be shorter."""
    first = made()[0]
    run, out = run_of({first.key: "It is the same."})
    note(run, first, KILLED)
    assert run.verdict() == 1
    assert f"Remove it from tests/mutants.txt:\n{first.key}\n" in out.getvalue()


def test_what_is_listed_and_was_not_tried() -> None:
    """Nothing is known of it where only others were chosen."""
    first = made()[0]
    run, out = run_of({first.key: "It is the same."})
    run._like = re.compile("no such line")
    assert run.verdict() == 0
    assert out.getvalue() == ""


@pytest.mark.parametrize(("status", "hung"), [(HUNG, 1), (-signal.SIGXCPU, 1), (KILLED, 0), (-signal.SIGKILL, 0)])
def test_what_hangs_is_noticed(status: int, hung: int) -> None:
    """Whether the child ends itself, or the system does where it loops within C."""
    run, _ = run_of({})
    note(run, made()[0], status)
    score = run._scores["_room"]
    assert (score.killed, score.hung) == (1, hung)


def test_tests_that_were_not_run_are_no_success() -> None:
    """As where one of them cannot be collected."""
    run, out = run_of({})
    run._finished = False
    run.pytest_collectreport(pytest.CollectReport("tests/x.py", "failed", "no", None))
    assert run.verdict() == 1
    assert out.getvalue() == "cannot collect tests/x.py:\nno\n"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize(
    ("failing", "status"), [([[False], [True, True]], KILLED), ([[True, False], [False]], SURVIVED)]
)
def test_a_test_has_to_fail_twice(failing: list[list[bool]], status: int) -> None:
    """One that fails by itself, now and then, has noticed nothing."""
    run, _ = run_of({})

    class Hook:
        def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> None:
            run._failures.any = item.failing.pop(0)

    class Nothing(Functions):
        def swap(self, original: CodeType, changed: CodeType) -> None:
            """Leave all as it is."""

    config = SimpleNamespace(hook=Hook())
    items: list[Any] = [SimpleNamespace(config=config, failing=fails) for fails in failing]
    run._items = items
    children = Children()
    pid = children.start(run._trial(Nothing(), made()[0].code, made()[0], [0, 1]))
    assert children.wait() == Ended(pid, [1] if status == KILLED else [], status)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize(
    ("raised", "error", "status"),
    [
        (True, ValueError, KILLED),
        (False, ValueError, BROKE),
        (False, KeyboardInterrupt, KILLED),
        (False, MemoryError, KILLED),
    ],
)
def test_pytest_may_break_at_a_test_that_fails(raised: bool, error: type[BaseException], status: int) -> None:
    """As it shows objects of that test: the test has noticed; and what only a test can raise is from one."""
    run, _ = run_of({})

    class Hook:
        def pytest_runtest_protocol(self, item: Any, nextitem: Any) -> None:
            run._failures.raised = raised
            raise error

    class Nothing(Functions):
        def swap(self, original: CodeType, changed: CodeType) -> None:
            """Leave all as it is."""

    item: Any = SimpleNamespace(config=SimpleNamespace(hook=Hook()))
    run._items = [item]
    children = Children()
    children.start(run._trial(Nothing(), made()[0].code, made()[0], [0]))
    assert children.wait().status == status


def test_whether_a_test_has_raised_is_known_before_its_report() -> None:
    """What it raises to be skipped is no failure."""

    def end(error: BaseException | None) -> None:
        if error is not None:
            raise error

    failures = Failures()
    ends = {None: False, pytest.skip.Exception("not here"): False, ValueError(): True}
    for error, raised in ends.items():
        call = pytest.CallInfo[None].from_call(partial(end, error), "call")
        failures.pytest_runtest_makereport(call)
        assert failures.raised is raised
    assert not failures.any


def test_which_tests_may_notice() -> None:
    """The quickest of each file, and others in turn, as many as there is time for."""
    run, _ = run_of({})
    (mutant,) = made("def f():\n    return 1 + 1\n")[:1]
    kinds = [
        ("a.py", 0.4, 0b111100),
        ("a.py", 0.3, 0b111100),
        ("b.py", 0.2, 0b11110),
        ("a.py", 0.4, 0b100),
        ("a.py", 0.1, 1),
    ]
    items: list[Any] = [SimpleNamespace(path=Path(path)) for path, _, _ in kinds]
    run._items = items
    reach = Reach([Measured(b"", seconds, {"x.py": lines}) for _, seconds, lines in kinds])
    assert run._chosen(reach, mutant, "x.py") == [2, 3, 1]
    run._kills[1] = 1
    assert run._chosen(reach, mutant, "x.py") == [1, 2, 3]
    reach = Reach([Measured(b"", 0.5, {"x.py": lines}) for lines in (0b100, 0b100, 0b1100)])
    run._items = items[:1] * 3
    run._kills.clear()
    assert run._chosen(reach, mutant, "x.py") == [0, 1]
    assert run._chosen(reach, replace(mutant, beside=frozenset({2, 3})), "x.py") == [0, 2]


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_children_tell_how_they_end() -> None:
    """What a child tells is there at its end, with its status; one that raises has a status of its own."""
    children = Children()

    def work(tell: Any) -> int:
        tell("one")
        tell(2)
        return 7

    def fail(tell: Any) -> int:
        raise ValueError

    pid = children.start(work)
    assert children.wait() == Ended(pid, ["one", 2], 7)
    pid = children.start(fail)
    ended = children.wait()
    assert ended == Ended(pid, [], BROKE, ended.error)
    assert ended.error.endswith("\nValueError\n")
    assert len(children) == 0
