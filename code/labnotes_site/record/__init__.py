"""Records: longer runs of a chapter, made once, kept in the book, shown under the page's own run.

``python -m labnotes_site.record`` makes them. :mod:`.tagged` tells which cells are run and has the
key of their code, :mod:`.run` runs them, :mod:`.stored` keeps what they gave and tells whether it
is still of the present code, :mod:`.page` shows it, :mod:`.bare` takes the work to a machine that
has a graphics card and little else.
"""


class Refused(ValueError):
    """A record that may not be kept, or that is not as its run left it."""
