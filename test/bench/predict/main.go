// Command predict measures seldon-predict against what people use in its place:
// vegeta and ghz for load, a loop of Python's requests for golden checks.
//
// Each asks the same server, a process of its own that answers at once, in turn,
// five times; of the five ratios the median counts. seldon-predict holds every
// answer against what is expected, which vegeta and ghz do not.
//
//	rate    right answers a second over REST, of vegeta's at the same concurrency
//	grpc    right answers a second over gRPC, of ghz's at the same concurrency
//	python  time of a loop of requests.post, as SeldonClient has it, for 10,000
//	        golden checks, of seldon-predict's with 32 at a time
//	rss     peak memory, in MB, of a check of a dataset with a million rows
//
// vegeta and ghz are built from their modules at fixed versions. python3 needs
// the package requests. The last line is
//
//	ratio rate=… grpc=… python=… rss=…
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{}
	serve := flag.Bool("serve", false, "be the server")
	flag.IntVar(&b.pairs, "pairs", 5, "how often each runs")
	flag.DurationVar(&b.duration, "duration", 3*time.Second, "how long a load takes")
	flag.IntVar(&b.concurrency, "concurrency", 4, "requests at a time")
	flag.IntVar(&b.checks, "checks", 10_000, "golden checks")
	flag.IntVar(&b.rows, "rows", 1_000_000, "rows of the dataset")
	flag.StringVar(&b.python, "python", os.Getenv("PYTHON"), "interpreter that has requests (default: the first python3 that has)")
	flag.Parse()
	run := b.run
	if *serve {
		run = serveModel
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// bench is one measurement.
type bench struct {
	pairs, concurrency, checks, rows int
	duration                         time.Duration
	python                           string

	dir, rest, grpc string // scratch, and where the server is
}

func (b *bench) run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "bench-predict-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.dir = dir
	if err := b.findPython(ctx); err != nil {
		return err
	}
	if err := b.build(ctx); err != nil {
		return err
	}
	stop, err := b.startServer(ctx)
	if err != nil {
		return err
	}
	defer stop()
	start, err := b.startUp(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("start-up: %s\n", start.Round(10*time.Microsecond))
	rate, err := b.alternate(ctx, "REST, answers a second", b.ownREST, b.vegeta)
	if err != nil {
		return err
	}
	grpc, err := b.alternate(ctx, "gRPC, answers a second", b.ownGRPC, b.ghz)
	if err != nil {
		return err
	}
	if err := b.writeGoldens(); err != nil {
		return err
	}
	python, err := b.alternate(ctx, fmt.Sprintf("golden checks a second, of %d", b.checks), b.ownGoldens, b.pythonGoldens)
	if err != nil {
		return err
	}
	rss, err := b.memory(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("ratio rate=%.2f grpc=%.2f python=%.1f rss=%.1f\n", rate, grpc, python, rss)
	return nil
}

// alternate measures two, turn by turn, and returns the median of the ratios.
func (b *bench) alternate(ctx context.Context, what string, own, other func(context.Context) (float64, error)) (float64, error) {
	var ratios []float64
	for i := range b.pairs {
		first, second := own, other
		if i%2 == 1 {
			first, second = other, own
		}
		x, err := first(ctx)
		if err != nil {
			return 0, err
		}
		y, err := second(ctx)
		if err != nil {
			return 0, err
		}
		if i%2 == 1 {
			x, y = y, x
		}
		fmt.Printf("%s: %.0f to %.0f, ratio %.3f\n", what, x, y, x/y)
		ratios = append(ratios, x/y)
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2], nil
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }
