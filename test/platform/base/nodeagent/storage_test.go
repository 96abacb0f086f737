package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

const uid = "01234567-89ab-cdef-0123-456789abcdef"

// TestVolumeOf: what the agent writes is a volume that Kubernetes takes, for one
// claim, on one node, in a directory of its own.
func TestVolumeOf(t *testing.T) {
	t.Parallel()
	data, err := json.Marshal(volumeOf(metadata{Name: "c", Namespace: "n", UID: uid}, []string{"ReadWriteOnce"}, "4Gi", "node-1"))
	if err != nil {
		t.Fatal(err)
	}
	var volume corev1.PersistentVolume
	if err := yaml.UnmarshalStrict(data, &volume); err != nil {
		t.Fatal(err)
	}
	spec := volume.Spec
	if spec.ClaimRef.Name != "c" || spec.ClaimRef.Namespace != "n" || spec.ClaimRef.UID != uid {
		t.Errorf("it is for the claim %+v", spec.ClaimRef)
	}
	if spec.HostPath.Path != "/var/local-path-provisioner/pvc-"+uid || volume.Name != "pvc-"+uid {
		t.Errorf("the volume %s is in %s", volume.Name, spec.HostPath.Path)
	}
	if size := spec.Capacity.Storage().String(); size != "4Gi" || spec.AccessModes[0] != corev1.ReadWriteOnce || spec.StorageClassName != className {
		t.Errorf("size %s, %v, class %s", size, spec.AccessModes, spec.StorageClassName)
	}
	term := spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0]
	if term.Key != "kubernetes.io/hostname" || len(term.Values) != 1 || term.Values[0] != "node-1" {
		t.Errorf("it is on %+v", term)
	}
}

// TestHostDirectory: no name leads out of the directory of volumes.
func TestHostDirectory(t *testing.T) {
	t.Parallel()
	if got, err := hostDirectory("pvc-" + uid); err != nil || got != "/host/var/local-path-provisioner/pvc-"+uid {
		t.Errorf("hostDirectory() = %q, %v", got, err)
	}
	for _, name := range []string{"", "pvc-", "pvc-../../../../etc/passwd-0123456789012345", "../etc", "pvc-" + uid + "/..", "x\npvc-" + uid} {
		if got, err := hostDirectory(name); err == nil {
			t.Errorf("hostDirectory(%q) = %q, want an error", name, got)
		}
	}
}

func FuzzHostDirectory(f *testing.F) {
	f.Add("pvc-" + uid)
	f.Add("pvc-..")
	f.Fuzz(func(t *testing.T, name string) {
		path, err := hostDirectory(name)
		if err == nil && (path != "/host"+directories+"/"+name || strings.Contains(name, "/")) {
			t.Errorf("hostDirectory(%q) = %q", name, path)
		}
	})
}

// TestRepeat: a duty is done again soon after it failed, and at leisure after it
// went well, until the agent is told to end.
func TestRepeat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 14*time.Second)
		defer cancel()
		began := time.Now()
		var at []time.Duration
		repeat(ctx, "test", 5*time.Second, func() error {
			at = append(at, time.Since(began))
			if len(at) < 3 {
				return errors.New("not yet")
			}
			return nil
		})
		want := []time.Duration{0, time.Second, 2 * time.Second, 7 * time.Second, 12 * time.Second}
		if len(at) != len(want) {
			t.Fatalf("done at %v, want %v", at, want)
		}
		for i := range at {
			if at[i] != want[i] {
				t.Errorf("done at %v, want %v", at, want)
			}
		}
	})
}

func TestIsIPv6(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{"10.0.0.1": false, "10.244.0.0/24": false, "fd00::1": true, "fd00:10:244::/64": true} {
		if isIPv6(address) != want {
			t.Errorf("isIPv6(%q) = %t", address, !want)
		}
	}
}
