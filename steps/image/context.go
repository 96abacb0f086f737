package image

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"github.com/model-delivery/model-delivery/steps/step"
)

// maxContextBytes bounds what is sent to the daemon for one build.
const maxContextBytes = 4 << 30

// writeContext writes dir as the tar stream that a docker build takes, without
// what .dockerignore names. The Dockerfile and .dockerignore always go along.
// Symbolic links are sent as links, and what is neither file, directory nor
// link is left out.
func writeContext(w io.Writer, dir, dockerfile string) error {
	ignored, err := readIgnore(dir)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	var total int64
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if rel != dockerfile && rel != ".dockerignore" {
			skip, err := ignored.MatchesOrParentMatches(rel)
			if err != nil {
				return fmt.Errorf(".dockerignore: %w", err)
			}
			if skip && entry.IsDir() && !ignored.Exclusions() && !strings.HasPrefix(dockerfile, rel+"/") {
				return filepath.SkipDir
			}
			if skip {
				return nil
			}
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if total += info.Size(); info.Mode().IsRegular() && total > maxContextBytes {
			return fmt.Errorf("the files are larger than %d bytes; name what the image does not need in .dockerignore", int64(maxContextBytes))
		}
		return addFile(tw, path, rel, info)
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

func readIgnore(dir string) (*patternmatcher.PatternMatcher, error) {
	var patterns []string
	file, err := os.Open(filepath.Join(dir, ".dockerignore"))
	switch {
	case err == nil:
		defer file.Close()
		if patterns, err = ignorefile.ReadAll(io.LimitReader(file, 1<<20)); err != nil {
			return nil, fmt.Errorf("read .dockerignore: %w", err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read .dockerignore: %w", err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, step.Invalidf("read .dockerignore: %w", err)
	}
	return matcher, nil
}

func addFile(tw *tar.Writer, path, name string, info fs.FileInfo) error {
	link := ""
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		var err error
		if link, err = os.Readlink(path); err != nil {
			return err
		}
	case !info.Mode().IsRegular() && !info.IsDir():
		return nil
	}
	header, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	// Owners of the workspace mean nothing in the image, and times would only break its build cache.
	header.Name, header.Uid, header.Gid, header.Uname, header.Gname = name, 0, 0, "", ""
	if info.IsDir() {
		header.Name += "/"
	}
	if err := tw.WriteHeader(header); err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	// The header's size counts: a file that grew meanwhile is cut, one that shrank is an error.
	if _, err := io.CopyN(tw, file, header.Size); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
