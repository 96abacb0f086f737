// Package execute runs programs and, when one fails, says which and shows the
// end of what it wrote.
package execute

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// tailLimit is how many bytes of output an error quotes.
const tailLimit = 4000

// grace is how long a program may take to end after the context has.
const grace = 10 * time.Second

// Cmd is a program to run.
type Cmd struct {
	Name   string
	Args   []string
	Dir    string
	Env    []string // added to the process's own; the last of equal names wins
	Stdin  io.Reader
	Stdout io.Writer // nil: to the log
}

func (c Cmd) String() string { return strings.Join(append([]string{c.Name}, c.Args...), " ") }

// Runner runs programs in a common environment.
type Runner struct {
	// Environ, when set, gives variables that every program gets, such as
	// DOCKER_HOST. It is asked at each run because they become known on the way.
	Environ func() []string
	// Log receives what programs write; nil drops it.
	Log io.Writer
}

// Run runs the program until it ends. Its error holds the command and the last
// lines that it wrote.
func (r *Runner) Run(ctx context.Context, cmd Cmd) error {
	env := os.Environ()
	if r.Environ != nil {
		env = append(env, r.Environ()...)
	}
	env = append(env, cmd.Env...)
	program, err := lookPath(cmd.Name, env)
	if err != nil {
		return err
	}
	last := &tail{}
	var log io.Writer = last
	if r.Log != nil {
		fmt.Fprintf(r.Log, "$ %s\n", cmd)
		log = io.MultiWriter(last, r.Log)
	}
	process := exec.CommandContext(ctx, program, cmd.Args...)
	process.Dir, process.Env, process.Stdin = cmd.Dir, env, cmd.Stdin
	process.Stderr = log
	process.Stdout = log
	if cmd.Stdout != nil {
		process.Stdout = cmd.Stdout
	}
	process.Cancel = func() error { return process.Process.Signal(syscall.SIGTERM) }
	process.WaitDelay = grace
	if err := process.Run(); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("run %s: %w%s", cmd, err, last.quote())
	}
	return nil
}

// Output runs the program and returns what it wrote to its standard output.
func (r *Runner) Output(ctx context.Context, cmd Cmd) ([]byte, error) {
	var out bytes.Buffer
	cmd.Stdout = &out
	err := r.Run(ctx, cmd)
	return out.Bytes(), err
}

// lookPath finds the program in the PATH of env, which may differ from the
// process's own.
func lookPath(name string, env []string) (string, error) {
	if strings.ContainsRune(name, os.PathSeparator) {
		return name, nil
	}
	var path string
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok {
			path = value
		}
	}
	for dir := range strings.SplitSeq(path, string(os.PathListSeparator)) {
		file := dir + string(os.PathSeparator) + name
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("find the program %s on PATH: %w", name, exec.ErrNotFound)
}

// tail keeps the last bytes written to it.
type tail struct {
	mu   sync.Mutex
	data []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if over := len(t.data) - tailLimit; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(p), nil
}

func (t *tail) quote() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimSpace(string(t.data))
	if text == "" {
		return ""
	}
	return "; it wrote:\n    " + strings.ReplaceAll(text, "\n", "\n    ")
}

// NotFound says whether err means that a program is not installed.
func NotFound(err error) bool { return errors.Is(err, exec.ErrNotFound) }
