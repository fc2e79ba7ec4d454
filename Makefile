# The way in. `make help` lists what there is; the work is in scripts/ and in the llmos command.
.PHONY: help bootstrap up down images check test demo soak clean
.DEFAULT_GOAL := help
LLMOS := .venv/bin/llmos

help:       ## this list
	@sed -n 's/^\([a-z]*\):.*##/  make \1 \t/p' Makefile | expand -t 18

bootstrap:  ## install what everything below needs (Debian packages, Go, .venv)
	@scripts/bootstrap

up: bootstrap  ## start the local cluster
	@$(LLMOS) up

down: bootstrap  ## stop the local cluster; its state stays
	@$(LLMOS) down

images: bootstrap  ## build and push the images that changed
	@$(LLMOS) images

demo: bootstrap  ## train, serve and ask the healthcare example on a real Kubernetes
	@$(LLMOS) demo

check: bootstrap  ## format, lint, types, imports, fast tests (two minutes)
	@scripts/check

test: bootstrap  ## every test, on a real cluster too
	@scripts/test

soak: bootstrap  ## the long tests
	@.venv/bin/pytest -m soak

clean: bootstrap  ## stop the cluster, delete its state and what this checkout made; the cache stays
	@$(LLMOS) down --purge
	@rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
