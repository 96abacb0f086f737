package docker

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	for _, keeper := range []string{
		`while [ ! -e "$0" ]; do sleep 0.05; done; sleep 0.2; echo 0 >"$1"`,
		`rm "$0"; mkfifo "$0"; read -r _ <"$0"; sleep 0.2; echo 0 >"$1"`,
	} {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", keeper, file("stop"), file("exit"))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(keeper, "mkfifo") {
			awaitPipe(t, file("stop"))
		}
		started := time.Now()
		if err := End(t.Context(), file("stop"), file("exit"), file("log")); err != nil {
			t.Error(err)
		}
		if took := time.Since(started); took < 200*time.Millisecond {
			t.Errorf("not waited for: %s", took)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
		if err := os.Remove(file("exit")); err != nil {
			t.Fatal(err)
		}
	}
	// Nobody reads the pipe any more.
	if err := End(t.Context(), file("stop"), file("exit"), file("log")); err == nil {
		t.Error("a keeper that does not end the daemon is taken for one that does")
	}
}

func awaitPipe(t *testing.T, path string) {
	t.Helper()
	for range 1000 {
		if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("no pipe was made")
}
