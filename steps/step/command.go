package step

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

// Command describes a step binary, or a subcommand of one.
type Command struct {
	Name    string                  // binary or subcommand name, kebab-case
	Short   string                  // one line
	Long    string                  // paragraphs below it; may be empty
	Example string                  // shown in the help; may be empty
	Flags   func(fs *pflag.FlagSet) // declares flags; may be nil
	Args    string                  // usage text of positional arguments; empty: none are taken
	Run     func(ctx context.Context, rt *Runtime) error
	// Subcommands, when there are any, are chosen by the first argument.
	// A command that has Run too runs itself when the first argument is none of them.
	Subcommands []*Command
}

// Runtime is what a running step gets from its surroundings.
type Runtime struct {
	Stdout, Stderr io.Writer // redacting
	Getenv         func(string) string
	Args           []string // positional arguments
	Results        *Results
	Redact         *Redactor
	// Changed tells whether a flag was given, as a flag or by the environment.
	Changed func(flag string) bool
}

// Logf prints one line of progress on standard error, redacted.
func (rt *Runtime) Logf(format string, args ...any) {
	fmt.Fprintf(rt.Stderr, strings.TrimRight(format, "\n")+"\n", args...)
}

// Main runs cmd as this process: arguments, environment and signals are the
// process's own. It does not return.
func Main(cmd *Command) {
	ctx, stop := signalContext(context.Background())
	code := Execute(ctx, cmd, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// signalContext ends with a [signalCause] at the first SIGINT or SIGTERM. A
// second signal kills the process, as without a handler.
func signalContext(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case sig := <-signals:
			signal.Stop(signals)
			cause := &signalCause{name: "SIGTERM", code: ExitSIGTERM}
			if sig == os.Interrupt {
				cause = &signalCause{name: "SIGINT", code: ExitSIGINT}
			}
			cancel(cause)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(signals); cancel(nil) }
}

// Execute runs cmd with the given arguments and environment and returns its
// exit code. Results are printed on stdout as one JSON line, after the step's
// own output, and written to --results-dir; both also when the step failed.
func Execute(ctx context.Context, cmd *Command, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	redact := &Redactor{}
	out, errOut := redact.Writer(stdout), redact.Writer(stderr)
	defer errOut.Flush()
	defer out.Flush()

	path := []string{cmd.Name}
	for len(cmd.Subcommands) > 0 {
		next := subcommand(cmd, args)
		if next == nil {
			break
		}
		cmd, args = next, args[1:]
		path = append(path, cmd.Name)
	}
	inv, err := parse(cmd, path, args, getenv)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		help(out, cmd, path, inv.flags)
		return ExitDone
	case err != nil:
		io.WriteString(errOut, message(ctx, err))
		return ExitInvalid
	case inv.version:
		fmt.Fprintf(out, "%s %s\n", path[0], Version())
		return ExitDone
	}
	results := &Results{redact: redact}
	err = run(ctx, cmd, &Runtime{
		Stdout: out, Stderr: errOut, Getenv: getenv, Args: inv.flags.Args(),
		Results: results, Redact: redact, Changed: inv.changed,
	})
	// Output comes first, so that the results are the last line.
	errOut.Flush()
	out.Flush()
	line, lineErr := results.line()
	if line != nil {
		fmt.Fprintf(out, "%s\n", line)
	}
	if writeErr := errors.Join(lineErr, results.write(inv.resultsDir)); writeErr != nil {
		if err == nil {
			err = Infra(writeErr)
		} else {
			io.WriteString(errOut, message(ctx, writeErr))
		}
	}
	if err != nil {
		io.WriteString(errOut, message(ctx, err))
	}
	return exitCodeOf(ctx, err)
}

// run keeps a panic from printing secrets: its message passes the redactor.
func run(ctx context.Context, cmd *Command, rt *Runtime) (err error) {
	defer func() {
		if p := recover(); p != nil {
			rt.Logf("%s", debug.Stack())
			err = Infraf("internal error: %v", p)
		}
	}()
	return cmd.Run(ctx, rt)
}

func subcommand(cmd *Command, args []string) *Command {
	if len(args) == 0 {
		return nil
	}
	i := slices.IndexFunc(cmd.Subcommands, func(c *Command) bool { return c.Name == args[0] })
	if i < 0 {
		return nil
	}
	return cmd.Subcommands[i]
}

// Version is the version of the module that this binary was built from, with
// the commit where it was stamped.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	if version == "" || version == "(devel)" {
		version = "devel"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && !strings.Contains(version, setting.Value[:min(12, len(setting.Value))]) {
			version += " (" + setting.Value + ")"
		}
	}
	return version
}
