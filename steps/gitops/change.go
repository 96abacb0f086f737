package gitops

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"

	"github.com/model-delivery/model-delivery/steps/git"
	"github.com/model-delivery/model-delivery/steps/gitops/source"
	"github.com/model-delivery/model-delivery/steps/step"
)

// change is a promotion on top of a base: a tree that differs from the base's
// in the target directory alone.
type change struct {
	base string // commit
	tree string // "" when there is nothing to change
}

// onto works out what the promotion changes on a base.
func (w *work) onto(ctx context.Context, base string) (change, error) {
	if err := w.checkPath(ctx, base); err != nil {
		return change{}, err
	}
	if done, err := w.overtaken(ctx, base); err != nil || done {
		return change{base: base}, err
	}
	there, err := w.clone.Entries(ctx, base, w.Target, true)
	if err != nil {
		return change{}, err
	}
	if w.same(there, base) {
		return change{base: base}, nil
	}
	blobs := make([]git.Blob, len(w.Files))
	for i, file := range w.Files {
		blobs[i] = git.Blob{Path: w.Target + "/" + file.Path, Data: file.Data, Executable: file.Executable}
	}
	tree, err := w.clone.Tree(ctx, base, w.Target, blobs)
	if err != nil {
		return change{}, err
	}
	// What git made is looked at again: nothing outside the target may differ.
	names, err := w.clone.Run(ctx, "diff-tree", "-r", "-z", "--name-only", "--no-renames", base+"^{tree}", tree)
	if err != nil {
		return change{}, fmt.Errorf("comparing with %s: %w", w.Branch, err)
	}
	for name := range strings.SplitSeq(strings.Trim(names, "\x00"), "\x00") {
		if !strings.HasPrefix(name, w.Target+"/") {
			return change{}, step.Infraf("the change would touch %q outside %s: nothing was pushed", name, w.Target)
		}
	}
	return change{base: base, tree: tree}, nil
}

// checkPath makes sure that each part of the target is a directory in the
// base, or not there, and that no other name is taken for it.
func (w *work) checkPath(ctx context.Context, base string) error {
	at := ""
	for part := range strings.SplitSeq(w.Target, "/") {
		siblings, err := w.clone.Entries(ctx, base+":"+at, "", false)
		if err != nil {
			return err
		}
		at = path.Join(at, part)
		found := false
		for _, entry := range siblings {
			name := path.Base(entry.Path)
			switch {
			case name == part && entry.Type != "tree":
				kind := map[string]string{"120000": "a symbolic link", "160000": "a submodule"}[entry.Mode]
				if kind == "" {
					kind = "a file"
				}
				return step.WithHint(step.Invalidf("%s in %s is %s, not a directory: nothing was pushed", at, w.Repository, kind), "make it a directory, or promote to another --path")
			case name == part:
				found = true
			case source.Fold(name) == source.Fold(part):
				return step.WithHint(step.Invalidf("%s in %s has the same name as %q on some file systems: nothing was pushed", at, w.Repository, name), "give the model another name, or write it as it is written there")
			}
		}
		if !found {
			return nil
		}
	}
	return nil
}

// same tells whether the base's directory is the files already, without
// fetching any of them: their IDs say so.
func (w *work) same(there []git.Entry, base string) bool {
	if len(there) != len(w.Files) {
		return false
	}
	want := make(map[string]string, len(w.Files))
	for _, file := range w.Files {
		mode := "100644"
		if file.Executable {
			mode = "100755"
		}
		want[w.Target+"/"+file.Path] = mode + " " + blobID(file.Data, len(base))
	}
	for _, entry := range there {
		if want[entry.Path] != entry.Mode+" "+entry.ID {
			return false
		}
	}
	return true
}

// blobID is what git calls a file's content; digits tells the repository's
// hash: 40 for SHA-1, 64 for SHA-256.
func blobID(data []byte, digits int) string {
	h := sha1.New()
	if digits == 64 {
		h = sha256.New()
	}
	fmt.Fprintf(h, "blob %d\x00", len(data))
	h.Write(data)
	return hex.EncodeToString(h.Sum(nil))
}

// diff shows what the change does to the target, with the old files fetched.
func (w *work) diff(ctx context.Context, c change) (string, error) {
	out, err := w.clone.Run(ctx, "diff-tree", "--patch", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--unified=3", c.base+"^{tree}", c.tree)
	if err != nil {
		return "", fmt.Errorf("comparing with %s: %w", w.Branch, err)
	}
	return out, nil
}

// commit makes the change a commit on its base.
func (w *work) commit(ctx context.Context, c change) (string, error) {
	return w.clone.Commit(ctx, c.tree, w.Evidence.Commit(c.tree), c.base)
}
