package base

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/execute"
	"github.com/model-delivery/model-delivery/test/platform/local"
	"github.com/model-delivery/model-delivery/test/platform/versions"
)

// enginePrograms are the files of the Debian packages that make up an engine.
var enginePrograms = []string{
	"usr/bin/docker", "usr/bin/docker-init", "usr/sbin/docker-proxy", "usr/sbin/dockerd",
	"usr/bin/containerd", "usr/bin/containerd-shim-runc-v2", "usr/bin/ctr", "usr/sbin/runc",
}

// engineFiles returns the directory of an engine's programs, unpacked from
// Debian's packages into the cache. An older Debian's own engine asks for
// capabilities that a confined machine lacks; this one takes what there is.
func engineFiles(ctx context.Context, env *local.Env) (string, error) {
	key := cache.Key("engine-"+versions.Debian, strings.Join(enginePrograms, " "))
	dir, err := env.Cache.Dir(ctx, key, func(dir string) error {
		env.Logf("unpack Docker from Debian %s", versions.Debian)
		if err := hostPackages(ctx, env, map[string]string{"mmdebstrap": "mmdebstrap"}); err != nil {
			return err
		}
		archive := filepath.Join(dir, "engine.tar")
		err := env.Run(ctx, execute.Cmd{Name: "mmdebstrap", Args: []string{
			"--variant=extract", "--include=docker.io,docker-cli,containerd,runc", versions.Debian, archive,
		}})
		if err != nil {
			return err
		}
		bin := filepath.Join(dir, "bin")
		if err := os.MkdirAll(bin, 0o755); err != nil {
			return err
		}
		args := []string{"-xf", archive, "-C", bin, "--transform=s,.*/,,"}
		for _, program := range enginePrograms {
			args = append(args, "./"+program)
		}
		if err := env.Run(ctx, execute.Cmd{Name: "tar", Args: args}); err != nil {
			return err
		}
		if err := os.Remove(archive); err != nil {
			return err
		}
		return hostRunc(ctx, env, dir)
	})
	if err != nil {
		return "", fmt.Errorf("unpack a Docker engine: %w", err)
	}
	err = hostPackages(ctx, env, map[string]string{"iptables": "iptables", "modprobe": "kmod", "ip": "iproute2"})
	return filepath.Join(dir, "bin"), err
}

// hostRunc replaces runc by the one of this machine's own release when the
// unpacked one needs a newer C library.
func hostRunc(ctx context.Context, env *local.Env, dir string) error {
	runc := filepath.Join(dir, "bin", "runc")
	if env.Run(ctx, execute.Cmd{Name: runc, Args: []string{"--version"}}) == nil {
		return nil
	}
	env.Logf("take runc from this machine's own release")
	aside := filepath.Join(dir, "runc")
	if err := errors.Join(os.RemoveAll(aside), os.MkdirAll(aside, 0o755)); err != nil {
		return err
	}
	download := execute.Cmd{Name: "apt-get", Args: []string{"download", "-o", "APT::Sandbox::User=root", "runc"}, Dir: aside}
	if env.Run(ctx, download) != nil {
		if err := env.Run(ctx, execute.Cmd{Name: "apt-get", Args: []string{"update"}}); err != nil {
			return err
		}
		if err := env.Run(ctx, download); err != nil {
			return err
		}
	}
	packages, err := filepath.Glob(filepath.Join(aside, "runc_*.deb"))
	if err != nil || len(packages) != 1 {
		return fmt.Errorf("download runc: got %d packages", len(packages))
	}
	if err := env.Run(ctx, execute.Cmd{Name: "dpkg-deb", Args: []string{"-x", packages[0], aside}}); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(aside, "usr", "sbin", "runc"), runc); err != nil {
		return err
	}
	if err := env.Run(ctx, execute.Cmd{Name: runc, Args: []string{"--version"}}); err != nil {
		return err
	}
	return os.RemoveAll(aside)
}

// hostPackages installs the Debian packages whose programs this machine lacks;
// needed maps a program to its package.
func hostPackages(ctx context.Context, env *local.Env, needed map[string]string) error {
	var missing []string
	for program, pkg := range needed {
		err := env.Run(ctx, execute.Cmd{Name: program, Args: []string{"--version"}})
		if execute.NotFound(err) {
			missing = append(missing, pkg)
		}
	}
	return installPackages(ctx, env, missing)
}

// installPackages installs Debian packages on this machine.
func installPackages(ctx context.Context, env *local.Env, missing []string) error {
	if len(missing) == 0 {
		return nil
	}
	env.Logf("install %s on this machine", strings.Join(missing, ", "))
	install := execute.Cmd{
		Name: "apt-get", Args: append([]string{"install", "--yes", "--no-install-recommends"}, missing...),
		Env: []string{"DEBIAN_FRONTEND=noninteractive"},
	}
	if env.Run(ctx, install) == nil {
		return nil
	}
	if err := env.Run(ctx, execute.Cmd{Name: "apt-get", Args: []string{"update"}}); err != nil {
		return err
	}
	return env.Run(ctx, install)
}
