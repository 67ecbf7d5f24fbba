"""Wrong answers to the exercises of the chapters that start the book."""
