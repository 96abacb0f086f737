// Command demo delivers a model on the local platform, from a push to
// production, and says what it sees from outside as it happens.
//
// It expects the platform to be up, pushes a changed model to the forge,
// follows the pipeline that the push starts, merges the production pull
// request as a lead would, and follows the verification. It ends with exit
// code 0 only when all of that was seen, and writes kubeconfig and
// summary.json into its output directory.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	var opts options
	flag.StringVar(&opts.stateDir, "state-dir", "", "state directory of the platform; empty: its default")
	flag.StringVar(&opts.outputDir, "output-dir", "build/demo", "where kubeconfig and summary.json go")
	flag.StringVar(&opts.modelDir, "model-dir", "models/news_classifier", "model that is delivered")
	flag.DurationVar(&opts.timeout, "timeout", 20*time.Minute, "for all of it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, opts); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}
