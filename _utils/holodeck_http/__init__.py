"""
One HTTP suite, in-process or against a live target.

Free of Salt, so that the same files serve a laptop and a tester minion.
``results`` and ``checks`` need only the standard library: a minion's own
Python imports them; ``queries`` uses python-jsonpath where it is there.
``app`` and ``plugin`` need WebTest and pytest, which the
tester's bundle brings.
"""
