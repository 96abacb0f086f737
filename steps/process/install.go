package process

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/step"
)

// InstallCommand is a subcommand that copies the executable it is part of, so
// that a container of another image can run it: what a model's own tools are
// needed for runs in the model's own image.
func InstallCommand() *step.Command {
	var to string
	return &step.Command{
		Name:  "install",
		Short: "copy this executable, for a container of another image",
		Flags: func(fs *pflag.FlagSet) {
			fs.StringVar(&to, "to", "", "path of the copy")
		},
		Run: func(context.Context, *step.Runtime) error {
			self, err := os.Executable()
			if err != nil {
				return step.Infraf("find this executable: %w", err)
			}
			if err := copyExecutable(self, to); err != nil {
				return step.Infraf("copy this executable to %q: %w", to, err)
			}
			return nil
		},
	}
}

func copyExecutable(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.CreateTemp(filepath.Dir(to), ".install-")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name()) // fails once it is renamed
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	if err := out.Chmod(0o755); err != nil {
		out.Close()
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Rename(out.Name(), to)
}
