# Each target is documented by the comment behind it: make help
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  = -s -w -X main.version=$(VERSION)
BINARY   = bin/mycoproxy

# The race detector needs a C compiler.
RACE     = $(if $(shell command -v gcc),-race)

# What the end-to-end tests need beside Go.
CI_PACKAGES = gcc libc6-dev dante-server microsocks nginx-light redis-server openssh-server openssh-client openssl \
	nftables iproute2 util-linux curl chromium

.DEFAULT_GOAL = help

.PHONY: help
help: ## Show this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the program into bin/, stripped and reproducible
	@CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $(BINARY) ./cmd/tray

.PHONY: demo
demo: build ## Show all of it on this machine, with small proxies of its own
	@./$(BINARY) demo

.PHONY: run
run: build ## Run the service in the foreground, as your settings say
	@./$(BINARY) serve

.PHONY: test
test: ## Run all tests; those that need root or missing packages are skipped by name
	go vet ./...
	for os in windows darwin; do GOOS=$$os CGO_ENABLED=0 go vet ./... && GOOS=$$os CGO_ENABLED=0 go build -o /dev/null ./cmd/tray || exit 1; done
	$(if $(RACE),,@echo "no C compiler here: the tests run without the race detector")
	go test $(RACE) $$(go list ./... | grep -v /e2e)
	go test -v -count=1 ./e2e

.PHONY: fuzz
fuzz: ## Fuzz everything that reads what others write, a minute each
	go test -run '^$$' -fuzz FuzzParseAddress -fuzztime 60s ./backend
	go test -run '^$$' -fuzz FuzzAnswers -fuzztime 60s ./backend/mycelium
	go test -run '^$$' -fuzz FuzzSettings -fuzztime 60s ./backend/settings
	go test -run '^$$' -fuzz FuzzReadRemote -fuzztime 60s ./backend/control

.PHONY: bench
bench: ## Measure the copy, the probe and the reading of routes
	go test -run '^$$' -bench . -benchmem -count 6 ./backend/...

.PHONY: lint
lint: ## gofmt, staticcheck for each system, golangci-lint and govulncheck, as far as they are installed
	@test -z "$$(gofmt -l .)" || { gofmt -d . ; exit 1; }
	go vet ./...
	@if command -v staticcheck >/dev/null; then for os in linux windows darwin; do GOOS=$$os CGO_ENABLED=0 staticcheck ./... || exit 1; done; \
		else echo "staticcheck is not installed: go install honnef.co/go/tools/cmd/staticcheck@latest"; fi
	@if command -v golangci-lint >/dev/null; then golangci-lint run ./...; else echo "golangci-lint is not installed"; fi
	@if command -v govulncheck >/dev/null; then govulncheck ./...; else echo "govulncheck is not installed"; fi

.PHONY: setup-ci
setup-ci: ## Install what the end-to-end tests need (apt, as root)
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(CI_PACKAGES)

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin
