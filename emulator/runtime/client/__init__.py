"""The runtime client: what runs a function's handler inside an execution environment.

This package runs in the function's process, by its path and under a name of its own (`__main__`),
so that a function finds neither the emulator nor its module names on its path. Hence it imports
nothing of `emulator`, and its own modules by relative imports.
"""
