package components

import (
	"context"
	"io/fs"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/model-delivery/model-delivery/test/platform/cache"
	"github.com/model-delivery/model-delivery/test/platform/gobuild"
	"github.com/model-delivery/model-delivery/test/platform/image"
	"github.com/model-delivery/model-delivery/test/platform/local"
	"github.com/model-delivery/model-delivery/test/platform/versions"
)

const (
	publishedForge = "docker.io/gitea/gitea:1.26.0-rootless"
	builtForge     = "model-delivery/gitea:" + versions.Gitea

	giteaModule = "code.gitea.io/gitea"
	// giteaStatic is where the built image keeps templates, translations and
	// pictures; the published one has them in its binary.
	giteaStatic = "/usr/share/gitea"
)

// forgeImage is Debian with git and Gitea.
func forgeImage(ctx context.Context, env *local.Env) (v1.Image, error) {
	bin, err := env.GoTool(ctx, gobuild.Tool{
		Name: "gitea", Module: giteaModule, Version: versions.Gitea, SeedGoMod: true,
		Tags: []string{"sqlite", "sqlite_unlock_notify"}, CGO: true,
		LDFlags: "-X main.Version=" + strings.TrimPrefix(versions.Gitea, "v"),
	})
	if err != nil {
		return nil, err
	}
	base, err := env.Debian(ctx, "git", "git", "openssh-client")
	if err != nil {
		return nil, err
	}
	digest, err := base.Digest()
	if err != nil {
		return nil, err
	}
	key := cache.Key("image-gitea-"+versions.Gitea, digest.String(), filepath.Dir(bin))
	return image.Cached(ctx, env.Cache, key, func(string) (v1.Image, error) {
		module, err := env.ModuleDir(ctx, giteaModule+"@"+versions.Gitea)
		if err != nil {
			return nil, err
		}
		files := []image.File{{Path: "/usr/local/bin/gitea", From: filepath.Join(bin, "gitea"), Mode: 0o755}}
		for _, part := range []string{"templates", "options", "public"} {
			tree, err := filesBelow(filepath.Join(module, part), giteaStatic+"/"+part)
			if err != nil {
				return nil, err
			}
			files = append(files, tree...)
		}
		return image.Build(image.Spec{Base: base, Files: files, User: "1000:1000", WorkingDir: "/"})
	})
}

// filesBelow returns every file of the directory dir, placed below to.
func filesBelow(dir, to string) ([]image.File, error) {
	var files []image.File
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files = append(files, image.File{Path: to + "/" + filepath.ToSlash(name), From: path, Mode: 0o644})
		return nil
	})
	return files, err
}
