package predict

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/model-delivery/model-delivery/steps/atomicfile"
)

// replaceFile writes a file as a whole or not at all, and keeps the mode of one
// that was there, and a link that leads to it.
func replaceFile(path string, data []byte) error {
	mode := os.FileMode(0o644)
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if info, err := os.Stat(path); err == nil {
		if !info.Mode().IsRegular() {
			return os.WriteFile(path, data, mode) // a pipe or a terminal
		}
		mode = info.Mode().Perm()
	}
	return atomicfile.Replace(path, mode, func(file *os.File) error {
		_, err := file.Write(data)
		return errors.Join(err, file.Sync())
	})
}
