// Command integration measures the Task kind-integration-test against the way
// of the Jenkins pipeline that it replaces: the loop that waits for docker with
// sleeps, `kind create cluster --wait`, the installs one after the other,
// `kind load`, and `kubectl rollout status`.
//
// Both run on the local platform's engine, in what a pod would be: a privileged
// container with a Docker engine of its own, empty at the start and on a fresh
// file system, and a container of the model's builder image that shares its network and the volume
// with its socket. The engine is started by the Task's own script for both, so
// that what is compared is the work of the step. Runs alternate.
//
// A phase of the old way takes as long as it takes. A phase of the Task, which
// has several at a time, is what it adds: the time from the end of what it had
// to wait for to its own end. The last line holds the ratios of the medians:
//
//	ratio total=0.55 docker=0.61 kind=0.80 load=0.00 setup=0.50 deploy=0.40
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/model-delivery/model-delivery/test/platform/local"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var b bench
	flag.IntVar(&b.pairs, "pairs", 5, "how often each way runs")
	flag.StringVar(&b.root, "root", ".", "work tree")
	flag.StringVar(&b.model, "model", "news_classifier", "model below models/")
	flag.StringVar(&b.keep, "keep", "", "directory for the runs' output; empty: none is kept")
	flag.BoolVar(&b.verbose, "v", false, "print the runs' output")
	flag.Parse()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// bench is one measurement.
type bench struct {
	pairs             int
	root, model, keep string
	verbose           bool

	platform *local.State
	tools    string // directory with the binaries and scripts of both ways
	task     task
}

func (b *bench) run(ctx context.Context) error {
	var err error
	if b.root, err = filepath.Abs(b.root); err != nil {
		return err
	}
	if b.platform, err = local.Load(""); err != nil {
		return err
	}
	if b.platform.Value("builder", "model-builder") == "" || b.platform.DindImage == "" || b.platform.RegistryNodeImage == "" {
		return errors.New("the local platform is not complete: go run ./test/platform up")
	}
	if b.tools, err = os.MkdirTemp("", "bench-integration-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.tools)
	if err := b.prepare(ctx); err != nil {
		return err
	}
	var seed, ours []measured
	for pair := 1; pair <= b.pairs; pair++ {
		for _, way := range []struct {
			name string
			into *[]measured
		}{{wayOfSeed, &seed}, {wayOfTask, &ours}} {
			m, err := b.measure(ctx, way.name, pair)
			if err != nil {
				return fmt.Errorf("%s, run %d: %w", way.name, pair, err)
			}
			fmt.Printf("%d/%d %-4s %s\n", pair, b.pairs, way.name, m)
			*way.into = append(*way.into, m)
		}
	}
	fmt.Print(summary(seed, ours))
	return nil
}
