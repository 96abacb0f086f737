package bundle_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/test/bundle"
)

// TestMakeHelpListsEverything: each target is phony, and is listed with what it
// does.
func TestMakeHelpListsEverything(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join(bundle.Root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "--directory="+bundle.Root)
	help, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for line := range strings.Lines(string(help)) {
		if fields := strings.Fields(line); len(fields) > 1 {
			listed = append(listed, fields[0])
		}
	}
	targets := makeTarget.FindAllStringSubmatch(string(data), -1)
	if len(targets) < 5 {
		t.Errorf("the Makefile has %d targets", len(targets))
	}
	for _, match := range targets {
		if !slices.Contains(listed, match[1]) {
			t.Errorf("make help does not list %s", match[1])
		}
		if !strings.Contains(string(data), ".PHONY: "+match[1]+"\n") {
			t.Errorf("target %s is not phony", match[1])
		}
	}
}
