"""The commands: plain functions, whose signatures and docstrings are the options.

None imports anything heavy before it runs, so that help is instant.
"""
