"""Records: longer runs of a chapter, made once, kept in the book, shown under the page's own run.

``python -m labnotes_site.record`` makes them; :mod:`.stored` keeps them and tells whether they are
still of the present code, :mod:`.run` runs a chapter, :mod:`.page` shows them, :mod:`.bare` takes
the work to a machine that has a graphics card and little else.
"""
