package model

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/model-delivery/model-delivery/steps/step"
)

// maxPromotionDepth is how many commits are looked at for the one that promoted a model.
const maxPromotionDepth = 200

// PromotedOptions says where promotions are looked for.
type PromotedOptions struct {
	RepositoryDir string // clone of the GitOps repository
	Path          string // directory of the environment in it: one directory a model
	Before        string // commit before the push; empty or unknown: every model of the environment
	After         string // commit to look at; empty: what is checked out
}

// FindPromoted tells which releases a change of the GitOps repository brought
// to an environment. The image is the one in the manifests; the commit of the
// models repository comes from the trailer Source-Commit of the newest commit
// that has it and touched the model's directory. The clone must have After
// checked out.
func FindPromoted(ctx context.Context, o PromotedOptions) ([]Release, error) {
	environment, err := inside(o.RepositoryDir, o.Path)
	if err != nil {
		return nil, err
	}
	repo := repository{o.RepositoryDir}
	after, err := repo.head(ctx, o.After)
	if err != nil {
		return nil, err
	}
	folder := path.Clean(o.Path)
	args := []string{"ls-tree", "-r", "-z", "--name-only", "--full-tree", after, "--", folder}
	if before, ok := repo.commit(ctx, o.Before); ok {
		args = []string{"diff-tree", "-r", "-z", "--name-only", "--no-renames", "--diff-filter=d", before, after, "--", folder}
	}
	out, err := repo.git(ctx, args...)
	if err != nil {
		return nil, err
	}
	var releases []Release
	seen := map[string]bool{}
	for file := range strings.SplitSeq(out, "\x00") {
		name, _, ok := strings.Cut(strings.TrimPrefix(file, folder+"/"), "/")
		if !ok || seen[name] {
			continue
		}
		seen[name] = true
		if err := CheckName(name); err != nil {
			return nil, fmt.Errorf("find what was promoted to %s: %w", o.Path, err)
		}
		deployment, err := FindDeployment(path.Join(environment, name), name)
		if err != nil {
			return nil, err
		}
		release := Release{Model: name, Image: deployment.Image, Deployment: deployment.Name, Commit: after}
		if !imageRule.MatchString(release.Image) {
			return nil, step.Invalidf("%s/%s: image %q is not pinned by digest", o.Path, name, release.Image)
		}
		if release.Source, err = repo.source(ctx, after, folder+"/"+name); err != nil {
			return nil, err
		}
		releases = append(releases, release)
	}
	if len(releases) > MaxModels {
		return nil, step.Invalidf("find what was promoted to %s: %d models are more than one run takes (%d)", o.Path, len(releases), MaxModels)
	}
	return releases, nil
}

// source is the value of the newest trailer Source-Commit in the history of a directory.
func (r repository) source(ctx context.Context, revision, dir string) (string, error) {
	out, err := r.git(ctx, "log", fmt.Sprintf("--max-count=%d", maxPromotionDepth),
		"--format=%(trailers:key=Source-Commit,valueonly,separator=%x2C)", revision, "--", dir)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(out) {
		values := strings.Split(strings.TrimSpace(line), ",")
		if commit := strings.TrimSpace(values[len(values)-1]); commitRule.MatchString(commit) {
			return commit, nil
		}
	}
	return "", step.WithHint(step.Invalidf("no commit that touched %s has the trailer Source-Commit", dir),
		"promote with gitops-promote, which writes it, and keep the message when the pull request is merged; a shallow clone may need more depth")
}
