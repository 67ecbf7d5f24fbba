# nbgrader's settings for the course; `labnotes-classroom build` copies this file into the course.
# It is read by nbgrader's own programs too (the formgrader, the exchange), started in that folder.
c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "labnotes"
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "*.md"]

# As in labnotes_classroom/source.py.
c.ClearSolutions.begin_solution_delimeter = "### BEGIN SOLUTION"
c.ClearSolutions.end_solution_delimeter = "### END SOLUTION"
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\nraise NotImplementedError()"}
c.ClearSolutions.text_stub = "YOUR ANSWER HERE"
c.ClearHiddenTests.begin_test_delimeter = "### BEGIN HIDDEN TESTS"
c.ClearHiddenTests.end_test_delimeter = "### END HIDDEN TESTS"
c.IncludeHeaderFooter.header = ""

# The formgrader's own Generate Feedback would show hidden tests; so it writes our page.
c.GenerateFeedback.exporter_class = "labnotes_classroom.formgrader.FeedbackPage"
