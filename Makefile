# Everything that is done to this project more than once.

CARGO ?= cargo
DATA ?= data
CONFIG ?= config/duesseldorf

.PHONY: help run morning test check bench

help:
	@echo 'make run      start the service on http://127.0.0.1:8080 with a demo release'
	@echo 'make morning  replay a Düsseldorf morning against it and print the verdict'
	@echo 'make test     everything that must pass'
	@echo 'make check    formatting and lints only'
	@echo 'make bench    how fast it is, beside what it is compared with'

# Release profile: what you see is what a city would run.
run:
	$(CARGO) run --release --locked -p morgenruh -- serve --config $(CONFIG) --data $(DATA) --demo

morning:
	$(CARGO) build --release --locked -p morgenruh -p morgenruh-loadtest
	./loadtest/morning.sh

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings

test: check
	$(CARGO) test --locked --workspace
	$(CARGO) test --locked -p morgenruh-benches --benches
	$(CARGO) build --locked
	BIN=$${CARGO_TARGET_DIR:-target}/debug PEOPLE=1000 SPEED=150 ./loadtest/morning.sh

bench:
	$(CARGO) bench --locked -p morgenruh-benches
