"""Turn any sentence-embedding model into an aligned multilingual one from translation pairs."""

from lingualign._version import __version__

__all__ = ["__version__"]
