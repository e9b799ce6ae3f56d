# What people and CI run. CI calls only these targets (.ci/run).

# cargo's own rule for where builds go.
TARGET := $(or $(CARGO_TARGET_DIR),target)

# What `make run` leaves behind: a throw-away PKI, the database and the log. Remove it to begin anew.
RUN := target/run
PKI := $(RUN)/pki
PORT := 5696

# The files that --make-certs writes, as bin/create_certificates of PyKMIP names them.
CA := $(PKI)/root_certificate.pem
SERVER_CERTIFICATE := $(PKI)/server_certificate.pem
SERVER_KEY := $(PKI)/server_key.pem
CLIENT_CERTIFICATE := $(PKI)/client_certificate_john_doe.pem
CLIENT_KEY := $(PKI)/client_key_john_doe.pem

# What `make bench` leaves behind: another PKI, the databases, the logs.
BENCH := $(TARGET)/bench
LOAD = $(TARGET)/release/examples/load -b $(TARGET)/release/run_server -k $(BENCH)/pki -o $(BENCH)/data

# README.md has the same lines.
define FIRST_KEY
from kmip import enums
from kmip.pie.client import ProxyKmipClient

client = ProxyKmipClient(
    hostname="127.0.0.1",
    port=$(PORT),
    cert="$(CLIENT_CERTIFICATE)",
    key="$(CLIENT_KEY)",
    ca="$(CA)",
    ssl_version="PROTOCOL_SSLv23",
)
client.open()
uid = client.create(enums.CryptographicAlgorithm.AES, 256, name="first key")
client.activate(uid)
print(uid, client.get(uid))
client.close()
endef
export FIRST_KEY

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test generated conformance check tools bench bench-pykmip bench-compare wheel wheel-test deb deb-test crash soak fuzz

help: ## Lists the targets.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

run: $(CA) ## Builds the server and serves on 127.0.0.1:5696 with a throw-away PKI under target/run.
	cargo build --release
	@printf '\nWith PyKMIP installed (pip install pykmip), paste into a python3 started in this folder:\n\n%s\n\n' "$$FIRST_KEY"
	@exec $(TARGET)/release/run_server -n 127.0.0.1 -p $(PORT) \
		-c $(SERVER_CERTIFICATE) -k $(SERVER_KEY) -a $(CA) -s Basic \
		-d $(RUN)/kmip.database -l $(RUN)/server.log

# Made once, so that a client that was set up stays valid.
$(CA):
	@mkdir -p $(RUN)
	cargo build --release
	$(TARGET)/release/run_server --make-certs $(PKI)

test: ## Runs every test, PyKMIP's client and its own tests included, against the release build.
	cargo build --release
	KMIP_SERVER_BINARY="$(abspath $(TARGET))/release/run_server" cargo test
	@test -n "$(KMIP_CORPUS)" || echo "KMIP_CORPUS is not set: the standard's test cases were skipped"

# The tests that compare these files write them, too.
generated: ## Writes server.conf.example, and the generated parts of docs/, COMPATIBILITY.md and the manual page.
	KMIP_WRITE_GENERATED=1 cargo test --test integration -- generated explain::the_document

# KMIP_CORPUS names the folder of the cases; CASE and VERSION (as VERSION=1.4) narrow the run down. A run of everything
# writes its counts into docs/conformance.md. CONFORMANCE_KEEP=waiting writes tests/conformance/waiting.txt anew instead.
CONFORMANCE_KEEP := counts
conformance: ## Replays the standard's own test cases, and counts those that pass in docs/conformance.md.
	@test -n "$(KMIP_CORPUS)" || { echo "usage: make conformance KMIP_CORPUS=DIR [CASE=NAME] [VERSION=1.4]"; exit 2; }
	KMIP_CORPUS="$(abspath $(KMIP_CORPUS))" CASE="$(CASE)" VERSION="$(VERSION)" CONFORMANCE_KEEP="$(CONFORMANCE_KEEP)" \
		cargo test --release --test integration conformance -- --nocapture --test-threads=1

crash: ## Kills the server ROUNDS times (100) while clients write, and looks for anything lost or half done.
	KMIP_CRASH_ROUNDS=$(or $(ROUNDS),100) cargo test --test integration kills -- --nocapture

soak: ## A mixed load from 64 clients for SECONDS (600): what was written is read back, memory stays flat.
	KMIP_SOAK_SECONDS=$(or $(SECONDS),600) cargo test --release --test integration soak -- --nocapture

