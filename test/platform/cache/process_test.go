package cache_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/test/platform/cache"
)

// builderRoot makes this test's own binary a builder: a process that makes the
// entry "k" of the cache that the variable names.
const builderRoot = "CACHE_TEST_BUILDER_ROOT"

func TestMain(m *testing.M) {
	if root := os.Getenv(builderRoot); root != "" {
		if err := build(root, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// build makes the entry in two parts. It says "half" between them and goes on
// when it is given a line; at the end it says what became of the entry.
func build(root string, in io.Reader, out io.Writer) error {
	store, err := cache.Open(root)
	if err != nil {
		return err
	}
	dir, err := store.Dir(context.Background(), "k", func(dir string) error {
		first := filepath.Join(dir, "first")
		if _, err := os.Stat(first); err == nil {
			fmt.Fprintln(out, "resumed")
		} else if err := os.WriteFile(first, fmt.Appendf(nil, "process %d", os.Getpid()), 0o600); err != nil {
			return err
		}
		fmt.Fprintln(out, "half")
		if _, err := bufio.NewReader(in).ReadString('\n'); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, "second"), fmt.Appendf(nil, "process %d", os.Getpid()), 0o600)
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "done", dir)
	return nil
}

// builder is a process that builds.
type builder struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
	stdin io.WriteCloser
}

func start(t *testing.T, root string) *builder {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), builderRoot+"="+root)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return &builder{t, cmd, bufio.NewScanner(stdout), stdin}
}

// expect reads the process's next line.
func (b *builder) expect(want string) {
	b.t.Helper()
	if !b.lines.Scan() || b.lines.Text() != want {
		b.t.Fatalf("the process says %q (%v), want %q", b.lines.Text(), b.lines.Err(), want)
	}
}

func (b *builder) goOn() {
	b.t.Helper()
	if _, err := io.WriteString(b.stdin, "\n"); err != nil {
		b.t.Fatal(err)
	}
}

func (b *builder) end() {
	b.t.Helper()
	if err := b.cmd.Wait(); err != nil {
		b.t.Fatal(err)
	}
}

// makers are the processes that made the two parts of the entry.
func makers(t *testing.T, dir string) [2]string {
	t.Helper()
	var made [2]string
	for i, name := range []string{"first", "second"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		made[i] = strings.TrimPrefix(string(data), "process ")
	}
	return made
}

// TestTwoProcessesBuildOnce: the second waits for the first, builds nothing and
// gets the same entry.
func TestTwoProcessesBuildOnce(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	first := start(t, root)
	first.expect("half")
	second := start(t, root)
	first.goOn()
	dir := filepath.Join(root, "entries", "k")
	first.expect("done " + dir)
	first.end()
	second.expect("done " + dir) // without "half" before it
	second.end()
	if made, pid := makers(t, dir), fmt.Sprint(first.cmd.Process.Pid); made != [2]string{pid, pid} {
		t.Errorf("the entry was made by %v, want %s alone", made, pid)
	}
}

// TestKilledBuildIsResumed: a process that is killed leaves no entry and no
// lock; the one that waits for it goes on where it stopped.
func TestKilledBuildIsResumed(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	killed := start(t, root)
	killed.expect("half")
	waiting := start(t, root)
	if err := killed.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.cmd.Wait()
	waiting.expect("resumed")
	waiting.expect("half")
	dir := filepath.Join(root, "entries", "k")
	if _, err := os.Stat(dir); err == nil {
		t.Error("there is an entry before the build has ended")
	}
	waiting.goOn()
	waiting.expect("done " + dir)
	waiting.end()
	want := [2]string{fmt.Sprint(killed.cmd.Process.Pid), fmt.Sprint(waiting.cmd.Process.Pid)}
	if made := makers(t, dir); made != want {
		t.Errorf("the entry was made by %v, want %v", made, want)
	}
}
