// Package stepbin builds the step binaries for tests that run them as they are
// run in production.
package stepbin

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// module is the path of this module.
const module = "github.com/model-delivery/model-delivery"

// Build builds the binaries of cmd/NAME into a new directory. The caller
// removes it.
func Build(names ...string) (dir string, err error) {
	if dir, err = os.MkdirTemp("", "steps-"); err != nil {
		return "", err
	}
	args := []string{"build", "-o", dir + string(os.PathSeparator)}
	for _, name := range names {
		args = append(args, module+"/cmd/"+name)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("build %v: %w: %s", names, err, out), os.RemoveAll(dir))
	}
	return dir, nil
}
