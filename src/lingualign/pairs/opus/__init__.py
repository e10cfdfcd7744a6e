"""OPUS, the open collection of parallel corpora: its catalogue, its archives, and samples of them on this disk.

`plan_fetch` and `fetch` in ``fetch.py`` do what ``lingualign data fetch`` does. ``source.py`` reads a source
``opus:CORPUS`` through the same catalogue and the same cache of archives.
"""
