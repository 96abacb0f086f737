package kind

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/moby/moby/client"

	"github.com/model-delivery/model-delivery/steps/step"
)

// nodeFile is a file for a node.
type nodeFile struct {
	path string // below a root that the node has
	data []byte
}

// putFiles writes files below root, a directory of a node's container, with the
// directories that they need. It is one request, where a command in the node for
// each of them takes a tenth of a second.
func (s *session) putFiles(ctx context.Context, container, root string, files ...nodeFile) error {
	archive, err := packFiles(files)
	if err != nil {
		return step.Infraf("pack files for %s: %w", container, err)
	}
	_, err = s.docker.CopyToContainer(ctx, container, client.CopyToContainerOptions{DestinationPath: root, Content: archive})
	if err != nil {
		return step.Infraf("write files below %s in %s: %w", root, container, err)
	}
	return nil
}

// packFiles makes a tar archive of files, each directory before what is in it.
func packFiles(files []nodeFile) (*bytes.Buffer, error) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	var made []string
	for _, file := range files {
		if !fs.ValidPath(file.path) {
			return nil, errors.New("not a path below a directory: " + file.path)
		}
		parts := strings.Split(path.Dir(file.path), "/")
		for i := range parts {
			dir := path.Join(parts[:i+1]...)
			if dir == "." || slices.Contains(made, dir) {
				continue
			}
			made = append(made, dir)
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755}); err != nil {
				return nil, err
			}
		}
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: file.path, Mode: 0o644, Size: int64(len(file.data))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(file.data); err != nil {
			return nil, err
		}
	}
	return &archive, w.Close()
}
