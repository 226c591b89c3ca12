"""
One HTTP suite, in-process or against a live target.

Free of Salt, so that the same files serve a laptop and a tester minion.
``results`` and ``checks`` need only the standard library: a minion's own
Python imports them. ``app`` and ``plugin`` need WebTest and pytest, which the
tester's bundle brings.
"""
