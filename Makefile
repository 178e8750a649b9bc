# Everything that is done to this project more than once.

CARGO ?= cargo
DATA ?= data
CONFIG ?= config/duesseldorf

# Where built programs lie.
TARGET = $${CARGO_TARGET_DIR:-target}
# Other seeds for each commit, the same whenever it is tried.
COMMIT = $$(( 0x$$(git rev-parse HEAD | cut -c 1-15) ))

.PHONY: help packages run run-production morning test check bench sim soak

help:
	@echo 'make run      start the service on http://127.0.0.1:8080 with a demo release'
	@echo 'make run-production  the same with a Redis and a PostgreSQL of its own'
	@echo 'make morning  replay a Düsseldorf morning against it and print the verdict'
	@echo 'make test     everything that must pass'
	@echo 'make check    formatting and lints only'
	@echo 'make sim      the engine in a simulated world: SEED=n replays one, SECONDS=n runs longer'
	@echo 'make soak     kills the service again and again and calls in every promise: CYCLES=n,'
	@echo '              MINUTES=n; PRODUCTION=1 with a Redis and a PostgreSQL that fail as well'
	@echo 'make bench    how fast it is, beside what it is compared with'
	@echo 'make packages installs what tests and production need, where there is apt-get'

# Only programs are needed: tests start servers of their own, on free ports.
packages:
	@have() { PATH="$$PATH:/usr/sbin" command -v "$$1" > /dev/null; }; \
	if have redis-server && have redis-cli && have openssl && have setpriv && have python3 && have node \
	    && have npm && have nginx && have chromium && have aiosmtpd \
	    && { have initdb || ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1; }; then exit 0; fi; \
	if ! have apt-get; then \
	    echo 'Install Redis, PostgreSQL, nginx, Chromium, aiosmtpd, OpenSSL, util-linux, Python and Node.js with npm:' >&2; \
	    echo 'there is no apt-get to do it.' >&2; \
	    exit 1; \
	fi; \
	if [ "$$(id -u)" = 0 ]; then root=; else root=sudo; fi; \
	$$root apt-get update && $$root env DEBIAN_FRONTEND=noninteractive \
	    apt-get install --yes --no-install-recommends \
	    redis-server postgresql openssl util-linux python3 python3-aiosmtpd nginx-light chromium \
	    $$(have node || echo nodejs) $$(have npm || echo npm)

# Release profile: what you see is what a city would run.
run:
	$(CARGO) run --release --locked -p morgenruh -- serve --config $(CONFIG) --data $(DATA) --demo

# Their data stays, as the service's own does.
run-production: packages
	$(CARGO) build --release --locked -p morgenruh -p morgenruh-servers
	$(TARGET)/release/morgenruh-servers run --data $(DATA)/production -- \
	    $(TARGET)/release/morgenruh serve --config $(CONFIG) --data $(DATA)/production/gateway --demo

morning:
	$(CARGO) build --release --locked -p morgenruh -p morgenruh-loadtest
	./loadtest/morning.sh

check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets --exclude morgenruh-interleavings -- -D warnings
	$(CARGO) clippy --locked -p morgenruh-interleavings --all-targets -- -D warnings

# What lets known bugs loose, and what puts other locks into the engine, is built apart: no other
# test may meet either.
test: packages check
	$(CARGO) test --locked --workspace --exclude morgenruh-sim \
	    --exclude morgenruh-lying-disk --exclude morgenruh-interleavings
	$(CARGO) test --locked -p morgenruh-lying-disk
	$(CARGO) test --locked -p morgenruh-interleavings
	$(CARGO) test --locked -p morgenruh-benches --benches
	$(CARGO) build --release --locked -p morgenruh -p morgenruh-loadtest
	PEOPLE=1000 SPEED=150 ./loadtest/morning.sh
	$(TARGET)/release/morgenruh-loadtest soak --cycles 60
	$(TARGET)/release/morgenruh-loadtest soak --production --cycles 18 --seed $(COMMIT)
	$(CARGO) build --profile sim --locked -p morgenruh-sim
	$(TARGET)/sim/morgenruh-sim --from $(COMMIT) --seconds 30
	$(TARGET)/sim/morgenruh-sim --from $(COMMIT) --canaries

sim:
	$(CARGO) build --profile sim --locked -p morgenruh-sim
	$(TARGET)/sim/morgenruh-sim $(if $(SEED),--seed $(SEED),--seconds $(or $(SECONDS),60))

soak: $(if $(PRODUCTION),packages)
	$(CARGO) build --release --locked -p morgenruh -p morgenruh-loadtest
	$(TARGET)/release/morgenruh-loadtest soak $(if $(PRODUCTION),--production) $(if $(SEED),--seed $(SEED)) \
	    $(if $(MINUTES),--minutes $(MINUTES),--cycles $(or $(CYCLES),60))

bench:
	$(CARGO) bench --locked -p morgenruh-benches
