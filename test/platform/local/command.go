package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/mattn/go-isatty"
	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/test/platform/progress"
)

const usage = `Usage: go run ./test/platform up | down | status | run [flags] [-- COMMAND...]

  up      build and start what is missing; ends when all of it is ready
  down    stop and remove what up started, and nothing else; keeps the cache
  status  show each component; exits 1 when one does not run
  run     up, then COMMAND, then down unless something ran before; exits as COMMAND does

Flags:
`

// Execute runs a command of the platform and returns its exit code: 0 done,
// 1 failed (for status: not all components run), 2 wrong usage; for run, that of
// the command. What run starts beside all are the components for tests.
func Execute(ctx context.Context, all, forTests []Component, check func(context.Context, *Env) error,
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
	command := flags.Args()
	if len(command) == 0 || (command[0] == "run") != (len(command) > 1) {
		flags.Usage()
		return 2
	}
	if command[0] == "run" {
		all = slices.Concat(all, forTests)
	}
	options.Progress = progress.New(stderr, terminal(stderr))
	platform, err := New(all, options)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return 2
	}
	code := 0
	switch command[0] {
	case "up":
		err = platform.Up(ctx)
	case "down":
		err = platform.Down(ctx)
	case "run":
		code, err = platform.Run(ctx, command[1:], stdout, stderr)
	case "status":
		var ok bool
		if ok, err = platform.Status(ctx, stdout); !ok {
			code = 1
		}
	default:
		fmt.Fprintf(stderr, "%q is not a command\n", command[0])
		flags.Usage()
		return 2
	}
	if err != nil {
		fmt.Fprintln(stderr, "platform "+command[0]+":", strings.TrimSpace(err.Error()))
		return max(code, 1)
	}
	return code
}

// terminal says whether w is a terminal that can rewrite a line.
func terminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && isatty.IsTerminal(file.Fd())
}
