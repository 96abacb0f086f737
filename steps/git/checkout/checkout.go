// Package checkout clones a repository into a workspace as the git-clone Task
// of the Tekton catalog does: same parameters, same results.
package checkout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/step"
)

// Options say what to check out and where to.
type Options struct {
	URL        string
	Revision   string // branch, tag or commit; empty: the remote's default branch
	Refspec    string // fetched instead of Revision, when given
	Dir        string // work tree; made when absent
	Root       string // directory that Dir must lie in
	Depth      int    // 0: all history
	Submodules bool
	// SubmodulePaths are the only submodules fetched; empty: all of them.
	SubmodulePaths []string
	// SparseDirectories are the only ones checked out; empty: everything.
	SparseDirectories []string
	DeleteExisting    bool
	Git               git.Options
	Logf              func(format string, args ...any)
}

// Result is what was checked out.
type Result struct {
	Commit        string
	URL           string
	CommitterDate string // seconds since 1970
}

// Run checks the repository out. The same call again, on what the first left
// behind, gives the same work tree.
func Run(ctx context.Context, o Options) (Result, error) {
	if err := o.check(); err != nil {
		return Result{}, err
	}
	client, err := git.New(o.URL, o.Git)
	if err != nil {
		return Result{}, err
	}
	defer client.Close()
	if o.DeleteExisting {
		if err := empty(o.Dir); err != nil {
			return Result{}, err
		}
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return Result{}, step.Infraf("making the work tree: %w", err)
	}
	o.Logf("fetching %s of %s", o.wanted(), o.URL)
	if err := o.fetch(ctx, client); err != nil {
		return Result{}, explain(o, err)
	}
	return o.describe(ctx, client)
}

func (o Options) check() error {
	if o.Revision != "" {
		if err := git.CheckRef(o.Revision); err != nil {
			return fmt.Errorf("revision: %w", err)
		}
	}
	if strings.HasPrefix(o.Refspec, "-") || strings.ContainsAny(o.Refspec, " \n\r\x00") {
		return step.Invalidf("%q is not a refspec", o.Refspec)
	}
	if o.Depth < 0 {
		return step.Invalidf("depth %d: must be 0 (all history) or more", o.Depth)
	}
	if o.Root != "" {
		rel, err := filepath.Rel(o.Root, o.Dir)
		if err != nil || !filepath.IsLocal(rel) {
			return step.Invalidf("subdirectory %q leads out of the workspace", rel)
		}
	}
	for what, dirs := range map[string][]string{"sparse checkout directory": o.SparseDirectories, "submodule path": o.SubmodulePaths} {
		for _, dir := range dirs {
			if strings.HasPrefix(dir, "-") || strings.ContainsAny(dir, "\n\r\x00") || strings.Contains(dir, "..") {
				return step.Invalidf("%s %q", what, dir)
			}
		}
	}
	return nil
}

func (o Options) wanted() string {
	switch {
	case o.Refspec != "":
		return o.Refspec
	case o.Revision != "":
		return o.Revision
	}
	return "the default branch"
}

// empty removes what is in dir, but not dir itself, which may be a mount.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	if err != nil {
		return step.Infraf("emptying the work tree: %w", err)
	}
	return nil
}

func (o Options) fetch(ctx context.Context, client *git.Client) error {
	run := func(args ...string) error { _, err := client.Run(ctx, o.Dir, args...); return err }
	if err := run("init", "--quiet"); err != nil {
		return err
	}
	// Not `remote add`: after a cut-off run the remote is there already.
	if err := run("config", "remote.origin.url", o.URL); err != nil {
		return err
	}
	if err := run("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"); err != nil {
		return err
	}
	if len(o.SparseDirectories) > 0 {
		if err := run(append([]string{"sparse-checkout", "set", "--"}, o.SparseDirectories...)...); err != nil {
			return err
		}
	}
	refspec := o.Refspec
	if refspec == "" {
		refspec = o.Revision
	}
	if refspec == "" {
		refspec = "HEAD"
	}
	args := []string{"fetch", "--quiet", "--no-tags", "--force", "--update-head-ok", "--recurse-submodules=no"}
	if o.Depth > 0 {
		args = append(args, "--depth="+strconv.Itoa(o.Depth))
	}
	if o.Refspec == "" && o.Revision != "" && !git.IsCommit(o.Revision) && !strings.HasPrefix(o.Revision, "refs/") {
		// A branch before a tag of the same name.
		err := run(append(args, "--end-of-options", "origin", "refs/heads/"+o.Revision)...)
		if err != nil {
			err = run(append(args, "--end-of-options", "origin", refspec)...)
		}
		if err != nil {
			return err
		}
	} else if err := run(append(args, append([]string{"--end-of-options", "origin"}, strings.Fields(refspec)...)...)...); err != nil {
		return err
	}
	target := "FETCH_HEAD"
	if o.Refspec != "" && o.Revision != "" {
		target = o.Revision
	}
	if err := run("checkout", "--quiet", "--force", "--detach", target); err != nil {
		return err
	}
	if o.Submodules {
		args := []string{"submodule", "update", "--init", "--recursive", "--force"}
		if o.Depth > 0 {
			args = append(args, "--depth="+strconv.Itoa(o.Depth))
		}
		if len(o.SubmodulePaths) > 0 {
			args = append(append(args, "--"), o.SubmodulePaths...)
		}
		return run(args...)
	}
	return nil
}

func (o Options) describe(ctx context.Context, client *git.Client) (Result, error) {
	out, err := client.Run(ctx, o.Dir, "log", "-1", "--no-show-signature", "--format=%H %ct", "HEAD")
	if err != nil {
		return Result{}, err
	}
	commit, date, ok := strings.Cut(strings.TrimSpace(out), " ")
	if !ok || !git.IsCommit(commit) {
		return Result{}, step.Infraf("reading the commit: unexpected %q", out)
	}
	return Result{Commit: commit, URL: o.URL, CommitterDate: date}, nil
}

// explain adds what to try to the failures that have a usual cause.
func explain(o Options, err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "couldn't find remote ref"), strings.Contains(text, "not our ref"):
		return step.WithHint(step.Invalidf("%s has no revision %s: %w", o.URL, o.wanted(), err), "check the revision; a commit must be reachable from a branch")
	case strings.Contains(text, "could not read Username"), strings.Contains(text, "Authentication failed"), strings.Contains(text, "HTTP Basic: Access denied"):
		return step.WithHint(err, "the repository wants credentials: bind the workspace basic-auth or ssh-directory")
	case strings.Contains(text, "Host key verification failed"):
		return step.WithHint(err, "put the host's keys into known_hosts of the workspace ssh-directory (ssh-keyscan HOST)")
	case strings.Contains(text, "certificate"):
		return step.WithHint(err, "bind the workspace ssl-ca-directory with the certificate of the server's authority")
	}
	return err
}
