package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// loop is what people write in place of checks.
//
//go:embed loop.py
var loop string

// findPython finds an interpreter that has requests.
func (b *bench) findPython(ctx context.Context) error {
	tried := []string{"python3", "/usr/bin/python3"}
	if b.python != "" {
		tried = []string{b.python}
	}
	for _, python := range tried {
		if exec.CommandContext(ctx, python, "-c", "import requests").Run() == nil {
			b.python = python
			return nil
		}
	}
	return fmt.Errorf("none of %v has the package requests; Debian's is python3-requests", tried)
}

// writeGoldens writes the same goldens for both.
func (b *bench) writeGoldens() error {
	var checks strings.Builder
	checks.WriteString("checks:\n")
	type golden struct {
		Request  json.RawMessage `json:"request"`
		Expected json.RawMessage `json:"expected"`
	}
	var list []golden
	for i := range b.checks {
		request := fmt.Sprintf(`{"data":{"names":["a","b"],"ndarray":[[%d,%d.5]]}}`, i, i)
		fmt.Fprintf(&checks, "- name: golden %d\n  request: %s\n  expect: {data: {ndarray: [[0.25, 0.75]]}, tolerance: {absolute: 1e-6}}\n", i, request)
		list = append(list, golden{json.RawMessage(request), json.RawMessage(`[[0.25,0.75]]`)})
	}
	data, err := json.Marshal(list)
	if err != nil {
		return err
	}
	for name, text := range map[string]string{"goldens.yaml": checks.String(), "goldens.json": string(data), "loop.py": loop} {
		if err := os.WriteFile(b.path(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// ownGoldens asks 32 at a time, which the loop cannot.
func (b *bench) ownGoldens(ctx context.Context) (float64, error) {
	text, err := os.ReadFile(b.path("goldens.yaml"))
	if err != nil {
		return 0, err
	}
	r, _, took, err := b.check(ctx, string(text), "--concurrency", "32")
	if err != nil {
		return 0, err
	}
	if r.Passed != b.checks {
		return 0, fmt.Errorf("%d of %d goldens passed", r.Passed, b.checks)
	}
	return float64(b.checks) / took.Seconds(), nil
}

func (b *bench) pythonGoldens(ctx context.Context) (float64, error) {
	start := time.Now()
	out, err := exec.CommandContext(ctx, b.python, b.path("loop.py"), b.path("goldens.json"), "http://"+b.rest+"/api/v1.0/predictions").CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != fmt.Sprint(b.checks) {
		return 0, fmt.Errorf("the loop in Python: %w: %s", err, out)
	}
	return float64(b.checks) / time.Since(start).Seconds(), nil
}

// memory is the peak of a check of a dataset, in MB.
func (b *bench) memory(ctx context.Context) (float64, error) {
	file, err := os.Create(b.path("rows.csv"))
	if err != nil {
		return 0, err
	}
	out := bufio.NewWriter(file)
	fmt.Fprintln(out, "text,class")
	for i := range b.rows {
		fmt.Fprintf(out, "row %d with some text of a usual length that a model classifies,%d\n", i, 1)
	}
	if err := out.Flush(); err != nil {
		return 0, err
	}
	if err := file.Close(); err != nil {
		return 0, err
	}
	r, cmd, took, err := b.check(ctx, `defaults: {headers: {X-Rows: "1"}}
checks:
- name: all rows
  dataset: {file: rows.csv, label: class, batch: 100, concurrency: 4}
  expect: {accuracy: {min: 1}}
`)
	if err != nil {
		return 0, err
	}
	if n := r.Checks[0].Dataset.Rows; n != b.rows {
		return 0, fmt.Errorf("%d of %d rows were scored", n, b.rows)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, fmt.Errorf("the system does not tell how much memory a process had")
	}
	peak := float64(usage.Maxrss) / 1000
	fmt.Printf("dataset: %d rows in %s, %.1f MB at most\n", b.rows, took.Round(time.Millisecond), peak)
	return peak, nil
}
