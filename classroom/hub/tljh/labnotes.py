# The class's settings of The Littlest JupyterHub, in /opt/tljh/config/jupyterhub_config.d/labnotes.py
# (https://tljh.jupyter.org/en/latest/topic/escape-hatch.html). After a change: tljh-config reload hub
c = get_config()  # noqa: F821 (JupyterHub defines it)

# Of each student. The chapters of the book need less than 2 GB and one core.
# https://jupyterhub.readthedocs.io/en/stable/reference/api/spawner.html
c.Spawner.mem_limit = "2G"
c.Spawner.cpu_limit = 1.0
# A fork bomb stops here. https://github.com/jupyterhub/systemdspawner#unit_extra_properties
c.SystemdSpawner.unit_extra_properties = {"TasksMax": "256"}

c.Spawner.environment = {
    "LABNOTES_DATA": "/srv/labnotes/data",  # filled by install.sh; else everyone downloads alone
    "OMP_NUM_THREADS": "1",  # as cpu_limit: torch would start a thread per core of the machine
}
c.Spawner.default_url = "/lab"
