package vm

import (
	"archive/tar"
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/cavaliergopher/cpio"

	"github.com/model-delivery/model-delivery/test/platform/image"
)

//go:embed init.sh
var initScript []byte

// Main is the path of the program that a machine runs.
const Main = "/vm/main"

// ended begins the line that says how [Main] ended.
const ended = "vm: " + Main + " ended with exit code "

// Emulator is the program that is needed, and the Debian package that has it.
const (
	Emulator        = "qemu-system-x86_64"
	EmulatorPackage = "qemu-system-x86"
)

// Machine is a machine to boot.
type Machine struct {
	Image  Image
	Files  []image.File // what its file system has besides; [Main] is one of them
	Memory int          // MiB; the file system is in it
	Log    io.Writer    // gets what the machine writes to its console
}

// Boot runs the machine until its [Main] has ended, and returns that one's exit
// code. The machine has no network and no disk. It ends with ctx.
func Boot(ctx context.Context, m Machine) (code int, err error) {
	if runtime.GOARCH != "amd64" {
		return 0, fmt.Errorf("boot a virtual machine: its kernel is for amd64, this is %s", runtime.GOARCH)
	}
	dir, err := os.MkdirTemp("", "vm-")
	if err != nil {
		return 0, fmt.Errorf("boot a virtual machine: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	root := filepath.Join(dir, "root.cpio")
	if err := writeRoot(root, m); err != nil {
		return 0, fmt.Errorf("boot a virtual machine: %w", err)
	}
	cmd := exec.CommandContext(ctx, Emulator,
		"-accel", "tcg,thread=multi", "-cpu", "max", "-smp", strconv.Itoa(runtime.NumCPU()), "-m", strconv.Itoa(m.Memory),
		"-kernel", m.Image.Kernel, "-initrd", root, "-append", "console=ttyS0 panic=-1 quiet mitigations=off",
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
	)
	cmd.WaitDelay = 5 * time.Second
	console, err := cmd.StdoutPipe()
	if err != nil {
		return 0, fmt.Errorf("boot a virtual machine: %w", err)
	}
	var trouble strings.Builder
	cmd.Stderr = &trouble
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("boot a virtual machine: %w", err)
	}
	code, found := follow(console, m.Log)
	if err := cmd.Wait(); err != nil {
		return 0, fmt.Errorf("run a virtual machine: %w: %s", errors.Join(err, context.Cause(ctx)), trouble.String())
	}
	if !found {
		return 0, fmt.Errorf("run a virtual machine: it went off before %s had ended", Main)
	}
	return code, nil
}

// follow copies a console to log and looks for the line that says how [Main] ended.
func follow(console io.Reader, log io.Writer) (code int, found bool) {
	lines := bufio.NewScanner(io.TeeReader(console, log))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		// What the kernel says may come before it in the line.
		if _, text, ok := strings.Cut(lines.Text(), ended); ok {
			if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
				code, found = n, true
			}
		}
	}
	_, _ = io.Copy(log, console) // a line that is too long ends the scanner
	return code, found
}

// writeRoot writes the machine's file system: the image's, and what it has
// besides. The kernel unpacks one archive after the other.
func writeRoot(path string, m Machine) (err error) {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	from, err := os.Open(m.Image.Root)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	size, err := io.Copy(out, from)
	if err != nil {
		return err
	}
	if _, err := out.Write(make([]byte, -size&3)); err != nil { // an archive begins at a multiple of four
		return err
	}
	layer, err := image.Layer(append([]image.File{{Path: "/init", Data: initScript, Mode: 0o755}}, m.Files...), false)
	if err != nil {
		return err
	}
	content, err := layer.Uncompressed()
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	archive := cpio.NewWriter(out)
	if err := each(content, func(name string, entry *tar.Header, content io.Reader) error {
		return add(archive, name, entry, content)
	}); err != nil {
		return err
	}
	return archive.Close()
}
