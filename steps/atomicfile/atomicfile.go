// Package atomicfile writes files that a reader sees as a whole or not at all.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace puts a file that fill writes in the place of path, with that mode. It
// is written beside path first, so that what was there stays when anything fails.
func Replace(path string, mode os.FileMode, fill func(file *os.File) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // gone already once it was renamed
	err = fill(file)
	if err == nil {
		err = file.Chmod(mode)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// Write is [Replace] with data.
func Write(path string, data []byte, mode os.FileMode) error {
	return Replace(path, mode, func(file *os.File) error {
		_, err := file.Write(data)
		return err
	})
}
