package docker

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The daemon's keeper is asked to end it, and waited for.
func TestEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	if err := End(t.Context(), "", file("exit"), file("log")); err != nil {
		t.Errorf("without a file to ask with: %v", err)
	}
	if err := End(t.Context(), file("stop"), file("exit"), file("log")); err != nil {
		t.Errorf("nobody runs a daemon: %v", err)
	}
	if _, err := os.Stat(file("stop")); err == nil {
		t.Error("asked although nobody runs a daemon")
	}
	if err := os.WriteFile(file("log"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	keeper := exec.CommandContext(t.Context(), "sh", "-c", `while [ ! -e "$0" ]; do sleep 0.05; done; sleep 0.2; echo 0 >"$1"`, file("stop"), file("exit"))
	if err := keeper.Start(); err != nil {
		t.Fatal(err)
	}
	started := time.Now()
	if err := End(t.Context(), file("stop"), file("exit"), file("log")); err != nil {
		t.Error(err)
	}
	if took := time.Since(started); took < 200*time.Millisecond {
		t.Errorf("not waited for: %s", took)
	}
	if err := keeper.Wait(); err != nil {
		t.Error(err)
	}
	if err := os.Remove(file("exit")); err != nil {
		t.Fatal(err)
	}
	if err := End(t.Context(), file("stop"), file("exit"), file("log")); err == nil {
		t.Error("a keeper that does not end the daemon is taken for one that does")
	}
}
