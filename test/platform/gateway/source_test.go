package gateway

import (
	"os"
	"strings"
	"testing"
)

func TestSourcesAreComplete(t *testing.T) {
	t.Parallel()
	sources, err := Sources("build.local/x")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") && sources["gateway/"+name] == "" {
			t.Errorf("%s is not among the sources of the image", name)
		}
	}
	if command := sources["gateway/cmd/main.go"]; !strings.Contains(command, `"build.local/x/gateway"`) {
		t.Errorf("the command imports the package by another path:\n%s", command)
	}
}
