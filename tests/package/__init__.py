"""The package against what we did not write; rooms as in ``code/labnotes``."""
