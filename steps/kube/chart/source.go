package chart

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	helm "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Bounds of a chart.
const (
	maxArchiveBytes = 64 << 20
	maxIndexBytes   = 128 << 20
	maxChartFiles   = 5_000
	maxChartBytes   = 64 << 20
)

// Source says where a chart comes from. Exactly one of Repository, OCI and Path is set.
type Source struct {
	Repository string // URL of a chart repository, the one below which index.yaml lies
	OCI        string // oci://REGISTRY/PATH, of the chart itself or, with Name, of what holds it
	Path       string // directory or archive below the root that Fetch is given
	Name       string // of the chart in the repository
	Version    string // exact, or a range such as ~1.2; empty: the newest that is no pre-release
	SHA256     string // of the chart's archive; empty: not checked beyond what the repository says
}

// String names the source for people.
func (s Source) String() string {
	name := s.Path
	switch {
	case s.OCI != "":
		name = strings.TrimSuffix(s.OCI, "/")
		if s.Name != "" {
			name += "/" + s.Name
		}
	case s.Repository != "":
		name = strings.TrimSuffix(s.Repository, "/") + "/" + s.Name
	}
	if s.Version != "" {
		name += ":" + s.Version
	}
	return name
}

// Fetch gets a chart with all that it depends on. Directories are read below
// root only.
func Fetch(ctx context.Context, s Source, root *os.Root) (*helm.Chart, error) {
	loaded, err := fetch(ctx, s, root, 0)
	if err == nil && loaded.Metadata.Type == "library" {
		return nil, step.Invalidf("chart %s: is a library, which installs nothing", s)
	}
	return loaded, err
}

func fetch(ctx context.Context, s Source, root *os.Root, depth int) (*helm.Chart, error) {
	var loaded *helm.Chart
	var err error
	switch {
	case s.Path != "":
		loaded, err = fromRoot(root, s)
	case s.OCI != "":
		loaded, err = archived(s, func() ([]byte, error) { return pullOCI(ctx, s) })
	case s.Repository != "":
		loaded, err = archived(s, func() ([]byte, error) { return pullHTTP(ctx, s) })
	default:
		return nil, step.Invalidf("chart has no source")
	}
	if err != nil {
		return nil, err
	}
	if err := loaded.Validate(); err != nil {
		return nil, step.Invalidf("chart %s: %w", s, err)
	}
	return loaded, addDependencies(ctx, loaded, s, root, depth)
}

// archived pulls an archive, checks it and loads it.
func archived(s Source, pull func() ([]byte, error)) (*helm.Chart, error) {
	data, err := pull()
	if err != nil {
		return nil, err
	}
	if err := checkSum(s.String(), data, s.SHA256); err != nil {
		return nil, err
	}
	loaded, err := loader.LoadArchive(bytes.NewReader(data))
	if err != nil {
		return nil, step.Invalidf("load chart %s: %w", s, err)
	}
	return loaded, nil
}

// checkSum compares data with a SHA-256 checksum, if there is one.
func checkSum(what string, data []byte, want string) error {
	if want == "" {
		return nil
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != strings.ToLower(strings.TrimPrefix(want, "sha256:")) {
		return step.WithHint(step.Invalidf("%s: has sha256 %s, %s is asked for", what, got, want),
			"it was changed after its checksum was written down; look at what changed before taking the new one over")
	}
	return nil
}

// fromRoot loads a chart from a directory or an archive below root.
func fromRoot(root *os.Root, s Source) (*helm.Chart, error) {
	if root == nil {
		return nil, step.Invalidf("chart %s: a path needs a directory to be read from", s)
	}
	info, err := root.Stat(s.Path)
	if err != nil {
		return nil, step.Invalidf("chart %s: %w", s, err)
	}
	if !info.IsDir() {
		return archived(s, func() ([]byte, error) { return readBounded(root, s.Path, maxArchiveBytes) })
	}
	files, err := readTree(root, filepath.ToSlash(filepath.Clean(s.Path)))
	if err != nil {
		return nil, step.Invalidf("chart %s: %w", s, err)
	}
	loaded, err := loader.LoadFiles(files)
	if err != nil {
		return nil, step.Invalidf("load chart %s: %w", s, err)
	}
	return loaded, nil
}

// readTree reads a chart's directory. Helm's own loader follows links wherever
// they lead; this one does not leave root.
func readTree(root *os.Root, dir string) ([]*loader.BufferedFile, error) {
	var files []*loader.BufferedFile
	total := 0
	err := fs.WalkDir(root.FS(), dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside := strings.TrimPrefix(strings.TrimPrefix(name, dir), "/")
		if entry.IsDir() {
			if base := path.Base(name); name != dir && strings.HasPrefix(base, ".") {
				return fs.SkipDir
			}
			return nil
		}
		data, err := readBounded(root, name, maxChartBytes)
		if err != nil {
			return err
		}
		total += len(data)
		if len(files) == maxChartFiles || total > maxChartBytes {
			return fmt.Errorf("more than %d files or %d MiB", maxChartFiles, maxChartBytes>>20)
		}
		files = append(files, &loader.BufferedFile{Name: inside, Data: bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))})
		return nil
	})
	return files, err
}

func readBounded(root *os.Root, name string, limit int64) ([]byte, error) {
	info, err := root.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", name)
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readLimited(file, limit, name)
}

// readLimited reads all of r and refuses more than limit bytes.
func readLimited(r io.Reader, limit int64, what string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s is larger than %d MiB", what, limit>>20)
	}
	return data, nil
}
