# The two commands that matter: `make demo` and `make test`.

GO ?= go
# Values for the programs behind the targets, for instance PLATFORM_FLAGS=--source=source.
PLATFORM_FLAGS ?=
DEMO_FLAGS ?=
BENCH_FLAGS ?=

# Pinned, so that what it finds changes only when this line does.
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: test
test: lint test-race test-e2e ## every test; takes the local platform down again unless it was up

.PHONY: test-unit
test-unit: ## the inner loop: unit tests and checks of the YAML
	$(GO) test ./...

.PHONY: demo
demo: ## start the local platform and deliver a model through it
	$(GO) run ./test/platform up $(PLATFORM_FLAGS)
	$(GO) run ./test/demo $(DEMO_FLAGS)

.PHONY: demo-down
demo-down: ## stop what the demo started
	$(GO) run ./test/platform down $(PLATFORM_FLAGS)

.PHONY: bench-integration
bench-integration: ## measure the integration test against the way of the Jenkins pipeline, on the local platform
	$(GO) run ./test/bench/integration $(BENCH_FLAGS)

.PHONY: test-race
test-race: ## unit tests and checks of the YAML, with the race detector
	$(GO) test -race ./...

.PHONY: test-e2e
test-e2e: ## the tests on the local platform
	$(GO) run ./test/platform run $(PLATFORM_FLAGS) -- $(GO) test -tags e2e -v -count 1 -p 1 -timeout 60m ./test/e2e/...

.PHONY: lint
lint: ## formatting, go vet and staticcheck
	@unformatted="$$(gofmt -l $$(git ls-files '*.go'))"; \
	if [ -n "$$unformatted" ]; then echo "not formatted:" $$unformatted "(run: make fmt)"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags e2e ./...
	$(GO) run $(STATICCHECK) -tags e2e ./...

.PHONY: fmt
fmt: ## format the Go files
	gofmt -w $$(git ls-files '*.go')

.PHONY: bench-predict
bench-predict: ## measure seldon-predict against vegeta, ghz and a loop in Python
	$(GO) run ./test/bench/predict $(BENCH_FLAGS)

.PHONY: bench-promote
bench-promote: ## measure gitops-promote against a full clone and against git clone --depth 1
	$(GO) run ./test/bench/promote $(BENCH_FLAGS)
