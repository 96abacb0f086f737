// Package image makes container images out of files, without an engine.
package image

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"sort"
	"strings"

	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// File is one file, link or directory of a layer. Its parents are added.
type File struct {
	Path string      // absolute path in the image
	From string      // file of this machine that holds the content
	Data []byte      // content, when From is empty
	Link string      // target, for a symbolic link
	Mode fs.FileMode // 0: 0644, or 0755 when From is executable; fs.ModeDir for a directory
	UID  int
	GID  int
}

// Spec says what an image is made of.
type Spec struct {
	Base   v1.Image   // nil: nothing
	Layers []v1.Layer // before Files
	Files  []File     // one layer
	Zstd   bool       // compress Files with zstd, which unpacks several times faster than gzip

	Entrypoint []string
	Cmd        []string
	Env        []string // added to the base's; replaces variables of equal name
	User       string
	WorkingDir string
	Volumes    []string
	StopSignal string
	Labels     map[string]string
}

// Build returns the image. Equal specs give equal digests: no time and no owner
// of this machine goes in.
func Build(spec Spec) (v1.Image, error) {
	img := spec.Base
	if img == nil {
		img = mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	}
	layers := spec.Layers
	if len(spec.Files) > 0 {
		layer, err := Layer(spec.Files, spec.Zstd)
		if err != nil {
			return nil, err
		}
		layers = append(layers[:len(layers):len(layers)], layer)
	}
	img, err := mutate.AppendLayers(img, layers...)
	if err != nil {
		return nil, fmt.Errorf("append layers: %w", err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("read the image's configuration: %w", err)
	}
	file = file.DeepCopy()
	file.Architecture, file.OS = "amd64", "linux"
	config := &file.Config
	config.Env = mergeEnv(config.Env, spec.Env)
	if spec.Entrypoint != nil {
		config.Entrypoint, config.Cmd = spec.Entrypoint, nil
	}
	if spec.Cmd != nil {
		config.Cmd = spec.Cmd
	}
	if spec.User != "" {
		config.User = spec.User
	}
	if spec.WorkingDir != "" {
		config.WorkingDir = spec.WorkingDir
	}
	if spec.StopSignal != "" {
		config.StopSignal = spec.StopSignal
	}
	for _, volume := range spec.Volumes {
		if config.Volumes == nil {
			config.Volumes = map[string]struct{}{}
		}
		config.Volumes[volume] = struct{}{}
	}
	for key, value := range spec.Labels {
		if config.Labels == nil {
			config.Labels = map[string]string{}
		}
		config.Labels[key] = value
	}
	return mutate.ConfigFile(img, file)
}

// mergeEnv adds variables to base; later ones win over earlier ones of the same
// name.
func mergeEnv(base, added []string) []string {
	var merged []string
	place := map[string]int{}
	for _, entry := range append(base[:len(base):len(base)], added...) {
		key, _, _ := strings.Cut(entry, "=")
		if i, ok := place[key]; ok {
			merged[i] = entry
			continue
		}
		place[key] = len(merged)
		merged = append(merged, entry)
	}
	return merged
}

// Layer returns a layer that holds files.
func Layer(files []File, zstd bool) (v1.Layer, error) {
	data, err := archive(files)
	if err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(data)), nil
	}, append(layerOptions(zstd), tarball.WithCompressedCaching)...)
}

// TarLayer returns a layer of the tar archive at path, compressed with zstd or
// with gzip at its quickest.
func TarLayer(path string, zstd bool) (v1.Layer, error) {
	return tarball.LayerFromFile(path, layerOptions(zstd)...)
}

func layerOptions(zstd bool) []tarball.LayerOption {
	if zstd {
		return []tarball.LayerOption{tarball.WithCompression(compression.ZStd), tarball.WithMediaType(types.OCILayerZStd)}
	}
	return []tarball.LayerOption{tarball.WithCompressionLevel(1), tarball.WithMediaType(types.OCILayer)}
}

func archive(files []File) ([]byte, error) {
	files = append([]File(nil), files...)
	sort.Slice(files, func(i, j int) bool { return files[i].Path < files[j].Path })
	var buffer bytes.Buffer
	out := tar.NewWriter(&buffer)
	made := map[string]bool{"/": true, ".": true}
	for _, file := range files {
		if err := parents(out, made, path.Dir(file.Path)); err != nil {
			return nil, err
		}
		if err := write(out, made, file); err != nil {
			return nil, fmt.Errorf("add %s to a layer: %w", file.Path, err)
		}
	}
	if err := out.Close(); err != nil {
		return nil, err
	}
	return buffer.Bytes(), nil
}

func parents(out *tar.Writer, made map[string]bool, dir string) error {
	if made[dir] {
		return nil
	}
	if err := parents(out, made, path.Dir(dir)); err != nil {
		return err
	}
	made[dir] = true
	return out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: strings.TrimPrefix(dir, "/") + "/", Mode: 0o755})
}

func write(out *tar.Writer, made map[string]bool, file File) error {
	header := &tar.Header{Name: strings.TrimPrefix(file.Path, "/"), Uid: file.UID, Gid: file.GID, Mode: unixMode(file.Mode)}
	switch {
	case file.Link != "":
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, file.Link, 0o777
		return out.WriteHeader(header)
	case file.Mode.IsDir():
		made[path.Clean(file.Path)] = true
		header.Typeflag, header.Name = tar.TypeDir, header.Name+"/"
		return out.WriteHeader(header)
	}
	data := file.Data
	if file.From != "" {
		var err error
		if data, err = os.ReadFile(file.From); err != nil {
			return err
		}
		if info, err := os.Stat(file.From); err == nil && file.Mode == 0 && info.Mode()&0o111 != 0 {
			header.Mode = 0o755
		}
	}
	if header.Mode == 0 {
		header.Mode = 0o644
	}
	header.Typeflag, header.Size = tar.TypeReg, int64(len(data))
	if err := out.WriteHeader(header); err != nil {
		return err
	}
	_, err := out.Write(data)
	return err
}

func unixMode(mode fs.FileMode) int64 {
	bits := int64(mode.Perm())
	if mode&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	if mode&fs.ModeSetuid != 0 {
		bits |= 0o4000
	}
	return bits
}

// Push pushes the image to ref, unless the registry holds it there already, and
// returns the reference by digest.
func Push(ctx context.Context, ref string, img v1.Image) (string, error) {
	tag, err := name.NewTag(ref, name.WeakValidation)
	if err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	digest, err := img.Digest()
	if err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	pinned := tag.Context().Digest(digest.String()).String()
	head, err := remote.Head(tag, remote.WithContext(ctx))
	if err == nil && head.Digest == digest {
		return pinned, nil
	}
	var answer *transport.Error
	if err != nil && !(errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound) {
		return "", fmt.Errorf("look for %s: %w", ref, err)
	}
	if err := remote.Write(tag, img, remote.WithContext(ctx)); err != nil {
		return "", fmt.Errorf("push %s: %w", ref, err)
	}
	return pinned, nil
}
