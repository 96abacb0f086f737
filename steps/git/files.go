package git

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/model-delivery/model-delivery/steps/step"
)

// maxFiles bounds, in bytes, what [Repository.Files] reads.
const maxFiles = 32 << 20

// Files reads what a commit has in a directory. A link or a submodule in it is
// an error.
func (r *Repository) Files(ctx context.Context, commit, dir string) ([]Blob, error) {
	entries, err := r.Entries(ctx, commit, dir, true)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	var ids strings.Builder
	for _, entry := range entries {
		if entry.Mode != "100644" && entry.Mode != "100755" {
			return nil, step.Invalidf("%s in commit %.12s is a link or a submodule", entry.Path, commit)
		}
		ids.WriteString(entry.ID + "\n")
	}
	// All at once: git would fetch those that are missing one by one. A server
	// that leaves out nothing has sent them before.
	_, _ = r.client.RunInput(ctx, r.dir, []byte(ids.String()), "-c", "fetch.negotiationAlgorithm=noop", "fetch", "--quiet", "--no-tags",
		"--no-write-fetch-head", "--recurse-submodules=no", "--filter=blob:none", "--stdin", "origin")
	out, err := r.client.RunInput(ctx, r.dir, []byte(ids.String()), "cat-file", "--batch")
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", dir, err)
	}
	if len(out) > maxFiles {
		return nil, step.Invalidf("%s in commit %.12s has more than %d bytes", dir, commit, maxFiles)
	}
	files := make([]Blob, len(entries))
	for i, entry := range entries {
		// ID blob SIZE, the content, and an end of line.
		header, rest, _ := strings.Cut(out, "\n")
		fields := strings.Fields(header)
		if len(fields) != 3 || fields[0] != entry.ID || fields[1] != "blob" {
			return nil, step.Infraf("reading %s: unexpected %q", entry.Path, header)
		}
		size, err := strconv.Atoi(fields[2])
		if err != nil || size < 0 || size >= len(rest) {
			return nil, step.Infraf("reading %s: unexpected %q", entry.Path, header)
		}
		files[i] = Blob{Path: entry.Path, Data: []byte(rest[:size]), Executable: entry.Mode == "100755"}
		out = rest[size+1:]
	}
	return files, nil
}

// Shallow tells whether the history ends at a commit because no more of it was
// fetched.
func (r *Repository) Shallow(ctx context.Context, commit string) (bool, error) {
	out, err := r.Run(ctx, "rev-list", "--max-count=1", "--parents", commit)
	if err != nil || len(strings.Fields(out)) > 1 {
		return false, err
	}
	// The commit itself tells of parents that the clone leaves out.
	raw, err := r.Run(ctx, "cat-file", "commit", commit)
	return strings.Contains(raw, "\nparent "), err
}
