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

// buildContext is what is sent to the daemon for one build.
type buildContext struct {
	dir        string
	dockerfile string // path in dir of the file that always goes along; "" when generated is it
	ignore     string // name of the file that lists what stays
	prefix     string // before the names of files, such as "src/"
	generated  []byte // content of a Dockerfile that is not in dir
}

// generatedName is what a Dockerfile that is not the user's is called.
const generatedName = "Dockerfile.generated"

// writeContext writes a directory as the tar stream that a docker build takes,
// without what its ignore file names. The Dockerfile and the ignore file always
// go along. Symbolic links are sent as links, and what is neither file,
// directory nor link is left out.
func writeContext(w io.Writer, c buildContext) error {
	dir, dockerfile := c.dir, c.dockerfile
	ignored, err := readIgnore(dir, c.ignore)
	if err != nil {
		return err
	}
	tw := tar.NewWriter(w)
	if c.generated != nil {
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: generatedName, Size: int64(len(c.generated)), Mode: 0o644}); err != nil {
			return err
		}
		if _, err := tw.Write(c.generated); err != nil {
			return err
		}
	}
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
		if rel != dockerfile && rel != c.ignore {
			skip, err := ignored.MatchesOrParentMatches(rel)
			if err != nil {
				return fmt.Errorf("%s: %w", c.ignore, err)
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
			return fmt.Errorf("the files are larger than %d bytes; name what the image does not need in %s", int64(maxContextBytes), c.ignore)
		}
		return addFile(tw, path, c.prefix+rel, info)
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

func readIgnore(dir, name string) (*patternmatcher.PatternMatcher, error) {
	var patterns []string
	file, err := os.Open(filepath.Join(dir, name))
	switch {
	case err == nil:
		defer file.Close()
		if patterns, err = ignorefile.ReadAll(io.LimitReader(file, 1<<20)); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return nil, step.Invalidf("read %s: %w", name, err)
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
