package process

import (
	"context"
	"io"
	"os"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/atomicfile"
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
	return atomicfile.Replace(to, 0o755, func(out *os.File) error {
		_, err := io.Copy(out, in)
		return err
	})
}
