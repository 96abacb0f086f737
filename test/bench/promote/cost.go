package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/model-delivery/model-delivery/steps/git/gittest"
)

// cost is what one promotion took.
type cost struct {
	time  time.Duration
	bytes int64
	rss   int64
}

func (c cost) String() string {
	return fmt.Sprintf("%6.2f s  %10d bytes  %6.1f MB", c.time.Seconds(), c.bytes, float64(c.rss)/1e6)
}

// over is a cost in proportion to another.
func (c cost) over(other cost) string {
	return fmt.Sprintf("ratio time=%.2f bytes=%.3f rss=%.2f", c.time.Seconds()/other.time.Seconds(), float64(c.bytes)/float64(other.bytes), float64(c.rss)/float64(other.rss))
}

// median takes each quantity by itself.
func median(costs []cost) cost {
	middle := func(of func(cost) int64) int64 {
		var all []int64
		for _, c := range costs {
			all = append(all, of(c))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return cost{
		time:  time.Duration(middle(func(c cost) int64 { return int64(c.time) })),
		bytes: middle(func(c cost) int64 { return c.bytes }),
		rss:   middle(func(c cost) int64 { return c.rss }),
	}
}

// way is a way to promote: a command for the repository at a URL and the
// directory that is to be promoted.
type way struct {
	name    string
	command func(ctx context.Context, url, source, scratch string) *exec.Cmd
}

// step is gitops-promote.
func (b *bench) step(ctx context.Context, url, source, _ string) *exec.Cmd {
	return exec.CommandContext(ctx, b.promote, "--repository="+url, "--environment=staging", "--model=model-1", "--source="+source, "--provider=none", "--results-dir="+b.dir+"/none")
}

// shell is how a script promotes: all of the repository on disk, the files
// copied over what is there.
func (b *bench) shell(clone string) func(ctx context.Context, url, source, scratch string) *exec.Cmd {
	return func(ctx context.Context, url, source, scratch string) *exec.Cmd {
		const script = `set -e
git clone --quiet $1 "$2" clone
cd clone
cp -r "$3"/. staging/model-1
git add -A
git commit --quiet --message "Promote model-1"
git push --quiet origin HEAD:main`
		cmd := exec.CommandContext(ctx, "sh", "-c", script, "sh", clone, url, source)
		cmd.Dir, cmd.Env = scratch, gittest.Environment()
		return cmd
	}
}

// measure promotes a new version of the model.
func (b *bench) measure(ctx context.Context, s *server, w way) (cost, error) {
	b.version++
	scratch := filepath.Join(b.dir, "scratch")
	source := filepath.Join(b.dir, "source")
	defer os.RemoveAll(scratch)
	for _, dir := range []string{scratch, source} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return cost{}, err
		}
	}
	text := manifest(1, b.version)
	if err := os.WriteFile(filepath.Join(source, "file-0.yaml"), []byte(text), 0o644); err != nil {
		return cost{}, err
	}
	cmd := w.command(ctx, s.url, source, scratch)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	before, start := s.bytes.Load(), time.Now()
	err := cmd.Run()
	c := cost{time: time.Since(start), bytes: s.bytes.Load() - before}
	if err != nil {
		return c, fmt.Errorf("%s: %w\n%s", w.name, err, said.String())
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.rss = usage.Maxrss * 1024 // of the process and of those that it waited for
	}
	// It is there, whatever the way says.
	there, err := exec.CommandContext(ctx, "git", "-C", s.bare, "show", "main:staging/model-1/file-0.yaml").Output()
	if err != nil || strings.TrimSpace(string(there)) != strings.TrimSpace(text) {
		return c, fmt.Errorf("%s did not promote: %v", w.name, err)
	}
	return c, nil
}
