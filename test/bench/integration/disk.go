package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// diskSize is what an engine's disk could hold; it takes up what is on it.
const diskSize = 16 << 30

// freshDisk mounts an empty file system for an engine to keep its data on. ext4
// searches for long for an inode where many were freed in the last minutes, so a
// run on a file system that runs before it used would pay for their removal.
func freshDisk(ctx context.Context, dir string) (mounted string, remove func() error, err error) {
	file, mounted := filepath.Join(dir, "disk.img"), filepath.Join(dir, "disk")
	image, err := os.Create(file)
	if err != nil {
		return "", nil, err
	}
	if err := errors.Join(image.Truncate(diskSize), image.Close(), os.Mkdir(mounted, 0o755)); err != nil {
		return "", nil, err
	}
	for _, args := range [][]string{{"mkfs.ext4", "-q", "-F", file}, {"mount", "-o", "loop", file, mounted}} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return "", nil, fmt.Errorf("make a disk for the engine, as root: %s: %w: %s", args[0], err, out)
		}
	}
	return mounted, func() error {
		if out, err := exec.Command("umount", mounted).CombinedOutput(); err != nil {
			return fmt.Errorf("umount %s: %w: %s", mounted, err, out)
		}
		return nil
	}, nil
}
