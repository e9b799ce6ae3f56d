# What people and CI run. CI calls only these targets (.ci/run).

# The folder of builds, by cargo's rule.
TARGET := $(or $(CARGO_TARGET_DIR),target)

# The files of `make run`: temporary certificates, the database and the log. Remove the folder to start again.
RUN := target/run
PKI := $(RUN)/pki
PORT := 5696

# The files that --make-certs creates, with the names of PyKMIP's bin/create_certificates.
CA := $(PKI)/root_certificate.pem
SERVER_CERTIFICATE := $(PKI)/server_certificate.pem
SERVER_KEY := $(PKI)/server_key.pem
CLIENT_CERTIFICATE := $(PKI)/client_certificate_john_doe.pem
CLIENT_KEY := $(PKI)/client_key_john_doe.pem

# The files of `make bench`: certificates, databases and logs.
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
.PHONY: help run programs test generated conformance compare check tools bench bench-pykmip bench-compare bench-postgres bench-inspector wheel wheel-test deb deb-test image crash history soak attack fuzz

help: ## Lists the targets.
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

run: programs $(CA) ## Builds the server (minutes, the first time) and serves on 127.0.0.1, PORT (5696), with certificates in target/run.
	cargo build --release
	@printf '\nThe server uses port $(PORT); make run PORT=NUMBER uses another one.\nWith PyKMIP (python3 -m venv venv && venv/bin/pip install pykmip), paste into venv/bin/python3 in this folder:\n\n%s\n\n' "$$FIRST_KEY"
	@exec $(TARGET)/release/run_server -n 127.0.0.1 -p $(PORT) \
		-c $(SERVER_CERTIFICATE) -k $(SERVER_KEY) -a $(CA) -s Basic \
		-d $(RUN)/kmip.database -l $(RUN)/server.log

