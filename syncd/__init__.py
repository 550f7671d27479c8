"""syncd keeps FastGPT datasets an exact, proven mirror of folders of documents."""

__version__ = "0.1.0"