# The instrumentation that libFuzzer follows, which a stable compiler has too (the flags are cargo-fuzz's), and the
# sanitizers left out: the code of this package has nothing unsafe.
FUZZ_FLAGS := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares --cfg=fuzzing
FUZZ_TARGETS := $(patsubst fuzz/fuzz_targets/%.rs,%,$(wildcard fuzz/fuzz_targets/*.rs))
HOST = $(shell rustc -vV | sed -n 's/^host: //p')

# Its packages in the versions of this folder: what is fuzzed is what is shipped, and `make check` compiles it once.
fuzz/Cargo.lock: Cargo.lock
	cp $< $@

fuzz: fuzz/Cargo.lock ## Runs each program of fuzz/ for SECONDS (240), on all processors; needs a C++ compiler.
	KMIP_SEEDS="$(CURDIR)/fuzz" cargo test --test integration seeds
	cd fuzz && CARGO_TARGET_DIR="$(abspath $(TARGET))/fuzz" RUSTFLAGS="$(FUZZ_FLAGS)" \
		cargo build --release --target $(HOST)
	FUZZ_LEAST=$(if $(SECONDS),,50000000) \
		fuzz/run $(TARGET)/fuzz/$(HOST)/release $(or $(SECONDS),240) $(FUZZ_TARGETS)

check: fuzz/Cargo.lock ## Formatting, lints, documentation, and licences and advisories where cargo-deny is installed.
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	@for features in "" certificates http log-file slugs; do \
		echo "cargo clippy --no-default-features --features '$$features'"; \
		cargo clippy --no-default-features --features "$$features" -- -D warnings || exit 1; \
	done
	cd fuzz && cargo fmt --check && CARGO_TARGET_DIR="$(abspath $(TARGET))" \
		cargo clippy --no-default-features -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps
	@PATH="$(abspath $(TARGET))/tools/bin:$$PATH"; \
	if ! cargo deny --version >/dev/null 2>&1; then \
		echo "cargo-deny is not installed (make tools): licences and advisories are not checked"; \
	elif cargo deny fetch db >/dev/null 2>&1; then cargo deny check --hide-inclusion-graph; \
	else \
		echo "the database of advisories cannot be reached: advisories are not checked"; \
		cargo deny check --hide-inclusion-graph bans licenses sources; \
	fi

# Of a known version, and not optimised: it takes minutes to build and seconds to run.
tools: $(TARGET)/tools/bin/cargo-deny ## Installs cargo-deny into target/tools, for `make check`.
$(TARGET)/tools/bin/cargo-deny:
	cargo install cargo-deny --version 0.20.2 --locked --debug \
		--root $(TARGET)/tools --target-dir $(TARGET)/tools/build

# ECDSA certificates: with RSA ones, handshakes measure little else than the server's signature.
$(BENCH)/pki:
	@mkdir -p $(BENCH)
	cargo build --release
	$(TARGET)/release/run_server --make-certs $(BENCH)/pki --ec

# With FLUSH=2.4, every flush of every process takes 2.4 ms longer, as on a disk that does some hundred commits a second.
SLOW_FLUSH := $(BENCH)/slow_flush.so
SLOW = $(if $(FLUSH),FLUSH_MILLISECONDS=$(FLUSH) LD_PRELOAD="$(abspath $(SLOW_FLUSH))")

$(SLOW_FLUSH): examples/load/slow_flush.c
	@mkdir -p $(BENCH)
	$(CC) -shared -fPIC -O2 -o $@ $< -ldl

bench: $(BENCH)/pki $(if $(FLUSH),$(SLOW_FLUSH)) ## Measures the release server on a fresh store, beside what bounds it; about three minutes.
	cargo build --release --bin run_server --example load
	@ulimit -n 4096; $(SLOW) $(LOAD) bench

bench-pykmip: $(BENCH)/pki $(if $(FLUSH),$(SLOW_FLUSH)) ## The same, with PyKMIP's server beside it; about nine minutes.
	cargo build --release --bin run_server --example load
	@ulimit -n 4096; python=$$(python3 tests/interop/prepare.py) && \
		$(SLOW) $(LOAD) -y "$$(dirname "$$python")/pykmip-server" bench

# BASE names the revision to compare the working tree with; LIMIT is by how many percent instructions may rise.
COMPARE := $(TARGET)/compare
LIMIT := 2
bench-compare: $(BENCH)/pki ## Compares the working tree with BASE=REV: instructions per request, and rates in paired runs.
	@test -n "$(BASE)" || { echo "usage: make bench-compare BASE=REV [LIMIT=2]"; exit 2; }
	@command -v valgrind >/dev/null || { echo "valgrind is not installed (Debian: apt-get install valgrind)"; exit 1; }
	rm -rf $(COMPARE) && mkdir -p $(COMPARE)/source && git archive $(BASE) | tar -x -C $(COMPARE)/source
	cd $(COMPARE)/source && CARGO_TARGET_DIR="$(abspath $(TARGET))" cargo build --release --locked --bin run_server
	cp $(TARGET)/release/run_server $(COMPARE)/base
	cargo build --release --bin run_server --example load
	cp $(TARGET)/release/run_server $(COMPARE)/new
	benches/compare.py $(COMPARE)/base $(COMPARE)/new --load $(TARGET)/release/examples/load --pki $(BENCH)/pki --limit $(LIMIT)

# maturin in an environment of its own, so that nothing is installed beside it.
MATURIN := $(TARGET)/maturin

$(MATURIN)/bin/maturin:
	python3 -m venv $(MATURIN)
	$(MATURIN)/bin/pip install --quiet --disable-pip-version-check 'maturin>=1.9,<2'

wheel: $(MATURIN)/bin/maturin ## Builds the Python wheel, with the executables in it, into target/wheels.
	cd python && "$(abspath $(MATURIN))/bin/maturin" build --release --locked --out "$(abspath $(TARGET))/wheels"

wheel-test: wheel ## Installs the wheel into fresh environments and uses it there, PyKMIP's own tests included.
	python3 packaging/test_wheel.py "$$(ls -t $(TARGET)/wheels/kmip_server-*.whl | head -1)"

# Not a debug build: it compresses.
$(TARGET)/tools/bin/cargo-deb:
	cargo install cargo-deb --version 3.8.0 --locked \
		--root $(TARGET)/tools --target-dir $(TARGET)/tools/build

deb: $(TARGET)/tools/bin/cargo-deb ## Builds the Debian package into target/debian.
	cargo build --release --locked
	PATH="$(abspath $(TARGET))/tools/bin:$$PATH" cargo deb --no-build --quiet

deb-test: deb ## Installs the Debian package into a system of its own, and runs, upgrades and removes it there.
	python3 packaging/test_deb.py "$$(ls -t $(TARGET)/debian/kmip-server_*.deb | head -1)"
