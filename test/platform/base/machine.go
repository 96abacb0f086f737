package base

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/client"

	"github.com/model-delivery/model-delivery/test/platform/docker"
)

// machine is what Check asks about the computer that it runs on.
type machine struct {
	root     string // the directory that has proc, sys and lib/modules
	release  string // of the kernel
	arch     string
	uid      int
	cpuCount int

	has    func(program string) bool
	free   func(dir string) (bytes int64, err error)
	listen func(address string) error
	engine func(ctx context.Context) error // nil when an engine answers
}

func thisMachine() machine {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return machine{
		root: "/", release: strings.TrimSpace(string(release)), arch: runtime.GOARCH, uid: os.Geteuid(), cpuCount: runtime.NumCPU(),
		has:    func(program string) bool { _, err := exec.LookPath(program); return err == nil },
		free:   freeSpace,
		listen: tryListen,
		engine: anyEngine,
	}
}

// freeSpace is what an ordinary user may still write to the file system of dir.
func freeSpace(dir string) (int64, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return 0, fmt.Errorf("look at the file system of %s: %w", dir, err)
	}
	return int64(stat.Bavail) * stat.Bsize, nil
}

// tryListen says why the address cannot be listened on.
func tryListen(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		var number syscall.Errno
		if errors.As(err, &number) {
			return number
		}
		return err
	}
	return listener.Close()
}

// anyEngine says why no Docker engine answers.
func anyEngine(ctx context.Context) error {
	host := os.Getenv("DOCKER_HOST")
	if host == "" {
		host = client.DefaultDockerHost
	}
	engine, err := docker.Connect(host)
	if err != nil {
		return err
	}
	defer engine.Close()
	if err := engine.Wait(ctx, 2*time.Second); err != nil {
		return fmt.Errorf("none answers at %s: %w", host, err)
	}
	return nil
}

func (m machine) file(elem ...string) string {
	return filepath.Join(append([]string{m.root}, elem...)...)
}

// memorySize returns what there is, with the limit that this process is under
// counted, and what is free.
func (m machine) memorySize() (total, available int64, err error) {
	data, err := os.ReadFile(m.file("proc", "meminfo"))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kib, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			continue
		}
		switch fields[0] {
		case "MemTotal:":
			total = kib << 10
		case "MemAvailable:":
			available = kib << 10
		}
	}
	if total == 0 {
		return 0, 0, errors.New("/proc/meminfo does not say how much there is")
	}
	for _, name := range []string{"memory.max", "memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(m.file("sys", "fs", "cgroup", name))
		if err != nil {
			continue
		}
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			total, available = min(total, limit), min(available, limit)
		}
	}
	return total, available, nil
}

// lacksAll says that the kernel has none of the modules. What cannot be known,
// as where the kernel's own lists are out of sight, does not count as lacking.
func (m machine) lacksAll(modules []string) bool {
	for _, module := range modules {
		if m.loaded(module) {
			return false
		}
	}
	known := false
	for _, list := range []string{"modules.builtin", "modules.dep"} {
		file, err := os.Open(m.file("lib", "modules", m.release, list))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false
		}
		known = true
		found := names(file, modules)
		file.Close()
		if found {
			return false
		}
	}
	return known
}

// names says whether a list of the kernel's modules has one of those wanted.
func names(list *os.File, modules []string) bool {
	lines := bufio.NewScanner(list)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		path, _, _ := strings.Cut(lines.Text(), ":")
		base, _, _ := strings.Cut(filepath.Base(path), ".ko")
		for _, module := range modules {
			if strings.ReplaceAll(base, "-", "_") == module {
				return true
			}
		}
	}
	return false
}

// loaded says whether the module is at work.
func (m machine) loaded(module string) bool {
	if _, err := os.Stat(m.file("sys", "module", module)); err == nil {
		return true
	}
	data, err := os.ReadFile(m.file("proc", "filesystems"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[len(fields)-1] == module {
			return true
		}
	}
	return false
}
