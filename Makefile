# Two commands matter: `make book` and `make test`. Each sets up what it needs in .venv and node_modules.
PYTHON ?= python3
PY := .venv/bin/python
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
# Real data next to the checkout is used where it is there; without it the bundled data serve.
export LABNOTES_DATA ?=

.PHONY: book test serve pdf offline notebooks records test-colab classroom bench mutants lock clean

book: .venv/.ready node_modules/.ready
	$(PY) -m labnotes_site.build

test: .venv/.ready node_modules/.ready .venv/.browser .venv/.bubblewrap
	# The long files first, the many short ones fill up: both processes are busy to the end.
	$(PY) -m pytest tests/classroom tests/package -n 2 --dist loadfile --no-loadscope-reorder -q
	$(PY) -m labnotes_site.build
	# All tests of a page or a chapter in one process, which opens it once. Three processes, for at
	# times they wait for the browser's frames.
	$(PY) -m pytest tests/book tests/site -n 3 --dist loadgroup --no-loadscope-reorder -q $(PYTEST_ARGS)

serve: book
	$(PY) -m http.server --directory _build/html --bind 127.0.0.1 8000

# The whole book as one PDF, and the site as one zip that needs no server. The site links what is
# there; with both, make the PDF first: it is then in the zip.
pdf: book .venv/.browser
	$(PY) -m labnotes_site.pdf

offline: book
	$(PY) -m labnotes_site.offline

# The build writes a notebook for each chapter beside its page.
notebooks: book
	@echo "The notebooks are in _build/html/notebooks"

# The longer runs that pages show beside their own: all that are missing or of earlier code. Some
# take three quarters of an hour. A run that was stopped goes on when the command is given again.
records: .venv/.ready
	$(PY) -m labnotes_site.record

# Every chapter's notebook in an environment like Colab's. `make test` runs one of them.
test-colab: book
	$(PY) -m pytest tests/book/test_colab.py -q --all-notebooks

# The nbgrader course of the assignments: classroom/README.md.
classroom: .venv/.ready .venv/.bubblewrap
	.venv/bin/labnotes-classroom build

# Ours against d2l's own training, then (a quarter of an hour) what the loop costs over a bare step.
# Results with machine, versions and date: benchmarks/results.
bench: .venv/.ready
	$(PY) benchmarks/against_d2l.py --all --save
	$(PY) benchmarks/foundations_against_d2l.py --save
	$(PY) benchmarks/optimizers_against_d2l.py --save
	$(PY) benchmarks/detection_against_d2l.py --save
	$(PY) benchmarks/text_against_d2l.py --save
	$(PY) benchmarks/rnn_against_d2l.py --save
	$(PY) benchmarks/seq2seq_against_d2l.py --save
	$(PY) benchmarks/beam_search.py --save
	$(PY) benchmarks/attention_against_d2l.py --save
	$(PY) benchmarks/bert_against_d2l.py --save
	$(PY) benchmarks/gan_against_d2l.py --save
	$(PY) benchmarks/loop_overhead.py --save

# Small faults in the taught code: which of them would no test notice? Half an hour; not part of CI.
# make mutants MUTANTS_ARGS="convnets/vgg --sample 0" tries every fault of one module.
mutants: .venv/.ready
	OMP_NUM_THREADS=1 $(PY) tests/mutants.py $(MUTANTS_ARGS)

lock: .venv/.ready
	.venv/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --no-annotate -q -o requirements.txt

clean:
	rm -rf _build

.venv/.ready: requirements.txt pyproject.toml
	@# An environment of another Python, or of one that has gone, is made anew.
	@$(PY) -c '$(FITS)' 2>/dev/null || { \
	  $(PYTHON) -c '$(FITS)' || { echo "The book needs Python 3.11 to 3.13, and $(PYTHON) is none: choose one with make PYTHON=python3.12"; exit 1; }; \
	  rm -rf .venv; $(PYTHON) -m venv .venv; }
	$(PY) -m pip install --quiet --disable-pip-version-check uv==0.13.9
	# Compiled once here; otherwise every kernel that may not write bytecode compiles torch anew.
	.venv/bin/uv pip install --quiet --compile-bytecode --python $(PY) -r requirements.txt
	# d2l pins packages of 2023 that Python 3.12 cannot install; it works with today's.
	.venv/bin/uv pip install --quiet --python $(PY) --no-deps d2l==1.0.3 -e .
	touch $@

node_modules/.ready: package.json package-lock.json
	@command -v npm >/dev/null || { echo "The site needs npm (Node.js 18 or newer): install it, then run make again"; exit 1; }
	npm ci --no-audit --no-fund --silent
	touch $@

.venv/.browser: .venv/.ready
	$(PY) -m labnotes_site.browser
	touch $@

.venv/.bubblewrap: .venv/.ready
	$(PY) tests/classroom/bubblewrap.py
	touch $@
