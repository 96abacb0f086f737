package stepbin_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/model-delivery/model-delivery/test/stepbin"
)

func TestBuild(t *testing.T) {
	t.Parallel()
	dir, err := stepbin.Build("model-release")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if info, err := os.Stat(filepath.Join(dir, "model-release")); err != nil || info.Mode()&0o100 == 0 {
		t.Errorf("there is no program: %v, %v", info, err)
	}
	if _, err := stepbin.Build("no-such-step"); err == nil {
		t.Error("a step that there is not was built")
	}
}
