# Everything that is done with this repository. `make` alone lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := $(or $(CARGO_TARGET_DIR),target)/debug
RELEASE := $(or $(CARGO_TARGET_DIR),target)/release
# What the end-to-end tests and `make run` start.
PARTS := -p stripe402-ledger -p stripe-sim -p stripe402-dev -p stripe402-client -p stripe402-images
# The filter is a wasm module: its native build exists for its unit tests only. The client for Python is loaded by
# Python only. Always this selection: another one has other features of the libraries, and builds all of them again.
NATIVE := --workspace --exclude stripe402-filter --exclude stripe402-client-python

.PHONY: help
help: ## This list
	@printf '\n  stripe402: pay per request at the gateway\n\n'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r target text; do \
		printf '  make %-12s %s\n' "$$target" "$$text"; done
	@printf '\n'

.PHONY: run
run: ## Start everything; prints lines to paste, Ctrl-C stops all. STRIPE402_DIST=folder: a release's programs, nothing is built
	@exec ./scripts/run.sh

.PHONY: demo
demo: ## Pay for requests, step by step (in a second terminal, beside make run)
	@exec ./scripts/demo.sh

.PHONY: test
# The same paths and schedules each time; `make soak` makes others.
test: export PROPTEST_RNG_SEED := 402
# Tests wait for time-outs more than they compute.
test: export RUST_TEST_THREADS := $(shell expr $$(nproc) + 1)
test: setup wasm-trap wasm native sdks client-js client-py ## All tests: native, wasm under Node, end to end
	@printf '\n== the filter'\''s rules, natively\n'
	cargo test --quiet -p stripe402-filter --lib --test corpus
	@printf '\n== the protocol as wasm, under Node\n'
	CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER="$(CURDIR)/.tools/bin/wasm-bindgen-test-runner" \
		cargo test -p stripe402-protocol --target wasm32-unknown-unknown --test golden
	@printf '\n== the client'\''s rules for JavaScript, under Node and in Chromium\n'
	@./scripts/test-client-wasm.sh
	@printf '\n== units, components, and end to end: Envoy, ledger, API and Stripe stand-in as processes\n'
	cargo test --quiet $(NATIVE)
	@./scripts/count-stores.sh $(NATIVE)

.PHONY: test-quick
test-quick: setup-rust ## The rules alone, without Envoy, databases or browsers: a few minutes
	cargo test --quiet -p stripe402-filter --lib
	cargo test --quiet -p stripe402-protocol -p stripe402-client -p stripe402-ledger -p stripe-sim --lib --test rules --test floors

.PHONY: soak
soak: setup wasm-trap wasm parts sdks ## Long proofs: a million schedules, 10,000 of a disk that fails, a million random commands and 5,000 histories per store, crashes, 20 million charges beside backups, a million requests, metered ones on every store, fuzzing
	STRIPE402_RANDOM_STEPS=1000000 cargo test --release -p stripe402-ledger --test stores --test postgres --test redis random -- --nocapture
	STRIPE402_HISTORIES=5000 cargo test --release -p stripe402-ledger --test stores --test postgres --test redis concurrent_ -- --nocapture
	STRIPE402_FAULTS=10000 cargo test --profile simulation -p stripe402-ledger --lib store::embedded::faults -- --nocapture
	$(MAKE) simulate SCHEDULES=1000000
	$(MAKE) simulate SCHEDULES=100000 SEED=5 EVERY=6
	$(MAKE) simulate MUTANTS=1
	STRIPE402_CRASHES=50 cargo test -p stripe402-ledger --test postgres --test redis acknowledged
	STRIPE402_BACKUP_CHARGES=20000000 cargo test --release -p stripe402-ledger --test postgres soak:: -- --nocapture
	STRIPE402_CRASHES=50 cargo test -p stripe402-tests --test gateway crash:: -- --test-threads=1 --nocapture
	STRIPE402_CARDS=20 STRIPE402_OUTAGE=40 cargo test -p stripe402-tests --test gateway outages:: -- --test-threads=1 --nocapture
	STRIPE402_FAILOVERS=30 cargo test -p stripe402-tests --test gateway failover:: -- --test-threads=1 --nocapture
	STRIPE402_DEATHS=20 cargo test -p stripe402-tests --test gateway vm_death:: -- --nocapture
	STRIPE402_LAST_CREDITS=20 STRIPE402_LEASE_DEATHS=50 cargo test -p stripe402-tests --test gateway leases:: -- --test-threads=1 --nocapture
	STRIPE402_REQUESTS=1000000 cargo test -p stripe402-tests --test gateway memory -- --nocapture
	STRIPE402_ENDINGS=all cargo test -p stripe402-tests --test gateway metered::endings -- --nocapture
	STRIPE402_METERED=100000 cargo test -p stripe402-tests --test gateway metered::soak -- --test-threads=1 --nocapture
	STRIPE402_STREAMS=500 cargo test -p stripe402-tests --test gateway metered::latency -- --nocapture
	STRIPE402_EXAMPLES=1000 cargo test -p stripe402-tests --test gateway the_api_keeps -- --nocapture
	STRIPE402_PATHS=5000000 cargo test --release -p stripe402-filter --test corpus
	./scripts/fuzz.sh $(or $(FUZZ_SECONDS),120)

