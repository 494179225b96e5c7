# `just` lists everything; `just ci` is what CI runs.
_default:
    @just --list --unsorted

# A server on simulated nodes, to try things out
demo *ARGUMENTS:
    cargo run -- demo {{ARGUMENTS}}

# All tests that need no root and no network
test *ARGUMENTS:
    cargo test {{ARGUMENTS}}

# Format, lints and documentation, as CI checks them
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    cargo clippy --test lab --test adopted --test claim --test drift --test moves --test speed --test survive --test torture --test provisioner -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items --quiet

# Licences, advisories and sources of dependencies (cargo install cargo-deny)
deny:
    cargo deny check

# Heketi's Python client through the life of a cluster (python3 with venv, and the package index once)
python-client:
    tests/clients/python/run

# Kubernetes' own provisioner makes volumes (a control plane: see tests/kube/README.md)
kube *FOLDER:
    tests/kube/run {{FOLDER}}

# The image, built around the program of this folder and started (root on Debian)
image:
    tests/image/run

# Kills the server again and again while simulated nodes misbehave
torture *ARGUMENTS:
    tests/torture {{ARGUMENTS}}

# The whole product on real GlusterFS nodes (root on Debian)
lab *USERS:
    tests/lab/run {{USERS}}

# A claim of Kubernetes on the same nodes
claim *USER:
    tests/lab/claim {{USER}}

# Bricks moving between four of them while their volumes are written to
moves *USER:
    tests/lab/moves {{USER}}

# What people do to nodes by hand is found and repaired, and a lost database made again
drift *USER:
    tests/lab/drift {{USER}}

# How long things take on the same nodes, beside what the nodes need
speed:
    tests/lab/speed

# An estate made by Heketi's commands changes hands while it is in use
adopted *ARGUMENTS:
    tests/lab/adopted {{ARGUMENTS}}

# Kills and power cuts on the same nodes: --kills N --cuts M --seed S
survive *ARGUMENTS:
    tests/lab/survive {{ARGUMENTS}}

# Shows that the tests notice a broken engine
mutants *NAMES:
    tests/mutants/run {{NAMES}}

# How long a scrape of /metrics takes, by how much there is
figures:
    cargo bench --bench scrape

# What requests cost on small and large estates, with the targets of docs/PERFORMANCE.md beside it: --json FILE
bench *ARGUMENTS:
    cargo bench --bench load -- {{ARGUMENTS}}

# What placement and JSON cost by themselves
bench-parts *ARGUMENTS:
    cargo bench --bench parts -- {{ARGUMENTS}}

# Everything CI runs
ci:
    .ci/run
