package main

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/test/platform/local"
)

// TestReadme: the README's table has the components in the order in which they
// are started, with what each needs, and every flag and command.
func TestReadme(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| ([^|]*) \\|.*\\|.*\\|.*\\|$")
	quoted := regexp.MustCompile("`([^`]+)`")
	var got []string
	for _, match := range row.FindAllStringSubmatch(string(data), -1) {
		line := match[1]
		for _, need := range quoted.FindAllStringSubmatch(match[2], -1) {
			line += " " + need[1]
		}
		got = append(got, line)
	}
	var want []string
	for _, c := range all(".") {
		want = append(want, strings.Join(append([]string{c.Name()}, c.Needs()...), " "))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the README has the components\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var usage bytes.Buffer
	if code := local.Execute(t.Context(), all("."), nil, nil, nil, []string{"--help"}, &usage, &usage); code != 0 {
		t.Fatalf("--help: exit code %d", code)
	}
	flags := regexp.MustCompile(`(?m)^ +--([a-z-]+)`).FindAllStringSubmatch(usage.String(), -1)
	if len(flags) == 0 {
		t.Errorf("the usage has no flags: %s", usage.String())
	}
	for _, flag := range flags {
		if !strings.Contains(string(data), "| `--"+flag[1]+"` |") {
			t.Errorf("the README says nothing of --%s", flag[1])
		}
	}
	for _, command := range regexp.MustCompile(`(?m)^  ([a-z]+)  `).FindAllStringSubmatch(usage.String(), -1) {
		if !strings.Contains(string(data), "go run ./test/platform "+command[1]) {
			t.Errorf("the README says nothing of the command %s", command[1])
		}
	}
}
