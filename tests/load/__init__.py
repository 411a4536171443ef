"""One client against everybody else: what a member of another organisation notices of it.

``python -m tests.load [--json] [--only NAME …] [--seconds N]`` starts the product in a folder of its own,
on loopback alone, attacks it in each of the ways of :mod:`tests.load.attacks`, and uploads images meanwhile.
"""
