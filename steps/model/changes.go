package model

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/model-delivery/model-delivery/steps/step"
)

// MaxModels is how many models one run can take: the most that Tekton fans
// out to by default.
const MaxModels = 256

var nameRule = regexp.MustCompile(`^[a-z0-9]([-_a-z0-9]{0,51}[a-z0-9])?$`)

// CheckName says what is wrong with a model's name, which becomes part of
// image names, branches and Kubernetes names.
func CheckName(name string) error {
	if nameRule.MatchString(name) {
		return nil
	}
	return step.WithHint(step.Invalidf("%q cannot be a model's name", name),
		"use at most 53 lower-case letters, digits, - and _, with a letter or digit at both ends")
}

// ReleaseName is the name under which a model's directory is released: its
// image, its folder in the GitOps repository, its pull request. news_classifier
// becomes news-classifier.
func ReleaseName(name string) string { return strings.ReplaceAll(name, "_", "-") }

// ChangesOptions says which models are asked for.
type ChangesOptions struct {
	RepositoryDir string // clone of the repository
	ModelsDir     string // directory of models in it, slash-separated
	Before        string // commit before the push; empty, all zeros or unknown: every model counts as changed
	After         string // commit to look at; empty: what is checked out
	Models        string // empty: those changed; "all"; or names with commas between
}

// Changes is what there is to deliver.
type Changes struct {
	Models []string // names of directories, sorted
	Reason string   // why these, for a person
}

// FindChanges tells which models a push changed. A model that the push
// deleted is not among them.
func FindChanges(ctx context.Context, o ChangesOptions) (Changes, error) {
	if !fs.ValidPath(o.ModelsDir) {
		return Changes{}, step.Invalidf("models directory %q is not a path inside the repository", o.ModelsDir)
	}
	models, err := List(filepath.Join(o.RepositoryDir, filepath.FromSlash(o.ModelsDir)))
	if err != nil {
		return Changes{}, err
	}
	switch o.Models {
	case "all":
		return limit(Changes{models, "all were asked for"})
	case "":
		return changed(ctx, o, models)
	}
	var chosen []string
	for name := range strings.SplitSeq(o.Models, ",") {
		if name = strings.TrimSpace(name); !slices.Contains(models, name) {
			return Changes{}, step.WithHint(step.Invalidf("there is no model %q in %s", name, o.ModelsDir),
				"there are: "+strings.Join(models, ", "))
		}
		chosen = append(chosen, name)
	}
	slices.Sort(chosen)
	return limit(Changes{slices.Compact(chosen), "asked for by name"})
}

func changed(ctx context.Context, o ChangesOptions, models []string) (Changes, error) {
	repo := repository{o.RepositoryDir}
	after, err := repo.head(ctx, o.After)
	if err != nil {
		return Changes{}, err
	}
	before, ok := repo.commit(ctx, o.Before)
	if !ok {
		return limit(Changes{models, fmt.Sprintf("all, since the commit before the push (%q) is not in the clone", o.Before)})
	}
	out, err := repo.git(ctx, "diff-tree", "-r", "-z", "--name-only", "--no-renames", before, after, "--", o.ModelsDir)
	if err != nil {
		return Changes{}, err
	}
	touched := map[string]bool{}
	for file := range strings.SplitSeq(out, "\x00") {
		rest := file
		if o.ModelsDir != "." {
			rest = strings.TrimPrefix(file, o.ModelsDir+"/")
		}
		if name, _, inside := strings.Cut(rest, "/"); inside {
			touched[name] = true
		}
	}
	models = slices.DeleteFunc(models, func(name string) bool { return !touched[name] })
	return limit(Changes{models, fmt.Sprintf("changed between %.12s and %.12s", before, after)})
}

func limit(c Changes) (Changes, error) {
	if len(c.Models) > MaxModels {
		return Changes{}, step.WithHint(step.Invalidf("%d models are more than one run takes (%d)", len(c.Models), MaxModels),
			"name those to deliver, several runs if need be")
	}
	return c, nil
}

// List returns the names of the models in dir, sorted: its directories that
// have a Makefile.
func List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, step.Invalidf("list the models in %s: %w", dir, err)
	}
	var names []string
	for _, entry := range entries {
		// A symbolic link to a directory is no model: it may lead out of the repository.
		info, err := os.Lstat(filepath.Join(dir, entry.Name(), "Makefile"))
		if !entry.IsDir() || err != nil || !info.Mode().IsRegular() {
			continue
		}
		if err := CheckName(entry.Name()); err != nil {
			return nil, fmt.Errorf("list the models in %s: %w", dir, err)
		}
		names = append(names, entry.Name())
	}
	return names, nil
}

// Find returns the directory name of the model that is released as name, or
// of the one called so.
func Find(dir, name string) (string, error) {
	models, err := List(dir)
	if err != nil {
		return "", err
	}
	if slices.Contains(models, name) {
		return name, nil
	}
	for _, candidate := range models {
		if ReleaseName(candidate) == name {
			return candidate, nil
		}
	}
	return "", step.WithHint(step.Invalidf("there is no model %q in %s", name, dir), "there are: "+strings.Join(models, ", "))
}

// inside joins a slash-separated path to a directory and refuses to leave it.
func inside(dir, sub string) (string, error) {
	if sub = path.Clean(sub); !fs.ValidPath(sub) {
		return "", step.Invalidf("%q is not a path inside %s", sub, dir)
	}
	return filepath.Join(dir, filepath.FromSlash(sub)), nil
}
