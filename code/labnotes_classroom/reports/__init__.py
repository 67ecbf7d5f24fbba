"""What goes out: tables and archives for platforms, what to look at, likeness, statistics."""
