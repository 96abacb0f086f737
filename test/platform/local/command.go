package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/test/platform/progress"
)

const usage = `Usage: go run ./test/platform up | down | status [flags]

  up      build and start what is missing; ends when all of it is ready
  down    stop and remove what up started, and nothing else; keeps the cache
  status  show each component; exits 1 when one does not run

Flags:
`

// Execute runs a command of the platform and returns its exit code: 0 done,
// 1 failed (for status: not all components run), 2 wrong usage.
func Execute(ctx context.Context, all []Component, check func(context.Context, *Env) error,
	probe func(context.Context) Source, args []string, stdout, stderr io.Writer) int {
	options := Options{Check: check, Probe: probe}
	flags := pflag.NewFlagSet("platform", pflag.ContinueOnError)
	flags.SetOutput(stderr)
	source := flags.String("source", string(Auto), "where to install from: release, source, or auto (release when a public container registry can be reached)")
	flags.StringSliceVar(&options.Components, "components", nil, "only these components and what they need, comma-separated")
	flags.StringVar(&options.StateDir, "state-dir", "", "directory of platform.json, kubeconfig and credentials (default $MODEL_DELIVERY_STATE, then ~/.local/state/model-delivery)")
	flags.StringVar(&options.CacheDir, "cache-dir", "", "directory of what was built (default $MODEL_DELIVERY_CACHE, then ~/.cache/model-delivery)")
	flags.Usage = func() { fmt.Fprint(stderr, usage, flags.FlagUsages()) }
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return 0
		}
		fmt.Fprintln(stderr, err)
		return 2
	}
	switch options.Source = Source(*source); options.Source {
	case Auto, Release, FromSource:
	default:
		fmt.Fprintf(stderr, "--source=%s: want auto, release or source\n", *source)
		return 2
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return 2
	}
	options.Progress = progress.New(stderr, terminal(stderr))
	platform, err := New(all, options)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	ok := true
	switch command := flags.Arg(0); command {
	case "up":
		err = platform.Up(ctx)
	case "down":
		err = platform.Down(ctx)
	case "status":
		ok, err = platform.Status(ctx, stdout)
	default:
		fmt.Fprintf(stderr, "%q is not a command\n", command)
		flags.Usage()
		return 2
	}
	if err != nil {
		fmt.Fprintln(stderr, "platform "+flags.Arg(0)+":", strings.TrimSpace(err.Error()))
		return 1
	}
	if !ok {
		return 1
	}
	return 0
}

// terminal says whether w is a terminal that can rewrite a line.
func terminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && isatty.IsTerminal(file.Fd())
}
