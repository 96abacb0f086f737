package cache_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/model-delivery/model-delivery/test/platform/cache"
)

func open(t *testing.T) *cache.Cache {
	t.Helper()
	store, err := cache.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestDefaultRoot(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"its own variable first": {map[string]string{"MODEL_DELIVERY_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"},
		"then the user's caches": {map[string]string{"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/model-delivery"},
		"then the home":          {map[string]string{"HOME": "/c"}, "/c/.cache/model-delivery"},
	} {
		got, err := cache.DefaultRoot(func(key string) string { return test.env[key] })
		if err != nil || got != test.want {
			t.Errorf("%s: DefaultRoot() = %q, %v; want %q", name, got, err, test.want)
		}
	}
	if got, err := cache.DefaultRoot(func(string) string { return "" }); err == nil {
		t.Errorf("DefaultRoot() without an environment = %q, want an error", got)
	}
}

func TestKey(t *testing.T) {
	t.Parallel()
	key := cache.Key("etcd v3/../x", "a", "bc")
	if key != cache.Key("etcd v3/../x", "a", "bc") {
		t.Error("equal parts give different keys")
	}
	if strings.ContainsAny(key, "/ ") || !strings.HasPrefix(key, "etcd_v3_.._x-") {
		t.Errorf("Key() = %q, want one path element that begins with the readable name", key)
	}
	for _, parts := range [][]string{{"ab", "c"}, {"a", "b", "c"}, {"abc"}, {"a", "bc", ""}, nil} {
		if cache.Key("etcd v3/../x", parts...) == key {
			t.Errorf("the parts %q have the key of [a bc]", parts)
		}
	}
}

// TestEntriesAreWholeOrAbsent: a build that fails leaves no entry, only what the
// next build may go on from.
func TestEntriesAreWholeOrAbsent(t *testing.T) {
	t.Parallel()
	store := open(t)
	broken := errors.New("the disk is full")
	_, err := store.Dir(t.Context(), "k", func(dir string) error {
		if _, found := store.Lookup("k"); found {
			t.Error("the entry is there while it is being built")
		}
		return errors.Join(os.WriteFile(filepath.Join(dir, "first"), []byte("1"), 0o600), broken)
	})
	if !errors.Is(err, broken) {
		t.Errorf("Dir() = %v, want the error of the build", err)
	}
	if dir, found := store.Lookup("k"); found {
		t.Errorf("a failed build left the entry %s", dir)
	}
	dir, err := store.Dir(t.Context(), "k", func(dir string) error {
		if _, err := os.Stat(filepath.Join(dir, "first")); err != nil {
			t.Errorf("what the failed build had made is gone: %v", err)
		}
		return os.WriteFile(filepath.Join(dir, "second"), []byte("2"), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"first", "second"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	again, err := store.Dir(t.Context(), "k", func(string) error { return errors.New("built twice") })
	if err != nil || again != dir {
		t.Errorf("Dir() of an entry that is there = %q, %v; want %q", again, err, dir)
	}
}

func TestRemove(t *testing.T) {
	t.Parallel()
	store := open(t)
	build := func(dir string) error { return os.WriteFile(filepath.Join(dir, "f"), nil, 0o600) }
	if _, err := store.Dir(t.Context(), "whole", build); err != nil {
		t.Fatal(err)
	}
	_, _ = store.Dir(t.Context(), "half", func(dir string) error { return errors.Join(build(dir), errors.New("stopped")) })
	for _, key := range []string{"whole", "half", "never made"} {
		if err := store.Remove(t.Context(), key); err != nil {
			t.Errorf("Remove(%q) = %v", key, err)
		}
		_, err := store.Dir(t.Context(), key, func(dir string) error {
			left, err := os.ReadDir(dir)
			if len(left) > 0 {
				t.Errorf("after Remove(%q) a build finds %v", key, left)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// TestGoroutinesBuildOnce: the lock holds inside one process too.
func TestGoroutinesBuildOnce(t *testing.T) {
	t.Parallel()
	store := open(t)
	var builds atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			_, err := store.Dir(t.Context(), "k", func(string) error {
				builds.Add(1)
				time.Sleep(20 * time.Millisecond)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if builds.Load() != 1 {
		t.Errorf("the entry was built %d times", builds.Load())
	}
}

// TestLockEndsWithTheContext: waiting for another is no waiting for ever, and
// the error says for what.
func TestLockEndsWithTheContext(t *testing.T) {
	t.Parallel()
	store := open(t)
	unlock, err := store.Lock(t.Context(), "k")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = store.Lock(ctx, "k")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "k.lock") {
		t.Errorf("Lock() of a lock that is held = %v", err)
	}
	unlock()
	unlock, err = store.Lock(t.Context(), "k")
	if err != nil {
		t.Fatalf("Lock() after it was freed = %v", err)
	}
	unlock()
}

func TestWriteFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a", "b", "settings")
	for _, text := range []string{"a long first text", "short"} {
		if err := cache.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			t.Errorf("the file holds %q, %v; want %q", got, err, text)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the file there is %v, %v", left, err)
	}
}
