package step_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/step"
)

// greet is a step with a flag of each common kind.
func greet(run func(ctx context.Context, rt *step.Runtime, name string) error) *step.Command {
	var name string
	var timeout time.Duration
	return &step.Command{
		Name: "greet-it", Short: "greets", Long: "It greets.", Example: "greet-it --name you",
		Flags: func(fs *pflag.FlagSet) {
			fs.StringVar(&name, "name", "world", "who is greeted")
			fs.DurationVar(&timeout, "time-out", time.Second, "how long")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error { return run(ctx, rt, name) },
	}
}

func execute(t *testing.T, cmd *step.Command, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errOut bytes.Buffer
	code = step.Execute(t.Context(), cmd, args, func(k string) string { return env[k] }, &out, &errOut)
	return code, out.String(), errOut.String()
}

func TestFlagOverEnvironmentOverDefault(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		env  map[string]string
		args []string
		want string
	}{
		{"default", nil, nil, "world"},
		{"environment", map[string]string{"GREET_IT_NAME": "env"}, nil, "env"},
		{"flag", map[string]string{"GREET_IT_NAME": "env"}, []string{"--name", "flag"}, "flag"},
		{"an empty variable counts as absent", map[string]string{"GREET_IT_NAME": ""}, nil, "world"},
		{"an empty flag is a value", map[string]string{"GREET_IT_NAME": "env"}, []string{"--name="}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := "not run"
			cmd := greet(func(_ context.Context, _ *step.Runtime, name string) error { got = name; return nil })
			if code, _, stderr := execute(t, cmd, tc.env, tc.args...); code != 0 || got != tc.want {
				t.Errorf("exit code %d, name %q, want %q; %s", code, got, tc.want, stderr)
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	base := errors.New("it broke")
	for _, tc := range []struct {
		name string
		err  error
		want int
	}{
		{"done", nil, 0},
		{"failed", step.Failed(base), 1},
		{"invalid", step.Invalidf("reading: %w", base), 2},
		{"infra", step.Infra(base), 3},
		{"not classified", base, 3},
		{"the outermost class counts", step.Failed(fmt.Errorf("checking: %w", step.Infra(base))), 1},
		{"wrapped", fmt.Errorf("doing: %w", step.Invalid(base)), 2},
		{"a hint keeps the class", step.WithHint(step.Failed(base), "try"), 1},
		{"a command's own code", step.WithExitCode(base, 42), 42},
		{"a panic", nil, 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			cmd := greet(func(context.Context, *step.Runtime, string) error {
				if tc.name == "a panic" {
					panic("oh no")
				}
				return tc.err
			})
			if code, _, stderr := execute(t, cmd, nil); code != tc.want {
				t.Errorf("exit code %d, want %d: %s", code, tc.want, stderr)
			}
		})
	}
}

func TestWrongUse(t *testing.T) {
	t.Parallel()
	ok := func(context.Context, *step.Runtime, string) error { return nil }
	for _, tc := range []struct {
		name string
		env  map[string]string
		args []string
		want string
	}{
		{"unknown flag", nil, []string{"--nme", "x"}, "unknown flag: --nme"},
		{"bad value", nil, []string{"--time-out", "soon"}, "soon"},
		{"bad value in the environment", map[string]string{"GREET_IT_TIME_OUT": "soon"}, nil, "GREET_IT_TIME_OUT"},
		{"an argument where none is taken", nil, []string{"x"}, `unexpected argument "x"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := execute(t, greet(ok), tc.env, tc.args...)
			if code != step.ExitInvalid || !strings.Contains(stderr, tc.want) || !strings.Contains(stderr, "hint: run `greet-it --help`") {
				t.Errorf("exit code %d, stderr %q", code, stderr)
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	never := greet(func(context.Context, *step.Runtime, string) error { return errors.New("must not run") })
	code, out, _ := execute(t, never, nil, "--help")
	for _, want := range []string{"greet-it - greets", "--name", `(default "world")`, "GREET_IT_RESULTS_DIR", "/tekton/results", "Exit codes"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("help (exit code %d) lacks %q:\n%s", code, want, out)
		}
	}
	if code, out, _ := execute(t, never, nil, "--version"); code != 0 || !strings.HasPrefix(out, "greet-it ") {
		t.Errorf("--version: exit code %d, %q", code, out)
	}
}

func TestSubcommands(t *testing.T) {
	t.Parallel()
	var ran []string
	sub := func(name string) *step.Command {
		return &step.Command{Name: name, Short: name + "s", Args: "[-- COMMAND...]", Run: func(_ context.Context, rt *step.Runtime) error {
			ran = append(ran, name+":"+strings.Join(rt.Args, ","))
			return nil
		}}
	}
	cmd := &step.Command{Name: "tool", Short: "a tool", Subcommands: []*step.Command{sub("make"), sub("drop")}}
	if code, _, stderr := execute(t, cmd, nil, "drop", "--", "sh", "-c"); code != 0 || len(ran) != 1 || ran[0] != "drop:sh,-c" {
		t.Errorf("exit code %d, ran %q: %s", code, ran, stderr)
	}
	if code, out, _ := execute(t, cmd, nil); code != 0 || !strings.Contains(out, "makes") {
		t.Errorf("without a command: exit code %d, %s", code, out)
	}
	if code, _, stderr := execute(t, cmd, nil, "burn"); code != 2 || !strings.Contains(stderr, `unknown command "burn"`) {
		t.Errorf("unknown command: exit code %d, %s", code, stderr)
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := greet(func(_ context.Context, rt *step.Runtime, _ string) error {
		rt.Redact.Add("s3cr3t-token")
		rt.Results.Set("commit", "abc\n")
		rt.Results.SetArray("models", nil)
		rt.Results.SetObject("phases", map[string]string{"a<b": "1 s3cr3t-token"})
		return step.Failedf("checked and found wrong")
	})
	code, stdout, _ := execute(t, cmd, nil, "--results-dir", dir)
	if code != 1 {
		t.Errorf("exit code %d", code)
	}
	for name, want := range map[string]string{"commit": "abc", "models": "[]", "phases": `{"a<b":"1 [redacted]"}`} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("result %s is %q, %v, want %q", name, got, err, want)
		}
	}
	if want := `{"commit":"abc\n","models":[],"phases":{"a<b":"1 [redacted]"}}` + "\n"; stdout != want {
		t.Errorf("stdout is %q, want %q", stdout, want)
	}
}

func TestResultsThatTektonWouldRefuse(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*step.Results){
		"too long": func(r *step.Results) { r.Set("long", strings.Repeat("x", step.MaxResultBytes+1)) },
		"bad name": func(r *step.Results) { r.Set("../up", "x") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := greet(func(_ context.Context, rt *step.Runtime, _ string) error { set(rt.Results); return nil })
			if code, _, stderr := execute(t, cmd, nil, "--results-dir", t.TempDir()); code != step.ExitInfra {
				t.Errorf("exit code %d, %s", code, stderr)
			}
			if code, _, stderr := execute(t, cmd, nil, "--results-dir", filepath.Join(t.TempDir(), "absent")); code != 0 {
				t.Errorf("with no directory: exit code %d, %s", code, stderr)
			}
		})
	}
}

func TestErrorsAreRedactedAndEndInAHint(t *testing.T) {
	t.Parallel()
	cmd := greet(func(_ context.Context, rt *step.Runtime, _ string) error {
		rt.Redact.Add("pass word/1")
		fmt.Fprint(rt.Stdout, "half a line with pass word/1")
		return step.WithHint(step.Infraf("GET https://u:pass%%20word%%2F1@host?q=pass+word%%2F1 cGFzcyB3b3JkLzE="), "not pass word/1")
	})
	code, stdout, stderr := execute(t, cmd, nil)
	if code != 3 || strings.Contains(stdout+stderr, "pass") && !strings.Contains(stderr, "[redacted]") {
		t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	for _, leak := range []string{"pass word", "pass%20word", "pass+word", "cGFzcyB3b3Jk"} {
		if strings.Contains(stdout+stderr, leak) {
			t.Errorf("%q leaked:\n%s\n%s", leak, stdout, stderr)
		}
	}
	if !strings.Contains(stderr, "\nhint: not [redacted]\n") {
		t.Errorf("no hint: %q", stderr)
	}
}

// TestSignals runs this test binary as a step and stops it.
func TestSignals(t *testing.T) {
	t.Parallel()
	if os.Getenv("STEP_TEST_SIGNAL") != "" {
		step.Main(&step.Command{Name: "wait", Args: "any", Flags: func(fs *pflag.FlagSet) {
			fs.ParseErrorsAllowlist.UnknownFlags = true
		}, Run: func(ctx context.Context, _ *step.Runtime) error {
			fmt.Println("ready")
			<-ctx.Done()
			return step.Failed(fmt.Errorf("waiting: %w", ctx.Err()))
		}})
	}
	for sig, want := range map[syscall.Signal]int{syscall.SIGTERM: 143, syscall.SIGINT: 130} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSignals$")
			cmd.Env = append(os.Environ(), "STEP_TEST_SIGNAL=1")
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := stdout.Read(make([]byte, 16)); err != nil {
				t.Fatal(err)
			}
			cmd.Process.Signal(sig)
			cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != want || !strings.Contains(stderr.String(), "stopped by SIG") {
				t.Errorf("exit code %d, want %d: %s", got, want, stderr.String())
			}
		})
	}
}
