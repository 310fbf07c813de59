.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Start the demo server on http://127.0.0.1:8080
	go run ./examples/server

.PHONY: test
test: ## Run the tests on what this machine has
	go test ./...

.bin/versitygw: tools/versitygw/go.mod # the object store of the tests, a minute or three the first time
	go build -modfile=tools/versitygw/go.mod -o .bin/ github.com/versity/versitygw/cmd/versitygw

.bin/socketio: realtime/testdata/socketio/package-lock.json # the client of Socket.IO of the tests
	mkdir -p $@
	cp realtime/testdata/socketio/package*.json $@
	npm ci --prefix $@ --ignore-scripts --no-audit --no-fund
	touch $@

.PHONY: race
race: .bin/versitygw .bin/socketio ## Run the tests with the race detector, in random order, every server required
	PATH="$(CURDIR)/.bin:$$PATH" NODE_PATH="$(CURDIR)/.bin/socketio/node_modules" JETADMIN_TEST_REQUIRE=postgres,redis,mysql,s3,node,nginx go test -race -shuffle=on -timeout 40m ./...

.PHONY: lint
lint: ## Check the format, vet and staticcheck
	@files=$$(git ls-files '*.go' | xargs gofmt -l); test -z "$$files" || { echo "run gofmt -w on:"; echo "$$files"; exit 1; }
	go vet ./...
	go tool -modfile=tools/go.mod staticcheck ./...

.PHONY: bench
bench: export JETADMIN_BENCH_BACKLOG ?= 100000
bench: export JETADMIN_BENCH_RUNS ?= 1000000
bench: export JETADMIN_BENCH_ITEMS ?= 100000
bench: ## Run the benchmarks, then print the targets of the engine beside the figures
	@# What is measured per run or per request gets as many of them as its figure needs, and
	@# before the others have filled the database; the rest take as many as fit a second.
	{ go test -run '^$$' -bench 'Chain10|AsynqRaw' -benchtime 4000x -benchmem -timeout 60m . ; \
	  go test -run '^$$' -bench 'LoginFlood' -benchtime 500x -benchmem -timeout 60m . ; \
	  go test -run '^$$' -bench 'Fairness' -benchtime 200x -benchmem -timeout 60m . ; \
	  go test -run '^$$' -bench . -skip 'Chain10|AsynqRaw|LoginFlood|Fairness' -benchmem -timeout 60m ./... ; \
	} | go run ./internal/benchtable

.PHONY: chaos
chaos: ## Kill, pause and wipe real processes under load, the long form
	JETADMIN_TEST_REQUIRE=postgres,redis JETADMIN_CHAOS_RUNS=10000 go test -count=1 -run 'TestChaos$$' -v -timeout 60m ./workflow/chaostest

.PHONY: smoke
smoke: ## Start the demo server and use it once
	.ci/smoke

.PHONY: ci
ci: ## Everything that must hold before a change goes in
	.ci/run
