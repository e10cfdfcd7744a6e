"""OPUS, the open collection of parallel corpora: its catalogue, its archives, and samples of them on this disk.

`plan_fetch` and `fetch`, in `fetch`, are what ``lingualign data fetch`` does; a source ``opus:CORPUS`` is read through
the same catalogue and the same cache of archives, by `source`.
"""