.PHONY: simulate
simulate: setup-rust ## Look for schedules that break a rule: SEED=7 tells one, SCHEDULES=10000 searches, SEED=5 EVERY=6 only with leases, MUTANTS=1 tests the search
	@cargo build --quiet --profile simulation -p stripe402-simulation
	@exec $(or $(CARGO_TARGET_DIR),target)/simulation/stripe402-simulate --seed $(or $(SEED),1) \
		--schedules $(or $(SCHEDULES),$(if $(MUTANTS),20000,$(if $(SEED),1,10000))) $(if $(MUTANTS),--mutants) $(if $(EVERY),--every $(EVERY))

.PHONY: bench
bench: bench-build ## What a paid request costs, beside plain Envoy: bench/results.svg
	@exec $(RELEASE)/stripe402-bench

.PHONY: bench-full
bench-full: bench-build ## The same over HTTP/1.1 and HTTP/2, 1 to 512 connections, 1 and 2 workers; half an hour
	@exec $(RELEASE)/stripe402-bench --folder bench/full --rounds 3 --seconds 2 \
		--workers 1,2 --protocols http1,http2 --connections 1,8,32,128,512

.PHONY: bench-check
bench-check: setup-rust ## Instructions of the gate's step and of the ledger's batch, beside bench/instructions.json
	@./scripts/setup-valgrind.sh
	@cargo build --quiet --release -p stripe402-bench --bin stripe402-bench-steps
	@exec $(RELEASE)/stripe402-bench-steps $(if $(UPDATE),--update)

.PHONY: bench-build
bench-build: setup wasm
	@./scripts/setup-load.sh
	@./scripts/build-bench-noop.sh
	@cargo build --quiet --release $(PARTS) --bins -p stripe402-bench

.PHONY: bench-call
bench-call: setup ## What one call of a gateway costs a ledger in CPU time: LEDGERS="old/ledger new/ledger" compares several
	@cargo build --quiet --release -p stripe402-ledger -p stripe402-bench --bins
	@exec $(RELEASE)/stripe402-bench-call $(addprefix --ledger ,$(LEDGERS))

.PHONY: bench-store
bench-store: setup ## What a deduction costs on each store, beside redis-benchmark and pgbench
	@cargo build --quiet --release -p stripe402-bench
	@exec $(RELEASE)/stripe402-bench-store

.PHONY: bench-growth
bench-growth: setup ## Bytes of each thing that a ledger keeps, on each store
	@cargo build --quiet --release -p stripe402-bench --bin stripe402-bench-growth
	@exec $(RELEASE)/stripe402-bench-growth

.PHONY: bench-large
bench-large: setup parts ## An operator's jobs on large books: CLIENTS=1000000 DEDUCTIONS=10000000 STORE=postgres
	@cargo build --quiet --release -p stripe402-bench --bin stripe402-bench-large
	@exec $(RELEASE)/stripe402-bench-large --clients $(or $(CLIENTS),1000000) \
	  --deductions $(or $(DEDUCTIONS),10000000) $(if $(STORE),--store $(STORE))

.PHONY: openapi
openapi: ## Prices in an OpenAPI document, as x-payment-info: CONFIG=envoy/envoy.yaml SPEC=openapi.yaml, STRICT=1 fails if one is missing
	@cargo build --quiet -p stripe402-dev --bin stripe402-openapi
	@exec $(BIN)/stripe402-openapi $(if $(STRICT),--strict) $(if $(JSON),--json) $(or $(CONFIG),envoy/envoy.yaml) $(SPEC)

