# Each target is documented by the comment behind it: make help
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  = -s -w -X main.version=$(VERSION)
BINARY   = bin/mycoproxy

# How long the comparison takes: rounds, and seconds for each measurement.
ROUNDS   = 5
SECONDS  = 2

# The race detector needs a C compiler.
RACE     = $(if $(shell command -v gcc),-race)

# What the end-to-end tests need beside Go.
CI_PACKAGES = gcc libc6-dev dante-server microsocks nginx-light redis-server openssh-server openssh-client openssl \
	nftables iproute2 util-linux curl chromium systemd-container debootstrap dbus-daemon \
	rpm zip nsis lintian desktop-file-utils appstream mandoc wine wine64 binutils-mingw-w64-x86-64 \
	xvfb xfce4-panel xfconf xfwm4 xfce4-notifyd dunst zenity xdotool xclip x11-utils x11-xserver-utils imagemagick \
	libgtk-3-common adwaita-icon-theme fonts-dejavu-core

.DEFAULT_GOAL = help

.PHONY: help
help: ## Show this
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the program into bin/, stripped and reproducible
	@CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $(BINARY) ./cmd/tray

.PHONY: packages
packages: ## Build the packages for Linux and Windows into dist/
	@VERSION='$(VERSION)' installer/build dist

.PHONY: demo
demo: build ## Show all of it on this machine, with small proxies of its own
	@./$(BINARY) demo

.PHONY: run
run: build ## Show the tray, as your settings say
	@./$(BINARY)

.PHONY: test
test: ## Run all tests; those that need root or missing packages are skipped by name
	go vet ./...
	for os in windows darwin; do GOOS=$$os CGO_ENABLED=0 go vet ./... && GOOS=$$os CGO_ENABLED=0 go build -o /dev/null ./cmd/tray || exit 1; done
	$(if $(RACE),,@echo "no C compiler here: the tests run without the race detector")
	go test $(RACE) $$(go list ./... | grep -v /e2e)
	cd bench && go vet ./... && go test ./...
	go test -v -count=1 -p 1 -timeout 30m ./e2e/...

.PHONY: test-service
test-service: ## Install, kill, reboot, upgrade and remove the service in a container (root, debootstrap)
	go test -v -count=1 -run TestUserService ./e2e

.PHONY: test-packages
test-packages: ## Build the packages, install, upgrade and remove them in a container and under wine (root, debootstrap)
	go test -v -count=1 -run 'Package|MacBundle' ./e2e
	go test -v -count=1 -run Installer ./e2e/wine

.PHONY: test-wine
test-wine: ## Click through the tray of the Windows build, and its installer, under Wine
	go test -v -count=1 ./e2e/wine

.PHONY: fuzz
fuzz: ## Fuzz everything that reads what others write, a minute each
	go test -run '^$$' -fuzz FuzzParseAddress -fuzztime 60s ./backend
	go test -run '^$$' -fuzz FuzzAnswers -fuzztime 60s ./backend/mycelium
	go test -run '^$$' -fuzz FuzzSettings -fuzztime 60s ./backend/settings
	go test -run '^$$' -fuzz FuzzReadRemote -fuzztime 60s ./backend/control
	go test -run '^$$' -fuzz FuzzHistory -fuzztime 60s ./backend/pipe

.PHONY: bench
bench: ## Measure the copy, the probe and the reading of routes
	go test -run '^$$' -bench . -benchmem -count 6 ./backend/...

.PHONY: compare
compare: build ## Measure the program beside other forwarders (as far as cargo, haproxy, nginx are there), into docs/performance.*
	@go build -C bench -o ../bin/compare ./compare
	@bin/compare -binary $(BINARY) -rounds $(ROUNDS) -seconds $(SECONDS) -json docs/performance.json
	@$(MAKE) --no-print-directory plot

.PHONY: plot
plot: ## Make the picture and the table of docs/performance.md anew from docs/performance.json
	@go run -C bench ./plot ../docs/performance.json ../docs/performance.svg ../docs/performance.md

.PHONY: bench-distance
bench-distance: ## Measure what the spare connections save when the proxy is far away, in namespaces (root; make setup-ci)
	go test -run '^$$' -bench Distance -benchtime 1x -timeout 20m -v ./e2e

.PHONY: lint
lint: ## gofmt, staticcheck for each system, golangci-lint and govulncheck, as far as they are installed
	@test -z "$$(gofmt -l .)" || { gofmt -d . ; exit 1; }
	go vet ./...
	cd bench && go vet ./...
	@if command -v staticcheck >/dev/null; then for os in linux windows darwin; do GOOS=$$os CGO_ENABLED=0 staticcheck ./... || exit 1; done; \
		(cd bench && staticcheck ./...) || exit 1; \
		else echo "staticcheck is not installed: go install honnef.co/go/tools/cmd/staticcheck@latest"; fi
	@if command -v golangci-lint >/dev/null; then golangci-lint run ./...; else echo "golangci-lint is not installed"; fi
	@if command -v govulncheck >/dev/null; then govulncheck ./...; else echo "govulncheck is not installed"; fi

.PHONY: icons
icons: ## Draw the icons anew from assets/icons/*.svg (librsvg2-bin, icoutils, icnsutils); what they become is committed
	@cd assets/icons && ./draw

.PHONY: screenshots
screenshots: ## Make the pictures of the menu and of a notification anew, from a real desktop (root; make setup-ci)
	CI=true go test -count=1 -run TestPictures ./e2e/desktop
	cp e2e/desktop/screenshots/menu.png e2e/desktop/screenshots/notification.png docs/

.PHONY: setup-ci
setup-ci: ## Install what the end-to-end tests need (apt, as root)
	apt-get update -q
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(CI_PACKAGES)

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin dist bench/rust/target
