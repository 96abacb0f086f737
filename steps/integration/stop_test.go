package integration_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

// replaceMakefile gives the model another Makefile.
func replaceMakefile(t *testing.T, dir, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "models", "news_classifier", "Makefile"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A run that ends before its tests is none that went well, at whatever moment
// its time is up.
func TestTimeoutIsNoSuccess(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, makefile, phase string
		args                  []string
		leaveOut              []string
	}{
		{"waiting for the route", makefile, "route", []string{"--route-timeout", "10s", "--gateway-url", "http://127.0.0.1:1"}, nil},
		{"asking make for targets", "SLOW := $(shell sleep 30)\n" + makefile, "test", nil, nil},
		{"asking make for how to set up", "SLOW := $(shell sleep 30)\nkind_setup: ; @:\n", "setup", nil, []string{"integration/setup.yaml"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := &stand{}
			dir := newModel(t, append(tc.leaveOut, "integration/predictions.yaml")...)
			replaceMakefile(t, dir, tc.makefile)
			code, results, output := run(t, t.Context(), s, append([]string{"--repository-dir", dir, "--push", "--timeout", "2s"}, tc.args...)...)
			if code != step.ExitInfra || results["failed-phase"] != tc.phase || results["outcome"] != "failure" || !strings.Contains(output, "took longer than 2s") {
				t.Errorf("exit code %d, results %v\n%s", code, results, output)
			}
			if calls := strings.Join(s.called(), "\n"); strings.Contains(calls, "--push") || !strings.Contains(calls, "kind-cluster delete") {
				t.Errorf("calls:\n%s", calls)
			}
		})
	}
}

// A run whose daemon ends does not wait for a cluster that is gone.
func TestDaemonEnds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		at, phase string
		makefile  string
	}{
		{"cluster-setup", "setup", makefile},
		{"seldon-deploy", "deploy", makefile},
		{"", "test", "install_integration_dev: ; @:\ntest_integration: ; @echo 137 >$(EXIT_FILE); sleep 30\n"},
	} {
		t.Run(tc.phase, func(t *testing.T) {
			t.Parallel()
			exitFile := filepath.Join(t.TempDir(), "exit")
			dir := newModel(t)
			replaceMakefile(t, dir, strings.ReplaceAll(tc.makefile, "$(EXIT_FILE)", exitFile))
			s := &stand{do: func(ctx context.Context, name string) {
				if name != tc.at {
					return
				}
				for _, text := range []string{"", "137\n"} { // first it is there, then something is in it
					if err := os.WriteFile(exitFile, []byte(text), 0o644); err != nil {
						t.Error(err)
					}
					time.Sleep(500 * time.Millisecond)
				}
				select {
				case <-ctx.Done():
				case <-time.After(30 * time.Second):
				}
			}}
			started := time.Now()
			code, results, output := run(t, t.Context(), s, "--repository-dir", dir, "--strategy", "none", "--docker-exit-file", exitFile)
			if code == 0 || results["failed-phase"] != tc.phase || !strings.Contains(output, "the docker daemon has ended with exit code 137") {
				t.Errorf("exit code %d, results %v\n%s", code, results, output)
			}
			if took := time.Since(started); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// A signal while it is cleaning up hurries the logs, spares the cluster's
// removal, and leaves what came of the tests as it is.
func TestSignalWhileCleaningUp(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"kind-cluster logs", "kind-cluster delete"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var deleting, logging time.Duration
			s := &stand{}
			s.do = func(ctx context.Context, name string) {
				start := time.Now()
				if name == at {
					cancel()
				}
				switch name {
				case "kind-cluster logs":
					if at == name {
						<-ctx.Done()
					}
					logging = time.Since(start)
				case "kind-cluster delete":
					select {
					case <-ctx.Done():
					case <-time.After(300 * time.Millisecond):
						deleting = time.Since(start)
					}
				}
			}
			code, results, output := run(t, ctx, s, "--repository-dir", newModel(t), "--report-dir", t.TempDir())
			if code != 0 || results["outcome"] != "success" || results["failed-phase"] != "" || results["cleanup"] != "success" {
				t.Errorf("exit code %d, results %v\n%s", code, results, output)
			}
			if deleting == 0 || logging > 6*time.Second {
				t.Errorf("logs took %s, delete %s", logging, deleting)
			}
		})
	}
}

// A cluster that was there before is not this run's to remove.
func TestForeignClusterStays(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		attempts string
		code     int
		removed  bool
	}{{"0", step.ExitInvalid, false}, {"0", step.ExitInfra, false}, {"1", step.ExitInfra, true}} {
		s := &stand{attempts: tc.attempts, fail: map[string]int{"kind-cluster create": tc.code}}
		code, results, output := run(t, t.Context(), s, "--repository-dir", newModel(t), "--name", "mine")
		if code != tc.code || results["failed-phase"] != "cluster" || slices.Contains(s.called(), "kind-cluster delete") != tc.removed {
			t.Errorf("%+v: exit code %d, results %v, calls %q\n%s", tc, code, results, s.called(), output)
		}
	}
}

// Set-up does not wait for a cluster that is gone.
func TestSetupAfterAnotherAttempt(t *testing.T) {
	t.Parallel()
	s := &stand{attempts: "2"}
	setups := 0
	s.do = func(ctx context.Context, name string) {
		switch name {
		case "kind-cluster create":
			time.Sleep(200 * time.Millisecond)
		case "cluster-setup":
			if setups++; setups == 1 {
				select {
				case <-ctx.Done():
				case <-time.After(20 * time.Second):
					t.Error("set-up went on")
				}
			}
		}
	}
	code, results, output := run(t, t.Context(), s, "--repository-dir", newModel(t))
	if code != 0 || setups != 2 {
		t.Errorf("exit code %d, %d set-ups, results %v\n%s", code, setups, results, output)
	}
}

// Loading over a base image waits for the API server as set-up does, and is not
// set-up: when time is up that is told once.
func TestTimeoutBeforeTheAPIServerAnswers(t *testing.T) {
	t.Parallel()
	s := &stand{fail: map[string]int{"kind-cluster create": step.ExitInfra}}
	s.do = func(ctx context.Context, name string) {
		if name == "kind-cluster create" {
			<-ctx.Done()
		}
	}
	code, results, output := run(t, t.Context(), s, "--repository-dir", newModel(t), "--base-image", "base:v1", "--timeout", "1s")
	if code != step.ExitInfra || results["failed-phase"] != "cluster" || strings.Count(output, "[setup] error: stopped") != 1 {
		t.Errorf("exit code %d, results %v\n%s", code, results, output)
	}
}