.PHONY: fuzz
fuzz: setup-rust ## Coverage-guided fuzzing of what strangers can send: FUZZ_SECONDS=60 per target
	STRIPE402_PATHS=5000000 cargo test --release -p stripe402-filter --test corpus
	./scripts/fuzz.sh $(or $(FUZZ_SECONDS),60)

.PHONY: lint
lint: setup-rust ## Formatting, clippy, licences and sources of dependencies, shell scripts, workflows
	@./scripts/setup-deny.sh
	@./scripts/setup-shellcheck.sh
	@./scripts/setup-workflow-linters.sh
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	cargo clippy --quiet -p stripe402-filter -p stripe402-bench-noop --target wasm32-wasip1 -- -D warnings
	cargo clippy --quiet -p stripe402-protocol -p stripe402-client-js --target wasm32-unknown-unknown -- -D warnings
	./scripts/lint-dependencies.sh
	.tools/venv/bin/shellcheck -x -P scripts scripts/*.sh .ci/run
	./scripts/lint-workflows.sh

.PHONY: wasm
wasm: setup-rust ## Build the filter: dist/stripe402_filter.wasm
	@./scripts/build-wasm.sh

.PHONY: wasm-trap
wasm-trap: setup-rust
	@./scripts/build-wasm.sh --trap

.PHONY: images
images: wasm ## Make OCI images of the ledger and the filter: dist/oci
	@./scripts/build-images.sh

.PHONY: dist
dist: setup-rust ## What a release has, for this machine: dist/release; ONLY="wasm npm chart programs wheel" makes some parts
	@if [[ " $(or $(ONLY),npm) " == *" npm "* ]]; then ./scripts/setup-node.sh && ./scripts/setup-wasm-bindgen.sh; fi
	@./scripts/dist.sh $(ONLY)

.PHONY: reproducible
reproducible: setup-rust ## Build the wasm and the npm package twice, in two folders, and compare
	@./scripts/setup-node.sh
	@./scripts/setup-wasm-bindgen.sh
	@./scripts/reproducible.sh

.PHONY: sbom
sbom: setup-rust ## What the programs are made of, as CycloneDX: dist/sbom
	@./scripts/sbom.sh

.PHONY: crates
crates: setup-rust ## Pack the crates as crates.io takes them: target/package
	@./scripts/crates.sh package

.PHONY: publish-crates
publish-crates: setup-rust
	@./scripts/crates.sh publish

.PHONY: release-notes
release-notes: ## What the changelog says of this version; TAG=v1.2.3 also checks the tag
	@./scripts/release-notes.sh $(TAG)

.PHONY: client-js
client-js: setup ## Build the npm package of the paying side: client/js/dist
	@./scripts/build-client-js.sh

.PHONY: client-py
client-py: setup-rust ## Build the Python package of the paying side: client/python/dist, PROFILE=release to ship it
	@./scripts/setup-python-client.sh
	@./scripts/build-client-py.sh $(or $(PROFILE),dev)

.PHONY: setup
setup: setup-run ## Install what is needed: the pinned Rust, Envoy, databases, test runners
	@./scripts/setup-node.sh
	@./scripts/setup-postgres.sh
	@./scripts/setup-redis.sh
	@./scripts/setup-chromium.sh
	@./scripts/setup-wasm-bindgen.sh
	@./scripts/setup-manifests.sh
	@./scripts/setup-skopeo.sh
	@./scripts/setup-schemathesis.sh
	@./scripts/setup-pympp.sh
	@./scripts/setup-prometheus.sh

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: clean
clean: ## Remove what was built; tools (.tools) and balances (.run) stay
	cargo clean
	rm -rf dist

.PHONY: setup-rust setup-run parts native sdks
setup-rust:
	@./scripts/setup-rust.sh

setup-run: setup-rust
	@./scripts/setup-envoy.sh

parts: setup-rust
	@printf '  ledger, Stripe stand-in, demo API: building (a few minutes the first time)\n'
	@cargo build $(PARTS) --bins

native: setup-rust
	@printf '  programs and tests: building (some minutes the first time)\n'
	@cargo build $(NATIVE) --bins --tests

# Another maker's client in Rust, which the tests pay with. A workspace of its own: its features would change ours.
sdks: setup-rust
	@cargo build --quiet --locked --manifest-path tests/sdks/rust/Cargo.toml --target-dir "$(or $(CARGO_TARGET_DIR),target)"
