# `make run` gives a server on 127.0.0.1:2181, `make test` proves it, `make
# dist` packs it. Every other target is a part of one of these.

VERSION := $(shell sed -n 's/^const Version = "\(.*\)"/\1/p' internal/admin/version.go)
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null)
BUILT   := $(shell TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd 2>/dev/null)
GOARCH  ?= $(shell go env GOARCH)
LDFLAGS := -s -w -X zooid/internal/admin.commit=$(COMMIT) -X zooid/internal/admin.built=$(BUILT)
BUILD   := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)'
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

# How long each fuzzer searches, how many seeds the simulator plays, how many
# random seeds the chaos on real networks plays and how long each, and the
# packages whose goroutines are raced.
FUZZTIME ?= 10s
SIMSEEDS ?= 1000
ENSEMBLESEEDS ?= 1000
CHAOSSEEDS ?= 1
CHAOSLASTS ?= 15s
RACED := $(addprefix ./,$(wildcard internal/node internal/clientport internal/quorumport internal/storage \
	internal/metrics internal/admin internal/shell internal/loadgen zk))

.PHONY: build run ensemble test unit race fuzz sim interop chaos walkthrough bench lint check dist clean

build:
	$(BUILD) -o build/zooid ./cmd/zooid

run: build
	@mkdir -p build/run
	@printf '%s\n' tickTime=2000 dataDir=build/run/data clientPort=2181 clientPortAddress=127.0.0.1 \
		'4lw.commands.whitelist=*' autopurge.purgeInterval=1 > build/run/zoo.cfg
	exec build/zooid server build/run/zoo.cfg

# Three servers on this machine, with a line for each whenever its role changes.
ensemble: build
	exec test/ensemble.sh build/zooid 3 build/ensemble

# What CI runs: every ring, each within a bounded time, from fast to slow.
test: unit race fuzz sim interop chaos walkthrough

unit:
	go vet ./...
	go test ./...

race:
	go test -race -short -timeout 15m $(RACED)

fuzz:
	test/fuzz.sh $(FUZZTIME)

sim:
	go test -count=1 -timeout 15m ./test/sim -seeds $(SIMSEEDS)
	go test -count=1 -timeout 15m ./test/sim/ensemble -seeds $(ENSEMBLESEEDS) -mutants

interop: build
	ZOOID_INTEROP=1 go test -count=1 -timeout 30m -p 1 ./test/interop/...

chaos: build
	ZOOID_INTEROP=1 go test -count=1 -timeout 0 ./test/chaos -v -seeds $(CHAOSSEEDS) -lasts $(CHAOSLASTS) $(CHAOS)

walkthrough: dist
	ZOOID_INTEROP=1 go test -count=1 -timeout 10m ./test/walkthrough/...

bench: build
	go run ./test/bench $(BENCH)

lint:
	go run $(GOLANGCI) run ./...

check: lint test

# One archive with one folder: the same commit gives the same bytes.
DIST := zooid-$(VERSION)
dist:
	rm -rf build/dist dist/zooid-*-linux-$(GOARCH).tar.gz* && mkdir -p build/dist/$(DIST)/completions dist
	GOARCH= CGO_ENABLED=0 go build -o build/zooid-host ./cmd/zooid
	for sh in bash zsh fish; do build/zooid-host completion $$sh > build/dist/$(DIST)/completions/zooid.$$sh; done
	cp -R bin conf docs packaging LICENSE README.md README.zh-CN.md CHANGELOG.md build/dist/$(DIST)/
	rm -f build/dist/$(DIST)/conf/zoo.cfg
	GOOS=linux GOARCH=$(GOARCH) $(BUILD) -o build/dist/$(DIST)/bin/zooid ./cmd/zooid
	chmod -R u=rwX,go=rX build/dist/$(DIST)
	tar -C build/dist --sort=name --owner=0 --group=0 --numeric-owner --mtime='$(or $(BUILT),1970-01-01T00:00:00Z)' \
		-cf - $(DIST) | gzip -n -9 > dist/$(DIST)-linux-$(GOARCH).tar.gz
	cd dist && sha256sum $(DIST)-linux-$(GOARCH).tar.gz > $(DIST)-linux-$(GOARCH).tar.gz.sha256

clean:
	rm -rf build dist