# Says in one line which program the build lacks.
PROGRAMS := cargo:rustup,~from~https://rustup.rs cc:build-essential perl:perl
programs:
	@for entry in $(PROGRAMS); do \
		command -v "$${entry%%:*}" >/dev/null || \
			{ echo "$${entry%%:*} is not installed; install $$(echo "$${entry#*:}" | tr '~' ' ') (or that package of your system)"; exit 1; }; \
	done
	@test -e $(TARGET)/release/run_server || echo "The first build takes a few minutes."

# Created once, so that the settings of clients stay valid.
$(CA): | programs
	@mkdir -p $(RUN)
	cargo build --release
	$(TARGET)/release/run_server --make-certs $(PKI) -p $(PORT)

test: ## Runs all tests against the release build, including PyKMIP's client and PyKMIP's tests.
	cargo build --release
	KMIP_SERVER_BINARY="$(abspath $(TARGET))/release/run_server" cargo test
	@test -n "$(KMIP_CORPUS)" || echo "the standard's test cases were skipped, because KMIP_CORPUS is not set; set it to their folder"

# The tests that compare these files also write them.
generated: ## Writes server.conf.example, and the generated parts of docs/, COMPATIBILITY.md and the manual page.
	KMIP_WRITE_GENERATED=1 cargo test --test integration -- generated explain::the_document

# KMIP_CORPUS names the folder of the cases; CASE and VERSION (such as VERSION=1.4) select some of them. A run of all cases
# writes its counts to docs/conformance.md. CONFORMANCE_KEEP=waiting writes tests/conformance/waiting.txt instead.
CONFORMANCE_KEEP := counts
conformance: ## Replays the test cases of the standard, and writes the counts to docs/conformance.md.
	@test -n "$(KMIP_CORPUS)" || { echo "usage: make conformance KMIP_CORPUS=DIR [CASE=NAME] [VERSION=1.4]"; exit 2; }
	KMIP_CORPUS="$(abspath $(KMIP_CORPUS))" CASE="$(CASE)" VERSION="$(VERSION)" CONFORMANCE_KEEP="$(CONFORMANCE_KEEP)" \
		cargo test --release --test integration conformance -- --nocapture --test-threads=1

# ONLY names a product, as ONLY=cipher/; UPDATE=1 writes deviations.json, answers.json and the counts anew.
COMPARISON = $$python -W ignore tests/interop/compare.py --server $(TARGET)/release/run_server $(if $(UPDATE),--update)
compare: ## Compares all answers with those of PyKMIP's server: minutes to an hour, one pair of servers per processor.
	cargo build --release --bin run_server
	python=$$(python3 tests/interop/prepare.py --root $(TARGET)/interop) && \
		$(if $(ONLY),,$(COMPARISON) &&) $(COMPARISON) --products whole $(if $(ONLY),--only $(ONLY))

crash: ## Kills the server ROUNDS times (100) while clients write, and checks for lost or incomplete changes and for the bytes of destroyed keys.
	KMIP_CRASH_ROUNDS=$(or $(ROUNDS),100) cargo test --test integration kills -- --nocapture

history: ## Verifies that concurrent requests are linearizable, with and without faults, for SECONDS (60) in each test.
	KMIP_HISTORY_SECONDS=$(or $(SECONDS),60) cargo test --test integration history:: -- --nocapture --test-threads=1

soak: ## A mixed load from 64 clients for SECONDS (600): checks the written objects and the memory.
	KMIP_SOAK_SECONDS=$(or $(SECONDS),600) cargo test --release --test integration soak -- --nocapture

attack: $(BENCH)/pki ## Times the answers to one user beside each attack of another, SECONDS (10) each; ATTACK=NAME selects some.
	cargo build --release --bin run_server --example load
	@ulimit -n 4096; $(TARGET)/release/examples/load -b $(TARGET)/release/run_server -k $(BENCH)/pki -o $(TARGET)/attack \
		-s $(or $(SECONDS),10) -a "$(ATTACK)" attack

# The instrumentation for libFuzzer, with cargo-fuzz's flags, which stable compilers support. Without sanitizers, because
# this package contains no unsafe code.
FUZZ_FLAGS := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
	-Cllvm-args=-sanitizer-coverage-trace-compares --cfg=fuzzing
FUZZ_TARGETS := $(patsubst fuzz/fuzz_targets/%.rs,%,$(wildcard fuzz/fuzz_targets/*.rs))
HOST = $(shell rustc -vV | sed -n 's/^host: //p')

# The fuzz targets use the packages of the release in the same versions; `make check` then compiles them once.
fuzz/Cargo.lock: Cargo.lock
	cp $< $@

fuzz: fuzz/Cargo.lock ## Runs each fuzz target for SECONDS (240), on all processors; needs a C++ compiler.
	KMIP_SEEDS="$(CURDIR)/fuzz" cargo test --test integration seeds
	cd fuzz && CARGO_TARGET_DIR="$(abspath $(TARGET))/fuzz" RUSTFLAGS="$(FUZZ_FLAGS)" \
		cargo build --release --target $(HOST)
	FUZZ_LEAST=$(if $(SECONDS),,50000000) \
		fuzz/run $(TARGET)/fuzz/$(HOST)/release $(or $(SECONDS),240) $(FUZZ_TARGETS)

check: fuzz/Cargo.lock ## Formatting, lints, documentation; licences and advisories if cargo-deny is installed.
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	@for features in "" certificates http legacy-tls log-file management postgres slugs systemd; do \
		echo "cargo clippy --no-default-features --features '$$features'"; \
		cargo clippy --no-default-features --features "$$features" -- -D warnings || exit 1; \
	done
	cd fuzz && cargo fmt --check && CARGO_TARGET_DIR="$(abspath $(TARGET))" \
		cargo clippy --no-default-features -- -D warnings
	RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps
	@PATH="$(abspath $(TARGET))/tools/bin:$$PATH"; \
	if ! cargo deny --version >/dev/null 2>&1; then \
		echo "licences and advisories are not checked, because cargo-deny is not installed; run make tools"; \
	elif cargo deny fetch db >/dev/null 2>&1; then cargo deny check --hide-inclusion-graph; \
	else \
		echo "advisories are not checked, because their database cannot be reached"; \
		cargo deny check --hide-inclusion-graph bans licenses sources; \
	fi

# A fixed version, not optimised, because it takes minutes to build and seconds to run.
tools: $(TARGET)/tools/bin/cargo-deny ## Installs cargo-deny into target/tools, for `make check`.
$(TARGET)/tools/bin/cargo-deny:
	cargo install cargo-deny --version 0.20.2 --locked --debug \
		--root $(TARGET)/tools --target-dir $(TARGET)/tools/build

# ECDSA certificates, because with RSA the server's signature dominates the measurement of handshakes.
$(BENCH)/pki:
	@mkdir -p $(BENCH)
	cargo build --release
	$(TARGET)/release/run_server --make-certs $(BENCH)/pki --ec

# With FLUSH=2.4, each flush takes 2.4 ms longer, as on a disk that performs some hundred commits per second.
SLOW_FLUSH := $(BENCH)/slow_flush.so
SLOW = $(if $(FLUSH),FLUSH_MILLISECONDS=$(FLUSH) LD_PRELOAD="$(abspath $(SLOW_FLUSH))")

$(SLOW_FLUSH): examples/load/slow_flush.c
	@mkdir -p $(BENCH)
	$(CC) -shared -fPIC -O2 -o $@ $< -ldl

bench: $(BENCH)/pki $(if $(FLUSH),$(SLOW_FLUSH)) ## Measures the release server on a new store, and the limits of the machine; about three minutes.
	cargo build --release --bin run_server --example load
	@ulimit -n 4096; $(SLOW) $(LOAD) bench

bench-pykmip: $(BENCH)/pki $(if $(FLUSH),$(SLOW_FLUSH)) ## The same, with PyKMIP's server beside it; about nine minutes.
	cargo build --release --bin run_server --example load
	@ulimit -n 4096; python=$$(python3 tests/interop/prepare.py) && \
		$(SLOW) $(LOAD) -y "$$(dirname "$$python")/pykmip-server" bench

bench-postgres: $(BENCH)/pki ## Measures servers on a PostgreSQL database beside pgbench with the same statements; about eight minutes.
	cargo build --release --bin run_server --example load
	benches/postgres.py $(TARGET)/release/run_server --load $(TARGET)/release/examples/load --pki $(BENCH)/pki

# BASE names the revision to compare with; LIMIT is the permitted rise of instructions in percent.
COMPARE := $(TARGET)/compare
LIMIT := 2
bench-compare: $(BENCH)/pki ## Compares the working tree with BASE=REV: instructions per request, and paired rates.
	@test -n "$(BASE)" || { echo "usage: make bench-compare BASE=REV [LIMIT=2]"; exit 2; }
	@command -v valgrind >/dev/null || { echo "valgrind is not installed (Debian: apt-get install valgrind)"; exit 1; }
	rm -rf $(COMPARE) && mkdir -p $(COMPARE)/source && git archive $(BASE) | tar -x -C $(COMPARE)/source
	cd $(COMPARE)/source && CARGO_TARGET_DIR="$(abspath $(TARGET))" cargo build --release --locked --bin run_server
	cp $(TARGET)/release/run_server $(COMPARE)/base
	cargo build --release --bin run_server --example load
	cp $(TARGET)/release/run_server $(COMPARE)/new
	benches/compare.py $(COMPARE)/base $(COMPARE)/new --load $(TARGET)/release/examples/load --pki $(BENCH)/pki --limit $(LIMIT)

bench-inspector: $(BENCH)/pki ## Compares the rate of Get while a page of the inspector watches with the rate without the management interface.
	cargo build --release --bin run_server --example load
	benches/inspector.py $(TARGET)/release/run_server --load $(TARGET)/release/examples/load --pki $(BENCH)/pki

# maturin in an environment of its own, so that it changes no other environment.
MATURIN := $(TARGET)/maturin

$(MATURIN)/bin/maturin:
	@python3 -c 'import ensurepip' 2>/dev/null || \
		{ echo "python3 cannot create virtual environments; install it with venv (Debian: apt-get install python3-venv)"; exit 1; }
	python3 -m venv $(MATURIN)
	$(MATURIN)/bin/pip install --quiet --disable-pip-version-check 'maturin>=1.9,<2'

wheel: $(MATURIN)/bin/maturin ## Builds the Python wheel, which contains the executables, into target/wheels.
	cd python && "$(abspath $(MATURIN))/bin/maturin" build --release --locked --out "$(abspath $(TARGET))/wheels"

wheel-test: wheel ## Installs the wheel into new environments and tests it there, also with PyKMIP's tests.
	python3 packaging/test_wheel.py "$$(ls -t $(TARGET)/wheels/kmip_server-*.whl | head -1)"

# The image needs an executable without libraries. Only its link differs from that of a release build, so that both share their
# packages. It moves to a folder of its own, and the next release build links again.
image: ## Builds the container image kmip-server with docker, podman or buildah, from a static executable.
	cargo rustc --release --locked --bin run_server -- -C target-feature=+crt-static
	@mkdir -p $(TARGET)/image
	mv $(TARGET)/release/run_server $(TARGET)/image/run_server
	LIBRARIES=refuse packaging/image build $(TARGET)/image/run_server $(NAME)

# A release build, because cargo-deb compresses.
$(TARGET)/tools/bin/cargo-deb:
	cargo install cargo-deb --version 3.8.0 --locked \
		--root $(TARGET)/tools --target-dir $(TARGET)/tools/build

deb: $(TARGET)/tools/bin/cargo-deb ## Builds the Debian package into target/debian.
	cargo build --release --locked
	PATH="$(abspath $(TARGET))/tools/bin:$$PATH" cargo deb --no-build --quiet

deb-test: deb ## Installs, runs, upgrades and removes the Debian package in a system of its own.
	python3 packaging/test_deb.py "$$(ls -t $(TARGET)/debian/kmip-server_*.deb | head -1)"
