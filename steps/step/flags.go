package step

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// invocation is a command line that was understood.
type invocation struct {
	flags      *pflag.FlagSet
	resultsDir string
	version    bool
	changed    func(string) bool
}

// parse binds flags over environment over defaults. The error says what is
// wrong and where; it is [pflag.ErrHelp] when help was asked for.
func parse(cmd *Command, path, args []string, getenv func(string) string) (*invocation, error) {
	inv := &invocation{flags: FlagSet(cmd)}
	inv.changed = func(name string) bool { return inv.flags.Changed(name) }
	if err := inv.flags.Parse(args); err != nil {
		if err == pflag.ErrHelp {
			return inv, err
		}
		return inv, WithHint(fmt.Errorf("%s: %w", strings.Join(path, " "), err), helpHint(path))
	}
	if err := bindEnvironment(inv.flags, path[0], getenv); err != nil {
		return inv, WithHint(err, helpHint(path))
	}
	inv.resultsDir, _ = inv.flags.GetString("results-dir")
	if inv.version, _ = inv.flags.GetBool("version"); inv.version {
		return inv, nil
	}
	rest := inv.flags.Args()
	if cmd.Run == nil {
		if len(rest) == 0 {
			return inv, pflag.ErrHelp
		}
		return inv, WithHint(fmt.Errorf("%s: unknown command %q", strings.Join(path, " "), rest[0]), helpHint(path))
	}
	if cmd.Args == "" && len(rest) > 0 {
		return inv, WithHint(fmt.Errorf("%s: unexpected argument %q", strings.Join(path, " "), rest[0]), helpHint(path))
	}
	return inv, nil
}

func helpHint(path []string) string {
	return "run `" + strings.Join(path, " ") + " --help` for the flags and what they mean"
}

// FlagSet returns the flags of cmd together with those that every step has,
// for documentation and for checks of manifests against the binary.
func FlagSet(cmd *Command) *pflag.FlagSet {
	fs := pflag.NewFlagSet(cmd.Name, pflag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.SortFlags = false
	if cmd.Flags != nil {
		cmd.Flags(fs)
	}
	fs.String("results-dir", DefaultResultsDir, "directory that results are written to, one file each; if it is absent they are only printed")
	fs.Bool("version", false, "print the version and stop")
	return fs
}

// EnvName is the environment variable that stands for a flag of a binary:
// EnvName("kind-cluster", "node-image") is KIND_CLUSTER_NODE_IMAGE.
func EnvName(binary, flag string) string {
	return strings.ToUpper(strings.ReplaceAll(binary+"_"+flag, "-", "_"))
}

// bindEnvironment sets every flag that was not given and whose variable is
// not empty. Tekton passes a param that has no value as an empty variable, so
// an empty one counts as absent.
func bindEnvironment(fs *pflag.FlagSet, binary string, getenv func(string) string) error {
	var first error
	fs.VisitAll(func(flag *pflag.Flag) {
		name := EnvName(binary, flag.Name)
		value := getenv(name)
		if flag.Changed || value == "" || flag.Name == "version" || first != nil {
			return
		}
		if err := fs.Set(flag.Name, value); err != nil {
			first = fmt.Errorf("environment variable %s: %w", name, err)
		}
	})
	return first
}

func help(w io.Writer, cmd *Command, path []string, fs *pflag.FlagSet) {
	name := strings.Join(path, " ")
	fmt.Fprintf(w, "%s - %s\n", name, cmd.Short)
	if cmd.Long != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(cmd.Long))
	}
	fmt.Fprintf(w, "\nUsage:\n")
	if cmd.Run != nil {
		fmt.Fprintf(w, "  %s\n", strings.TrimSpace(name+" [flags] "+cmd.Args))
	}
	if len(cmd.Subcommands) > 0 {
		fmt.Fprintf(w, "  %s COMMAND [flags]\n\nCommands:\n", name)
		for _, sub := range cmd.Subcommands {
			fmt.Fprintf(w, "  %-12s %s\n", sub.Name, sub.Short)
		}
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExample:\n%s\n", indent(cmd.Example))
	}
	fmt.Fprintf(w, "\nFlags (each also as an environment variable, %s and so on):\n%s", EnvName(path[0], "results-dir"), fs.FlagUsages())
	fmt.Fprintf(w, "\nExit codes: 0 done, 1 what was checked is wrong, 2 the input is wrong, 3 the surroundings failed, 130/143 stopped by a signal\n")
}

func indent(text string) string {
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = "  " + strings.TrimRight(line, " \t")
	}
	return strings.Join(lines, "\n")
}
