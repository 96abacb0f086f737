// Package source reads the directory that is promoted. A model repository is
// not trusted: what could do more than bring manifests to the environment is
// refused, with the file and the reason, before anything is pushed.
package source

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/text/unicode/norm"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Bounds of a source.
const (
	maxFiles     = 500
	maxEntries   = 2000 // files and directories
	maxDepth     = 16
	maxFileBytes = 1 << 20
	maxBytes     = 10 << 20
	maxName      = 200 // bytes of one file's name
)

// File is one file of a source.
type File struct {
	Path       string // slash-separated, inside the source
	Data       []byte
	Executable bool
}

// Load reads the directory dir and the overlays, which are laid over it: a
// file of an overlay takes the place of the file of the same path. The files
// come in the order of their paths.
func Load(dir string, overlays []string, rules Rules) ([]File, error) {
	files, err := read(dir)
	if err != nil {
		return nil, err
	}
	for _, overlay := range overlays {
		over, err := read(overlay)
		if err != nil {
			return nil, err
		}
		files = slices.DeleteFunc(files, func(f File) bool {
			return slices.ContainsFunc(over, func(o File) bool { return o.Path == f.Path })
		})
		files = append(files, over...)
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	if err := distinct(files); err != nil {
		return nil, err
	}
	if err := rules.check(files); err != nil {
		return nil, err
	}
	return files, nil
}

// distinct makes sure that what was laid together fits into one directory of
// any file system.
func distinct(files []File) error {
	names := map[string]string{}
	for _, file := range files {
		for at := file.Path; at != "."; at = path.Dir(at) {
			other, ok := names[Fold(at)]
			if ok && (other != at || at == file.Path) {
				return refuse(file.Path, fmt.Sprintf("is the same name as %q on some file systems", other))
			}
			names[Fold(at)] = at
		}
	}
	// A file cannot be a directory too.
	for _, file := range files {
		for at := path.Dir(file.Path); at != "."; at = path.Dir(at) {
			if slices.ContainsFunc(files, func(f File) bool { return f.Path == at }) {
				return refuse(at, "is a file in one directory and a directory in another")
			}
		}
	}
	return nil
}

// reader walks one directory.
type reader struct {
	root    *os.Root
	files   []File
	entries int
	bytes   int
}

func read(dir string) ([]File, error) {
	if err := noLinks(dir); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, step.WithHint(step.Invalidf("opening the source: %w", err), "--source is the directory with the model's manifests")
	}
	defer root.Close()
	r := &reader{root: root}
	if err := r.walk(".", 0); err != nil {
		return nil, err
	}
	if len(r.files) == 0 {
		return nil, step.WithHint(step.Invalidf("the source %s has no files", dir), "promoting it would delete what is deployed")
	}
	return r.files, nil
}

// noLinks makes sure that dir is not a link, nor leads through one of the
// repository that it is in: such a link could lead to another model or out of
// the repository.
func noLinks(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return step.Invalidf("opening the source: %w", err)
	}
	// The top of the repository; the directory alone when it is in none.
	top := abs
	for at := abs; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			top = at
			break
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	for at := abs; ; at = filepath.Dir(at) {
		info, err := os.Lstat(at)
		if err != nil {
			return step.WithHint(step.Invalidf("opening the source: %w", err), "--source is the directory with the model's manifests")
		}
		if info.Mode()&fs.ModeSymlink != 0 && (at != top || at == abs) {
			return step.WithHint(step.Invalidf("the source %s leads through the symbolic link %s", dir, at), "nothing was promoted: make it a directory")
		}
		if at == top || at == filepath.Dir(at) {
			return nil
		}
	}
}

func (r *reader) walk(dir string, depth int) error {
	if depth > maxDepth {
		return refuse(dir, fmt.Sprintf("is more than %d directories deep", maxDepth))
	}
	d, err := r.root.Open(dir)
	if err != nil {
		return step.Invalidf("reading the source: %w", err)
	}
	defer d.Close()
	folded := map[string]string{}
	for {
		entries, err := d.ReadDir(256)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return step.Invalidf("reading the source: %w", err)
		}
		for _, entry := range entries {
			if r.entries++; r.entries > maxEntries {
				return step.Invalidf("the source has more than %d files and directories", maxEntries)
			}
			name := path.Join(dir, entry.Name())
			if err := CheckName(entry.Name()); err != nil {
				return refuse(name, err.Error())
			}
			if other, ok := folded[Fold(entry.Name())]; ok {
				return refuse(name, fmt.Sprintf("is the same name as %q on some file systems", other))
			}
			folded[Fold(entry.Name())] = entry.Name()
			if entry.IsDir() {
				err = r.walk(name, depth+1)
			} else {
				err = r.file(name)
			}
			if err != nil {
				return err
			}
		}
	}
}

func (r *reader) file(name string) error {
	if len(r.files) == maxFiles {
		return step.Invalidf("the source has more than %d files", maxFiles)
	}
	before, err := r.root.Lstat(name)
	if err != nil {
		return step.Invalidf("reading the source: %w", err)
	}
	if !before.Mode().IsRegular() {
		return refuse(name, "is no regular file ("+before.Mode().Type().String()+")")
	}
	if before.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 {
		return refuse(name, "runs as another user")
	}
	f, err := r.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return step.Invalidf("reading the source: %w", err)
	}
	defer f.Close()
	// What was looked at is what is read, even if somebody swaps it.
	info, err := f.Stat()
	if err != nil || !os.SameFile(before, info) {
		return refuse(name, "was replaced while it was read")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return step.Invalidf("reading the source: %w", err)
	}
	if len(data) > maxFileBytes {
		return refuse(name, fmt.Sprintf("has more than %d bytes", maxFileBytes))
	}
	if r.bytes += len(data); r.bytes > maxBytes {
		return step.Invalidf("the source has more than %d bytes", maxBytes)
	}
	r.files = append(r.files, File{Path: name, Data: data, Executable: info.Mode()&0o111 != 0})
	return nil
}

func refuse(name, why string) error {
	return step.WithHint(step.Invalidf("the source's file %q %s", name, why), "nothing was promoted: take the file out of the source")
}

// Fold brings names that a file system may take for the same to one form.
func Fold(name string) string { return strings.ToLower(norm.NFKC.String(name)) }

// CheckName refuses names of files that mean something to git, to a GitOps
// controller, to a file system or to who reads a log. It takes one name, not a
// path.
func CheckName(name string) error {
	for _, r := range name {
		switch {
		case r < ' ' || r == 0x7f || r == '\\' || r == ':' || r == 0xfffd:
			return errors.New("has a character in its name that is not allowed")
		case invisible(r):
			return errors.New("has an invisible character in its name")
		}
	}
	folded := Fold(name)
	switch {
	case name == "" || name == "." || name == "..":
		return errors.New("is no name of a file")
	case len(name) > maxName:
		return fmt.Errorf("has a name of more than %d bytes", maxName)
	case strings.HasPrefix(folded, ".git") || strings.HasPrefix(folded, "git~"):
		return errors.New("is one that git gives a meaning to")
	case strings.HasPrefix(name, ".") && name != ".helmignore":
		// .argocd-source.yaml changes what Argo CD makes of the directory, for one.
		return errors.New("is hidden, and may change what becomes of the others")
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " ") || strings.HasPrefix(name, " ") || strings.HasPrefix(name, "-"):
		return errors.New("has a name that begins or ends with a character that is not allowed there")
	}
	return nil
}

// invisible characters make two names look alike, and some file systems drop them.
func invisible(r rune) bool {
	return r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0xfeff || r == 0xad || r >= 0xe0000 && r <= 0xe007f
}
