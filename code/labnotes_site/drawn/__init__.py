"""What is drawn on a page: figures, formulas and explorers."""
