//go:build e2e

// Package platform holds tests of the local platform's own parts that need what
// it has started.
package platform

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/model-delivery/model-delivery/test/platform/docker"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

// engine is the platform's Docker engine, with an image that has a shell.
func engine(t *testing.T) (*docker.Engine, string) {
	t.Helper()
	state, err := local.Load("")
	if err != nil {
		t.Fatal(err)
	}
	found, err := docker.Connect(state.DockerHost)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { found.Close() })
	image := state.Images["busybox"]
	if err := found.Fetch(t.Context(), image); err != nil {
		t.Fatal(err)
	}
	if has, err := found.HasImage(t.Context(), image); err != nil || !has {
		t.Errorf("the engine has the image: %t, %v", has, err)
	}
	return found, image
}

// id is the identity of a container that exists.
func id(t *testing.T, e *docker.Engine, name string) string {
	t.Helper()
	found, err := e.ContainerInspect(t.Context(), name, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return found.Container.ID
}

// TestEnsure: a container is made, left alone, started again and replaced, each
// when it should be, and one of somebody else's is never touched.
func TestEnsure(t *testing.T) {
	e, image := engine(t)
	ctx := t.Context()
	name := fmt.Sprintf("model-delivery-e2e-%d", os.Getpid())
	t.Cleanup(func() {
		if err := e.Remove(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	const port = 18473
	spec := docker.Container{
		Name: name, Image: image, Cmd: []string{"sh", "-c", "echo \"$WORD\" > /tmp/index.html && exec httpd -f -p 8080 -h /tmp"}, Env: []string{"WORD=first"},
		Address: netip.MustParseAddr("127.0.0.1"), Ports: map[uint16]uint16{8080: port},
	}
	answers := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			got := ask(port)
			if got == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the container answers %q, want %q", got, want)
			}
		}
	}
	if exists, _, err := e.Running(ctx, name); err != nil || exists {
		t.Fatalf("before: %t, %v", exists, err)
	}
	if err := e.Ensure(ctx, spec, "one"); err != nil {
		t.Fatal(err)
	}
	answers("first")
	first := id(t, e, name)

	if err := e.Ensure(ctx, spec, "one"); err != nil || id(t, e, name) != first {
		t.Errorf("one that runs as it should was replaced: %v", err)
	}
	if _, err := e.ContainerKill(ctx, name, client.ContainerKillOptions{Signal: "KILL"}); err != nil {
		t.Fatal(err)
	}
	if err := e.Ensure(ctx, spec, "one"); err != nil || id(t, e, name) != first {
		t.Errorf("one that had ended was replaced: %v", err)
	}
	answers("first")

	spec.Env = []string{"WORD=second"}
	if err := e.Ensure(ctx, spec, "two"); err != nil || id(t, e, name) == first {
		t.Errorf("one with other settings was not replaced: %v", err)
	}
	answers("second")

	for range 2 { // removing what is gone is no error
		if err := e.Remove(ctx, name); err != nil {
			t.Error(err)
		}
	}
	if exists, running, err := e.Running(ctx, name); err != nil || exists || running {
		t.Errorf("after: %t, %t, %v", exists, running, err)
	}

	foreign, err := e.ContainerCreate(ctx, client.ContainerCreateOptions{Name: name, Config: &container.Config{Image: image, Cmd: []string{"true"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Ensure(ctx, spec, "two"); err == nil || !strings.Contains(err.Error(), "is not the platform's") {
		t.Errorf("Ensure() over somebody else's container = %v", err)
	}
	if id(t, e, name) != foreign.ID {
		t.Error("somebody else's container was replaced")
	}
}

// ask is what the container answers, without its line end.
func ask(port int) string {
	answer, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	var text [64]byte
	n, _ := answer.Body.Read(text[:])
	return strings.TrimSpace(string(text[:n]))
}

// TestWaitEnds: an engine that does not answer is waited for as long as is said.
func TestWaitEnds(t *testing.T) {
	nobody, err := docker.Connect("unix://" + t.TempDir() + "/docker.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	began := time.Now()
	if err := nobody.Wait(t.Context(), 300*time.Millisecond); err == nil || !strings.Contains(err.Error(), "wait 300ms for the Docker engine") {
		t.Errorf("Wait() = %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}
