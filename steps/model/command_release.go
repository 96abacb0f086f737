package model

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/step"
)

// ReleaseCommand is the step model-release.
func ReleaseCommand() *step.Command {
	return &step.Command{
		Name:        "model-release",
		Short:       "take a release apart, or find what was promoted",
		Subcommands: []*step.Command{showCommand(), findCommand()},
	}
}

// showOptions are a release, what is to be taken instead of its parts, and
// where the model's directory is.
type showOptions struct {
	release, model, image, container, deployment string
	sourceCommit, commit                         string
	repositoryDir, modelsDir, manifests          string
}

func showCommand() *step.Command {
	var o showOptions
	return &step.Command{
		Name:  "show",
		Short: "print the parts of a release as results",
		Long: `A release is one string: MODEL=IMAGE@sha256:DIGEST, then ;deployment=NAME, ;source=COMMIT (of the models repository) and ;commit=COMMIT
(of the GitOps repository) where they are known. Every part can also be given by itself, and then comes first. Where the model's directory is at
hand, its SeldonDeployment tells the deployment's name and the container that the image is for.

Results: release, model, model-dir, image, digest, container, image-pin (CONTAINER=IMAGE), deployment, source-commit, commit. Those not known are
empty.`,
		Flags: func(fs *pflag.FlagSet) {
			fs.StringVar(&o.release, "release", "", "release to take apart")
			fs.StringVar(&o.model, "model", "", "the model's name, instead of the release's")
			fs.StringVar(&o.image, "image", "", "image with digest, instead of the release's")
			fs.StringVar(&o.container, "container", "", "container that the image is for, instead of the one found in the manifests")
			fs.StringVar(&o.deployment, "deployment", "", "name of the SeldonDeployment, instead of the one found in the manifests")
			fs.StringVar(&o.sourceCommit, "source-commit", "", "commit of the models repository, instead of the release's")
			fs.StringVar(&o.commit, "commit", "", "commit of the GitOps repository, instead of the release's")
			fs.StringVar(&o.repositoryDir, "repository-dir", ".", "clone of the models repository; if it is absent the manifests are not read")
			fs.StringVar(&o.modelsDir, "models-dir", "models", "directory of the models in it")
			fs.StringVar(&o.manifests, "manifests", "charts", "directory of the manifests in the model's")
		},
		Run: func(_ context.Context, rt *step.Runtime) error { return o.run(rt) },
	}
}

func (o showOptions) run(rt *step.Runtime) error {
	var r Release
	if o.release != "" {
		var err error
		if r, err = ParseRelease(o.release); err != nil {
			return err
		}
	}
	r.Model, r.Image = cmp.Or(o.model, r.Model), cmp.Or(o.image, r.Image)
	r.Source, r.Commit = cmp.Or(o.sourceCommit, r.Source), cmp.Or(o.commit, r.Commit)

	dir, found, err := o.find(r.Model)
	if err != nil {
		return err
	}
	r.Deployment = cmp.Or(o.deployment, r.Deployment, found.Name, ReleaseName(r.Model))
	container := cmp.Or(o.container, found.Container)
	pin := r.Image
	if container != "" && r.Image != "" {
		pin = container + "=" + r.Image
	}
	results := rt.Results
	results.Set("release", "")
	if r.Model != "" && r.Image != "" {
		results.Set("release", r.String())
		rt.Logf("release %s", r)
	}
	results.Set("model", ReleaseName(r.Model))
	results.Set("model-dir", dir)
	results.Set("image", r.Image)
	results.Set("digest", r.Digest())
	results.Set("container", container)
	results.Set("image-pin", pin)
	results.Set("deployment", r.Deployment)
	results.Set("source-commit", r.Source)
	results.Set("commit", r.Commit)
	return nil
}

// find returns the model's directory, relative to the repository, and what
// its manifests deploy; neither when there is no clone to look at.
func (o showOptions) find(name string) (string, Deployment, error) {
	models := filepath.Join(o.repositoryDir, filepath.FromSlash(o.modelsDir))
	if _, err := os.Stat(models); name == "" || err != nil {
		return "", Deployment{}, nil
	}
	if !fs.ValidPath(o.modelsDir) {
		return "", Deployment{}, step.Invalidf("models directory %q is not a path inside the repository", o.modelsDir)
	}
	name, err := Find(models, name)
	if err != nil {
		return "", Deployment{}, err
	}
	dir := path.Join(o.modelsDir, name)
	manifests, err := inside(o.repositoryDir, path.Join(dir, o.manifests))
	if err != nil {
		return "", Deployment{}, err
	}
	if _, err := os.Stat(manifests); err != nil {
		return dir, Deployment{}, nil
	}
	found, err := FindDeployment(manifests, name)
	if err != nil {
		return "", Deployment{}, fmt.Errorf("model %s: %w", name, err)
	}
	return dir, found, nil
}

func findCommand() *step.Command {
	var o PromotedOptions
	return &step.Command{
		Name:  "find",
		Short: "tell which releases a change brought to an environment",
		Long: `Looks at what changed under the environment's directory of the GitOps repository. The image comes from the manifests, the commit of the
models repository from the trailer Source-Commit that gitops-promote writes.

Results: releases (array), count.`,
		Example: "model-release find --repository-dir gitops --path production --before HEAD~1",
		Flags: func(fs *pflag.FlagSet) {
			fs.StringVar(&o.RepositoryDir, "repository-dir", ".", "clone of the GitOps repository, checked out at the commit to look at")
			fs.StringVar(&o.Path, "path", "production", "directory of the environment in it")
			fs.StringVar(&o.Before, "before", "", "commit before the change; unknown: every model of the environment counts")
			fs.StringVar(&o.After, "after", "", "commit after the change (default: what is checked out)")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error {
			releases, err := FindPromoted(ctx, o)
			if err != nil {
				return err
			}
			texts := make([]string, len(releases))
			for i, release := range releases {
				texts[i] = release.String()
				rt.Logf("promoted to %s: %s", o.Path, release)
			}
			if len(releases) == 0 {
				rt.Logf("nothing was promoted to %s", o.Path)
			}
			rt.Results.SetArray("releases", texts)
			rt.Results.Set("count", strconv.Itoa(len(releases)))
			return nil
		},
	}
}
