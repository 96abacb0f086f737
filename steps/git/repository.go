package git

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Repository is a bare clone with as little of a remote repository in it as is
// asked for: a few commits and their trees. Files are fetched when they are
// looked at. There is no work tree, so nothing that a repository holds (links,
// attributes, filters, hooks, submodules) has an effect.
type Repository struct {
	client *Client
	remote string
	dir    string
}

// Open makes an empty clone of the repository at remote. Close removes it.
func Open(ctx context.Context, remote string, options Options) (*Repository, error) {
	client, err := New(remote, options)
	if err != nil {
		return nil, err
	}
	r := &Repository{client: client, remote: remote}
	if r.dir, err = os.MkdirTemp("", "git-bare-"); err != nil {
		return nil, step.Infraf("making a directory for the clone: %w", joined(err, client.Close()))
	}
	if _, err := r.Run(ctx, "init", "--quiet", "--bare", "--template="); err != nil {
		return nil, joined(err, r.Close())
	}
	// The URL has no credential in it: see CheckRemote.
	if _, err := r.Run(ctx, "config", "remote.origin.url", remote); err != nil {
		return nil, joined(err, r.Close())
	}
	return r, nil
}

func joined(err, other error) error {
	if other != nil {
		return fmt.Errorf("%w (and then: %v)", err, other)
	}
	return err
}

// Close removes the clone and what git kept.
func (r *Repository) Close() error {
	err := os.RemoveAll(r.dir)
	if closing := r.client.Close(); err == nil {
		err = closing
	}
	return err
}

// Run runs git on the clone and returns its standard output without the space
// around it.
func (r *Repository) Run(ctx context.Context, args ...string) (string, error) {
	out, err := r.client.Run(ctx, r.dir, args...)
	return strings.TrimSpace(out), err
}

// Fetch brings the newest depth commits (0: all) of each branch; filter is one
// of git's, blob:none for instance. The branch NAME is refs/remotes/origin/NAME
// then. A branch that is not there is no error when optional.
func (r *Repository) Fetch(ctx context.Context, depth int, filter string, branches []string, optional ...string) error {
	args := []string{"fetch", "--quiet", "--no-tags", "--force", "--no-write-fetch-head", "--prune", "--recurse-submodules=no"}
	if depth > 0 {
		args = append(args, "--depth="+strconv.Itoa(depth))
	}
	if filter != "" {
		args = append(args, "--filter="+filter)
	}
	args = append(args, "origin")
	for _, branch := range branches {
		args = append(args, "+refs/heads/"+branch+":refs/remotes/origin/"+branch)
	}
	for _, branch := range optional {
		// A pattern may match nothing.
		args = append(args, "+refs/heads/"+branch+"*:refs/remotes/origin/"+branch+"*")
	}
	_, err := r.Run(ctx, args...)
	if err != nil && strings.Contains(err.Error(), "couldn't find remote ref") {
		return step.WithHint(step.Invalidf("%s has no branch %s", r.remote, strings.Join(branches, ", ")), "a repository that nothing was pushed to yet has no branch at all")
	}
	if err != nil {
		return ExplainRemote(fmt.Errorf("fetching %s from %s: %w", strings.Join(branches, ", "), r.remote, err))
	}
	return nil
}

// Resolve returns the object that a name stands for, "" when there is none.
func (r *Repository) Resolve(ctx context.Context, name string) (string, error) {
	out, err := r.Run(ctx, "rev-parse", "--quiet", "--verify", "--end-of-options", name)
	if err != nil && out == "" && ctx.Err() == nil {
		return "", nil
	}
	return out, err
}

// Entry is a file, link, submodule or directory in a tree.
type Entry struct {
	Mode string // as git writes it: 100644, 100755, 120000, 160000, 040000
	Type string // blob, commit, tree
	ID   string
	Path string // from the root of the repository
}

// Entries lists what a commit has at path, or below it when recursive.
func (r *Repository) Entries(ctx context.Context, commit, path string, recursive bool) ([]Entry, error) {
	args := []string{"ls-tree", "-z", "--full-tree"}
	if recursive {
		args = append(args, "-r")
		path += "/"
	}
	args = append(args, commit, "--")
	if path != "" {
		args = append(args, path)
	}
	out, err := r.client.Run(ctx, r.dir, args...)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", path, err)
	}
	var entries []Entry
	for line := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		if line == "" {
			continue
		}
		meta, name, _ := strings.Cut(line, "\t")
		fields := strings.Fields(meta)
		if len(fields) != 3 {
			return nil, step.Infraf("listing %s: unexpected %q", path, line)
		}
		entries = append(entries, Entry{Mode: fields[0], Type: fields[1], ID: fields[2], Path: name})
	}
	return entries, nil
}

