// Package cache keeps what is slow to make in a directory outside the work
// tree, one entry for each key.
//
// An entry is a directory that appears whole or not at all: it is made beside
// its place and renamed into it. A file lock for each key makes a second
// process wait for the first instead of building the same thing again. What an
// interrupted build left behind is handed to the next one, so that a build that
// can go on where it stopped does.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// lockPoll is how often a busy lock is tried again.
const lockPoll = 100 * time.Millisecond

// Cache is a directory of entries.
type Cache struct {
	root string
}

// DefaultRoot is the directory the cache lives in: MODEL_DELIVERY_CACHE, or
// model-delivery in the user's cache directory.
func DefaultRoot(getenv func(string) string) (string, error) {
	if dir := getenv("MODEL_DELIVERY_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "model-delivery"), nil
	}
	home := getenv("HOME")
	if home == "" {
		return "", errors.New("find the cache directory: none of MODEL_DELIVERY_CACHE, XDG_CACHE_HOME and HOME is set")
	}
	return filepath.Join(home, ".cache", "model-delivery"), nil
}

// Open returns the cache in root, creating the directory when it is missing.
func Open(root string) (*Cache, error) {
	for _, dir := range []string{"entries", "partial", "locks"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return nil, fmt.Errorf("create the cache: %w", err)
		}
	}
	return &Cache{root: root}, nil
}

// Root is the directory of the cache.
func (c *Cache) Root() string { return c.root }

// Path joins elements to the root of the cache: a place for data that is not
// an entry, such as the registry's storage.
func (c *Cache) Path(elem ...string) string {
	return filepath.Join(append([]string{c.root}, elem...)...)
}

// Key makes the key of an entry from a readable name and everything that
// determines the content: equal parts give equal keys.
func Key(name string, parts ...string) string {
	sum := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '_'
	}, name)
	return name + "-" + hex.EncodeToString(sum.Sum(nil))[:12]
}

// Lookup returns the directory of the entry, and whether it is there.
func (c *Cache) Lookup(key string) (string, bool) {
	dir := c.Path("entries", key)
	info, err := os.Stat(dir)
	return dir, err == nil && info.IsDir()
}

// Dir returns the directory of the entry key, made by build when it is missing.
// build gets a directory to fill; it may already hold what an interrupted build
// left there. The directory becomes the entry only when build succeeds.
func (c *Cache) Dir(ctx context.Context, key string, build func(dir string) error) (string, error) {
	dir, found := c.Lookup(key)
	if found {
		return dir, nil
	}
	unlock, err := c.Lock(ctx, key)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, found := c.Lookup(key); found { // another process made it while this one waited
		return dir, nil
	}
	partial := c.Path("partial", key)
	if err := os.MkdirAll(partial, 0o755); err != nil {
		return "", fmt.Errorf("create the cache entry %s: %w", key, err)
	}
	if err := build(partial); err != nil {
		return "", err
	}
	if err := os.Rename(partial, dir); err != nil {
		return "", fmt.Errorf("finish the cache entry %s: %w", key, err)
	}
	return dir, nil
}

// Remove deletes the entry and what an interrupted build left of it.
func (c *Cache) Remove(ctx context.Context, key string) error {
	unlock, err := c.Lock(ctx, key)
	if err != nil {
		return err
	}
	defer unlock()
	return errors.Join(os.RemoveAll(c.Path("entries", key)), os.RemoveAll(c.Path("partial", key)))
}

// Lock takes the file lock called name, waiting until ctx ends. The kernel
// releases it when the process dies, however it dies.
func (c *Cache) Lock(ctx context.Context, name string) (unlock func(), err error) {
	return LockFile(ctx, c.Path("locks", name+".lock"))
}

// LockFile takes an exclusive lock on the file at path, created when missing.
func LockFile(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("wait for another process that holds %s: %w", path, context.Cause(ctx))
		case <-time.After(lockPoll):
		}
	}
}

// WriteFile replaces the file at path with data, whole or not at all.
func WriteFile(path string, data []byte, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(data)
	err = errors.Join(err, file.Chmod(mode), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
