package vm

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/cavaliergopher/cpio"

	"github.com/model-delivery/model-delivery/test/platform/image"
)

// A machine's files are those of its image and its own, without what is in /boot.
func TestFilesOfAMachine(t *testing.T) {
	t.Parallel()
	img, err := image.Build(image.Spec{Files: []image.File{
		{Path: "/boot/vmlinuz-6.12", Data: []byte("kernel")},
		{Path: "/boot/initrd.img-6.12", Data: []byte("large")},
		{Path: "/usr/bin/sh", Data: []byte("shell"), Mode: 0o755},
		{Path: "/bin", Link: "usr/bin"},
		{Path: "/tmp", Mode: fs.ModeDir | fs.ModeSticky | 0o777},
	}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := Write(img, dir); err != nil {
		t.Fatal(err)
	}
	if kernel, err := os.ReadFile(In(dir).Kernel); string(kernel) != "kernel" {
		t.Errorf("the kernel is %q, %v", kernel, err)
	}
	root := dir + "/all"
	if err := writeRoot(root, Machine{Image: In(dir), Files: []image.File{{Path: Main, Data: []byte("main"), Mode: 0o755}}}); err != nil {
		t.Fatal(err)
	}
	got := contents(t, root)
	for name, want := range map[string]string{
		"usr":                  "40755 ",
		"usr/bin/sh":           "100755 shell",
		"bin":                  "120777 usr/bin",
		"tmp":                  "41777 ",
		"init":                 "100755 " + string(initScript),
		"vm/main":              "100755 main",
		"boot/initrd.img-6.12": "",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

// contents are the files of archives that follow each other, by name: their
// modes, octal, and what is in them.
func contents(t *testing.T, path string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for rest := bytes.NewReader(data); rest.Len() > 0; {
		for archive := cpio.NewReader(rest); ; {
			header, err := archive.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(archive)
			if err != nil {
				t.Fatal(err)
			}
			files[header.Name] = strings.TrimPrefix(header.Mode.String(), "0") + " " + header.Linkname + string(content)
		}
		for rest.Len()%4 != int(rest.Size())%4 { // what fills up to the next archive
			if _, err := rest.ReadByte(); err != nil {
				t.Fatal(err)
			}
		}
	}
	return files
}

func TestWriteNeedsOneKernel(t *testing.T) {
	t.Parallel()
	img, err := image.Build(image.Spec{Files: []image.File{{Path: "/etc/hostname", Data: []byte("x\n")}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(img, t.TempDir()); err == nil || !strings.Contains(err.Error(), "0 kernels") {
		t.Errorf("got %v", err)
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		console string
		code    int
		found   bool
	}{
		"good":                     {"booting\r\nvm: /vm/main ended with exit code 0\r\n", 0, true},
		"bad, after the kernel":    {"[  1.0] x vm: /vm/main ended with exit code 3\r\n", 3, true},
		"went off":                 {"booting\r\nKernel panic\r\n", 0, false},
		"a line without its end":   {strings.Repeat("x", 2<<20), 0, false},
		"words of somebody else's": {"vm: /vm/main ended with exit code none\n", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			code, found := follow(strings.NewReader(tc.console), &log)
			if code != tc.code || found != tc.found {
				t.Errorf("got %d, %t, want %d, %t", code, found, tc.code, tc.found)
			}
			if log.String() != tc.console {
				t.Errorf("the log has %d bytes of %d", log.Len(), len(tc.console))
			}
		})
	}
}
