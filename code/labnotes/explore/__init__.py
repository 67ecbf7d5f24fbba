"""The book's explorers: widgets that live in a notebook and, with no kernel, on the static page."""
