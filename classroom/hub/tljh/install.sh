#!/usr/bin/env bash
# The Littlest JupyterHub (TLJH) for one class on one machine: a fresh Ubuntu server, as root.
#
#   sudo bash classroom/hub/tljh/install.sh TEACHER git+https://github.com/OWNER/NAME
#
# TEACHER becomes the hub's admin and chooses a password at the first login. What is a limit or a
# setting of the class stands in labnotes.py, beside this file.
set -euo pipefail
umask 022
teacher=$1
source=$2
hub=$(cd "$(dirname "$0")/.." && pwd)

# 1. The hub. https://tljh.jupyter.org/en/latest/topic/customizing-installer.html
apt-get update --quiet && apt-get install --yes --quiet curl git
curl --fail --location https://tljh.jupyter.org/bootstrap.py | python3 - --admin "$teacher"

# 2. What the students run, in the environment that all share. torch comes first and from its own
#    index: the wheel for the CPU, without the gigabytes for a GPU.
#    https://tljh.jupyter.org/en/latest/howto/user-env/user-environment.html
bin=/opt/tljh/user/bin
"$bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11) and "TLJH 2 or newer is needed")'
"$bin/pip" install torch torchvision --index-url https://download.pytorch.org/whl/cpu
"$bin/pip" install "labnotes @ $source" nbgrader==0.9.6 "nbgitpuller>=1.2"

# 3. Students fetch, validate and submit; the teacher's parts are on the teacher's computer.
#    https://nbgrader.readthedocs.io/en/stable/user_guide/installation.html
"$bin/jupyter" server extension disable --sys-prefix nbgrader.server_extensions.formgrader
"$bin/jupyter" server extension disable --sys-prefix nbgrader.server_extensions.course_list
"$bin/jupyter" labextension disable --level=sys_prefix \
  @jupyter/nbgrader:formgrader @jupyter/nbgrader:course-list @jupyter/nbgrader:create-assignment

# 4. The exchange. nbgrader wants its root writable by all; the sticky bit keeps students from
#    moving the course away. In inbound a student can put a folder, but not see or move another's;
#    in feedback one must know a page's name, which nbgrader makes from a secret of the submission.
#    https://nbgrader.readthedocs.io/en/stable/user_guide/managing_assignment_files.html
exchange=/srv/nbgrader/exchange
install -d -m 0755 /srv/nbgrader
install -d -m 1777 "$exchange"
install -d -m 0755 "$exchange/labnotes" "$exchange/labnotes/outbound"
install -d -m 1733 "$exchange/labnotes/inbound"
install -d -m 0711 "$exchange/labnotes/feedback"
install -D -m 0644 "$hub/nbgrader_config.py" /etc/jupyter/nbgrader_config.py

# 5. The data sets, once for all.
LABNOTES_CACHE=/srv/labnotes/data "$bin/labnotes" data get

# 6. Limits, and the idle culler: one hour, since TLJH's ten minutes are short for a lecture.
#    https://tljh.jupyter.org/en/latest/topic/escape-hatch.html, .../topic/idle-culler.html
install -m 0644 "$hub/tljh/labnotes.py" /opt/tljh/config/jupyterhub_config.d/labnotes.py
/opt/tljh/hub/bin/tljh-config set services.cull.timeout 3600
/opt/tljh/hub/bin/tljh-config reload hub

# 7. Before anyone logs in, HTTPS; it needs your domain.
#    https://tljh.jupyter.org/en/latest/howto/admin/https.html
cat <<'TEXT'
Now give the hub its address, then add the students on its admin page:
  sudo tljh-config set https.enabled true
  sudo tljh-config set https.letsencrypt.email YOU@UNIVERSITY
  sudo tljh-config add-item https.letsencrypt.domains HOST
  sudo tljh-config reload proxy
TEXT
