"""The first cell of every notebook that leaves the book."""

INSTALL = """\
# Run this cell first. It brings the book's package; torch, torchvision and numpy stay as they are.
import importlib.util, os, subprocess, sys

def install(*what):
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *what], check=True)

if importlib.util.find_spec("labnotes") is None:
    source = os.environ.get("LABNOTES_SOURCE") or {source!r}
    if not source:
        raise RuntimeError("Set LABNOTES_SOURCE to the book's repository or folder, then run this cell again.")
    install(source)
"""
