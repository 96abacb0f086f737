// Command promote measures gitops-promote against the way of a shell script
// (a full clone, copy, commit, push) and against git clone --depth 1.
//
// All bring versions of a model to one repository of 10,000 commits and 5,000
// files, over HTTP on the loopback from git's own server, in turn, five times.
// Of the five measurements of each the median counts. A second repository, a
// tenth of that size, tells whether memory depends on the size.
//
// Time is that of the clock, bytes are those of all requests and answers, rss
// is the largest of the step's own process and those of its git. The last line
// is gitops-promote's in proportion to the shell way's:
//
//	ratio time=0.21 bytes=0.03 rss=0.40
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{}
	flag.IntVar(&b.pairs, "pairs", 5, "how often each way is measured")
	flag.IntVar(&b.commits, "commits", 10_000, "commits of the repository")
	flag.IntVar(&b.files, "files", 5_000, "files of the repository")
	flag.Parse()
	if err := b.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// bench is one measurement.
type bench struct {
	pairs, commits, files int
	dir                   string // scratch
	promote               string // the binary
	version               int    // of the model, another one each time
}

func (b *bench) run(ctx context.Context) (err error) {
	if b.dir, err = os.MkdirTemp("", "bench-promote-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	b.promote = filepath.Join(b.dir, "gitops-promote")
	build := exec.CommandContext(ctx, "go", "build", "-o", b.promote, "github.com/model-delivery/model-delivery/cmd/gitops-promote")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building gitops-promote: %w: %s", err, out)
	}
	large, err := b.serve(ctx, "large", b.commits, b.files)
	if err != nil {
		return err
	}
	defer large.close()
	small, err := b.serve(ctx, "small", max(b.commits/10, 1), max(b.files/10, 1))
	if err != nil {
		return err
	}
	defer small.close()

	ways := []way{{"shell", b.shell("")}, {"depth-1", b.shell("--depth=1")}, {"promote", b.step}}
	taken := map[string][]cost{}
	for pair := range b.pairs {
		for i := range ways {
			// Each pair begins with another one.
			w := ways[(i+pair)%len(ways)]
			c, err := b.measure(ctx, large, w)
			if err != nil {
				return err
			}
			fmt.Printf("%d  %-8s %s\n", pair+1, w.name, c)
			taken[w.name] = append(taken[w.name], c)
		}
		c, err := b.measure(ctx, small, ways[2])
		if err != nil {
			return err
		}
		taken["small"] = append(taken["small"], c)
	}
	fmt.Println("\nmedians")
	for _, name := range []string{"shell", "depth-1", "promote"} {
		fmt.Printf("%-8s %s\n", name, median(taken[name]))
	}
	fmt.Printf("%-8s %s   (a tenth of the commits and files)\n\n", "promote", median(taken["small"]))
	depth, ours := median(taken["depth-1"]), median(taken["promote"])
	fmt.Printf("beside depth-1 %s\n", ours.over(depth))
	fmt.Printf("memory of large over small rss=%.2f\n", float64(ours.rss)/float64(median(taken["small"]).rss))
	fmt.Println(ours.over(median(taken["shell"])))
	return nil
}