// Blob is one file to be written.
type Blob struct {
	Path       string // from the root of the repository
	Data       []byte
	Executable bool
}

// Tree makes the tree of base with the directory dir holding the files and
// nothing else, and returns its ID. No files removes the directory.
func (r *Repository) Tree(ctx context.Context, base, dir string, files []Blob) (string, error) {
	const ref = "refs/model-delivery/tree"
	var in bytes.Buffer
	fmt.Fprintf(&in, "feature done\ncommit %s\ncommitter x <x> 0 +0000\ndata 0\nfrom %s\nD %s\n", ref, base, quotePath(dir))
	for _, file := range files {
		mode := "100644"
		if file.Executable {
			mode = "100755"
		}
		fmt.Fprintf(&in, "M %s inline %s\ndata %d\n", mode, quotePath(file.Path), len(file.Data))
		in.Write(file.Data)
		in.WriteByte('\n')
	}
	in.WriteString("\ndone\n")
	if _, err := r.client.RunInput(ctx, r.dir, in.Bytes(), "fast-import", "--quiet", "--force"); err != nil {
		return "", fmt.Errorf("making the tree: %w", err)
	}
	return r.Run(ctx, "rev-parse", ref+"^{tree}")
}

// quotePath writes a path as fast-import reads it.
func quotePath(path string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(path) + `"`
}

// Commit makes a commit of a tree and returns its ID. It is on no branch.
func (r *Repository) Commit(ctx context.Context, tree, message string, parents ...string) (string, error) {
	args := []string{"commit-tree"}
	if r.client.gitSigns {
		args = append(args, "-S")
	}
	for _, parent := range parents {
		args = append(args, "-p", parent)
	}
	out, err := r.client.RunInput(ctx, r.dir, []byte(message), append(args, tree)...)
	if err != nil {
		return "", fmt.Errorf("committing: %w", err)
	}
	commit := strings.TrimSpace(out)
	if r.client.pgp != nil {
		return r.signCommit(ctx, commit)
	}
	return commit, nil
}

// Push makes a branch of the remote hold commit; an empty commit deletes the
// branch. With a lease the branch is replaced, but only while it is at what
// the lease says ("": it must not exist); without one it can only move
// forward. See [Race], [Refused] and [ExplainPush] for its errors.
func (r *Repository) Push(ctx context.Context, commit, branch string, lease *string) error {
	args := []string{"push", "--quiet", "--porcelain", "--no-verify", "--recurse-submodules=no"}
	if lease != nil {
		args = append(args, "--force-with-lease=refs/heads/"+branch+":"+*lease)
	}
	if _, err := r.Run(ctx, append(args, "origin", commit+":refs/heads/"+branch)...); err != nil {
		return fmt.Errorf("pushing to %s: %w", branch, err)
	}
	return nil
}

// Tag gives a commit an annotated tag on the remote. A tag of the same name
// that is there already is left: a version is given out once.
func (r *Repository) Tag(ctx context.Context, name, commit, message string) error {
	there, err := r.Run(ctx, "ls-remote", "--tags", "--refs", "origin", "refs/tags/"+name)
	if err != nil {
		return ExplainRemote(fmt.Errorf("looking for tag %s: %w", name, err))
	}
	if there != "" {
		return nil
	}
	if err := r.annotate(ctx, name, commit, message); err != nil {
		return fmt.Errorf("making tag %s: %w", name, err)
	}
	if _, err := r.Run(ctx, "push", "--quiet", "--porcelain", "--no-verify", "origin", "refs/tags/"+name); err != nil {
		return ExplainPush(fmt.Errorf("pushing tag %s: %w", name, err))
	}
	return nil
}

// annotate makes an annotated tag here.
func (r *Repository) annotate(ctx context.Context, name, commit, message string) error {
	if r.client.pgp != nil {
		return r.signedTag(ctx, name, commit, message)
	}
	args := []string{"tag", "--annotate", "--cleanup=verbatim", "--file=-"}
	if r.client.gitSigns {
		args = append(args, "--sign")
	}
	_, err := r.client.RunInput(ctx, r.dir, []byte(message), append(args, "--", name, commit)...)
	return err
}
