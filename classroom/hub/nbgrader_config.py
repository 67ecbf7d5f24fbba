# For every account of a hub: where the exchange is. It goes to /etc/jupyter/nbgrader_config.py
# (https://nbgrader.readthedocs.io/en/stable/configuration/nbgrader_config.html, "Use Case 4").
# Names and meanings of the options: https://nbgrader.readthedocs.io/en/stable/configuration/config_options.html
# This is all that the hub knows of the course: sources, tests and gradebook stay with the teacher.
c = get_config()  # noqa: F821 (nbgrader defines it)

c.CourseDirectory.course_id = "labnotes"  # the course on your computer must have the same
c.Exchange.root = "/srv/nbgrader/exchange"
c.ExchangeSubmit.strict = True  # a submission without its notebook is refused at once
c.CourseDirectory.max_file_size = 20_000  # kB; pack.py takes no more than this from a submission
c.CourseDirectory.max_dir_size = 20_000
