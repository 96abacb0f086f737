package vm

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/cavaliergopher/cpio"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// Image is what a machine boots from: two files.
type Image struct {
	Kernel string // Linux, as its boot loaders load it
	Root   string // the root file system, a cpio archive that the kernel unpacks into memory
}

// In is the image whose files are in dir.
func In(dir string) Image {
	return Image{Kernel: filepath.Join(dir, "vmlinuz"), Root: filepath.Join(dir, "root.cpio")}
}

// Write makes an image in dir out of a container image with one kernel in its
// /boot. The rest of /boot is left out.
func Write(img v1.Image, dir string) (err error) {
	root, err := os.Create(In(dir).Root)
	if err != nil {
		return fmt.Errorf("write a root file system: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	content := mutate.Extract(img)
	defer func() { _ = content.Close() }()
	buffered := bufio.NewWriterSize(root, 1<<20)
	archive := cpio.NewWriter(buffered)
	kernels := 0
	take := func(name string, entry *tar.Header, content io.Reader) error {
		switch {
		case strings.HasPrefix(name, "boot/vmlinuz-") && entry.Typeflag == tar.TypeReg:
			kernels++
			kernel, err := io.ReadAll(content)
			if err != nil {
				return err
			}
			return os.WriteFile(In(dir).Kernel, kernel, 0o644)
		case strings.HasPrefix(name, "boot/"):
			return nil
		}
		return add(archive, name, entry, content)
	}
	if err := each(content, take); err != nil {
		return fmt.Errorf("write a root file system: %w", err)
	}
	if kernels != 1 {
		return fmt.Errorf("write a root file system: the image has %d kernels in /boot, want 1", kernels)
	}
	if err := errors.Join(archive.Close(), buffered.Flush()); err != nil {
		return fmt.Errorf("write a root file system: %w", err)
	}
	return nil
}

// each hands the entries of a tar archive to take, with their names relative to
// the root.
func each(content io.Reader, take func(name string, entry *tar.Header, content io.Reader) error) error {
	for from := tar.NewReader(content); ; {
		entry, err := from.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the image: %w", err)
		}
		name := strings.Trim(filepath.Clean("/"+entry.Name), "/")
		if name == "" {
			continue
		}
		if err := take(name, entry, from); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

// add writes one entry of a tar archive to a cpio archive. Hard links become
// symbolic ones, and devices are left out: the kernel makes them.
func add(archive *cpio.Writer, name string, entry *tar.Header, content io.Reader) error {
	header := &cpio.Header{
		Name: name, Mode: cpio.FileMode(entry.Mode & 0o7777), Uid: entry.Uid, Guid: entry.Gid, Links: 1, ModTime: entry.ModTime,
	}
	target := ""
	switch entry.Typeflag {
	case tar.TypeReg:
		header.Mode |= cpio.TypeReg
		header.Size = entry.Size
	case tar.TypeDir:
		header.Mode |= cpio.TypeDir
	case tar.TypeSymlink:
		target = entry.Linkname
	case tar.TypeLink:
		target = filepath.Clean("/" + entry.Linkname)
	default:
		return nil
	}
	if target != "" {
		header.Mode = cpio.TypeSymlink | cpio.ModePerm
		header.Size, content = int64(len(target)), strings.NewReader(target)
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.CopyN(archive, content, header.Size)
	return err
}
