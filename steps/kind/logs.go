package kind

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/model-delivery/model-delivery/steps/atomicfile"
	"github.com/model-delivery/model-delivery/steps/step"
)

// DefaultMaxLogBytes bounds the logs that are kept of a cluster.
const DefaultMaxLogBytes = 100 << 20

// logsTimeout bounds how long collecting logs may take.
const logsTimeout = 60 * time.Second

// Logs writes what the nodes, their pods and the daemon know about a cluster
// into dir, and then shortens the largest of these files until they are within
// maxBytes together (DefaultMaxLogBytes when zero). What else is in dir is left
// alone. Some that cannot be had are only reported.
func Logs(ctx context.Context, target Target, dir string, maxBytes int64) error {
	s, err := open(target)
	if err != nil {
		return err
	}
	defer s.close()
	return s.logs(ctx, dir, maxBytes)
}

func (s *session) logs(ctx context.Context, dir string, maxBytes int64) error {
	list, err := s.containers(ctx)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return s.noCluster()
	}
	return s.keepLogs(ctx, dir, maxBytes)
}

func (s *session) keepLogs(ctx context.Context, dir string, maxBytes int64) error {
	if maxBytes <= 0 {
		maxBytes = DefaultMaxLogBytes
	}
	start := time.Now()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return step.Invalidf("make the directory for logs: %w", err)
	}
	before, err := filesIn(dir)
	if err != nil {
		return step.Invalidf("look into the directory for logs: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, logsTimeout, fmt.Errorf("%s passed", logsTimeout))
	defer cancel()
	collected := make(chan error, 1) // kind's library goes on beyond ctx
	go func() { collected <- s.provider.CollectLogs(s.Name, dir) }()
	objects := make(chan error, 1) // and so does the docker command that it runs
	go func() { objects <- s.keepObjects(ctx, dir) }()
	select {
	case err := <-objects:
		if err != nil {
			s.Log("events and pods are not kept: %v", err)
		}
	case <-ctx.Done():
	}
	err = nil
	select {
	case err = <-collected:
		for _, part := range flatten(err) {
			s.Log("some logs are missing: %v", commandError(part))
		}
	case <-ctx.Done():
		// kind's library cannot be told to stop; what it wrote so far stays.
		err = step.Infraf("not all logs of cluster %s were kept: %w", s.Name, context.Cause(ctx))
		s.Log("warning: %v", err)
	}
	kept, cut, shrinkErr := shrink(dir, maxBytes, func(path string, info fs.FileInfo) bool { return s.wrote(path, info, before[path]) })
	if shrinkErr != nil {
		return step.Infraf("bound the size of the logs in %s: %w", dir, shrinkErr)
	}
	s.Log("kept %.1f MiB of logs in %s (%d file(s) shortened) in %s", float64(kept)/(1<<20), dir, cut, since(start))
	// One log more or less is no failure; none at all is.
	if err != nil && kept == 0 {
		return step.Infraf("collect the logs of cluster %s: %w", s.Name, err)
	}
	return nil
}

// filesIn lists the regular files below a directory by their paths in it.
func filesIn(dir string) (map[string]fs.FileInfo, error) {
	files := map[string]fs.FileInfo{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files[name] = info
		return err
	})
	return files, err
}

// wrote tells whether a file in the directory for logs is one that collecting
// them writes, and was not there before as it is now.
func (s *session) wrote(path string, now, before fs.FileInfo) bool {
	if before != nil && before.ModTime().Equal(now.ModTime()) && before.Size() == now.Size() {
		return false
	}
	top, _, inDir := strings.Cut(filepath.ToSlash(path), "/")
	if inDir {
		return strings.HasPrefix(top, s.Name+"-") // a node's
	}
	return slices.Contains([]string{"kind-version.txt", "docker-info.txt", eventsFile, podsFile}, top)
}

// shrink cuts the beginnings of the largest files that are mine until all of
// these are within the bound: the end of a log is what tells. It returns the
// bytes kept and the number of files cut.
func shrink(dir string, maxBytes int64, mine func(path string, info fs.FileInfo) bool) (int64, int, error) {
	type file struct {
		path string
		size int64
	}
	found, err := filesIn(dir)
	var files []file
	var total int64
	for name, info := range found {
		if mine(name, info) {
			files = append(files, file{filepath.Join(dir, name), info.Size()})
			total += info.Size()
		}
	}
	if err != nil || total <= maxBytes {
		return total, 0, err
	}
	// The level that, as a bound for every file, keeps the sum within.
	slices.SortFunc(files, func(a, b file) int { return int(min(1, max(-1, a.size-b.size))) })
	left, level := maxBytes, int64(0)
	for i, f := range files {
		level = left / int64(len(files)-i)
		if f.size > level {
			break
		}
		left -= f.size
	}
	kept, cut := int64(0), 0
	for _, f := range files {
		if f.size > level {
			n, err := keepEnd(f.path, f.size, level)
			if err != nil {
				return kept, cut, err
			}
			f.size = n
			cut++
		}
		kept += f.size
	}
	return kept, cut, nil
}

// keepEnd replaces a file by its last bytes, with a line that says so where
// there is room for one.
func keepEnd(path string, size, keep int64) (int64, error) {
	note := fmt.Sprintf("[the first %d bytes were cut]\n", size-keep)
	if int64(len(note)) > keep {
		note = ""
	}
	data := make([]byte, keep-int64(len(note)))
	source, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer source.Close()
	n, err := source.ReadAt(data, size-int64(len(data)))
	if err != nil && n == 0 && len(data) > 0 {
		return 0, err
	}
	return int64(len(note) + n), atomicfile.Write(path, append([]byte(note), data[:n]...), 0o644)
}
