"""Files of pairs, read chunk by chunk and written whole: tables, translation units, archives, encodings.

``readers.py`` and ``writers.py`` hold the tables of formats.
"""
