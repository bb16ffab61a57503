"""Change the library in one place at a time, and see whether a unit test notices: ``python -m tools.mutants ROOM …``.

The changes are those of mutmut, and three of ours. They are not run by mutmut. It puts a function around each one that
it changes, which this library, where calls are found by their frames, would notice; it leaves out properties; and it
starts from the tests of a whole function. Here one process collects the tests once. For each change it forks, and the
child gives the functions their changed code and runs the tests that reach the line, the quickest first, until one
fails, and fails again. So most changes take a few hundredths of a second.
"""
