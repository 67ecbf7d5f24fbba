"""The classroom: nbgrader courses from `classroom/assignments`, graded in a jail."""
