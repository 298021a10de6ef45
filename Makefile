# What each target does is in README.md. Each sets up what it needs; nothing is installed by hand.
export CARGO_TARGET_DIR ?= $(CURDIR)/target
export MOTET_CACHE_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/motet

PLUGINS := namespace-baseline edge-service platform-budget
WASM := $(CARGO_TARGET_DIR)/wasm32-wasip2/plugin

# Every case of the suite with a real and an embedded cluster.
CONFORMANCE := cargo test --locked -p motet-conformance

.PHONY: help setup build plugins guests test test-fast conformance conformance-table soak demo lint doc bench crds

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

setup:
	@./tests/setup.sh

plugins: setup ## the example plugins as components, in $(CARGO_TARGET_DIR)/plugins
	cargo build --locked --profile plugin --target wasm32-wasip2 $(addprefix -p ,$(PLUGINS))
	@mkdir -p $(CARGO_TARGET_DIR)/plugins
	@for p in $(PLUGINS); do \
	  install -m 644 $(WASM)/$$(echo $$p | tr - _).wasm $(CARGO_TARGET_DIR)/plugins/$$p.wasm && \
	  install -m 644 plugins/$$p/$$p.yaml $(CARGO_TARGET_DIR)/plugins/$$p.yaml || exit 1; done

guests: setup ## the guests that misbehave on purpose, for the tests of the sandbox
	cargo build --locked --profile plugin --target wasm32-wasip2 -p motet-guests --examples

build: plugins ## release build of host, CLI and plugins
	cargo build --locked --release -p motet-host -p motet

# Guests and plugins are components: they are built before the tests that run them. Tests that start clusters of processes run
# one at a time; the rest as cargo likes.
test-fast: plugins guests ## every test that needs no real kube-apiserver
	cargo build --locked -p motet-host -p motet
	MOTET_GUESTS=$(WASM)/examples cargo test --locked --workspace --exclude motet-scenarios --exclude motet-conformance
	cargo test --locked -p motet-scenarios --lib --bins --test embedded -- --test-threads=2

test: test-fast lint ## every test
	./tests/real/build.sh >/dev/null
	./tests/real/tools.sh >/dev/null
	$(CONFORMANCE)
	cargo test --locked -p motet-scenarios --test real --test faults -- --test-threads=2

conformance: setup ## embedded clusters measured against a real kube-apiserver
	./tests/real/build.sh >/dev/null
	$(CONFORMANCE)

conformance-table: setup ## the same, and writes the table in sdk/devcluster/README.md
	./tests/real/build.sh >/dev/null
	MOTET_CONFORMANCE_TABLE=write $(CONFORMANCE)

soak: plugins ## random faults by seed on real clusters for MINUTES (30); SEED= replays one
	cargo build --locked -p motet-host
	./tests/real/build.sh >/dev/null
	MOTET_SOAK_SEED=$(or $(SEED),$$(date +%s)) MOTET_SOAK_MINUTES=$(or $(MINUTES),30) \
	  cargo test --locked -p motet-scenarios --test faults soak::soak -- --exact --nocapture

crds: setup ## writes deploy/crds, and the chart's copy, from the Rust types
	cargo run --locked -p motet-catalog --example crds -- deploy/crds
	install -m 644 deploy/crds/*.yaml deploy/chart/crds/

lint: setup ## formatting and lints
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

doc: setup ## docs without warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps

demo: plugins ## the main job on embedded clusters, played and checked; REAL=1 on real kube-apiservers; KEEP=1 keeps it running
	@echo "building the next version of a plugin, which the demo rolls out"
	cargo build --locked --profile plugin --target wasm32-wasip2 -p motet-guests --example baseline_next
	@echo "building motet-host and the demo (the first time, with all that they depend on: some minutes)"
	cargo build --locked -p motet-host -p motet -p motet-scenarios --bin motet-host --bin motet --bin demo
	@[ "$(REAL)" != 1 ] || ./tests/real/build.sh >/dev/null
	@REAL=$(REAL) KEEP=$(KEEP) $(CARGO_TARGET_DIR)/debug/demo

bench: guests ## benchmarks, with a table at the end; motet-bench NAME… runs single ones
	cargo build --locked --release -p motet-bench -p motet-host -p motet-devcluster
	./tests/real/build.sh >/dev/null
	MOTET_GUESTS=$(WASM)/examples $(CARGO_TARGET_DIR)/release/motet-bench
	cargo run --locked --release -p motet-watch --example pods
