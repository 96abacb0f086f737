package git

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"

	"github.com/model-delivery/model-delivery/steps/step"
)

var shortHash = regexp.MustCompile(`^[0-9a-f]{7,64}$`)

// historyDepth is how many commits of the branch are fetched to tell which of
// two came first.
const historyDepth = 500

// History tells which commits of a branch contain which.
type History struct {
	repository, branch string
	options            Options

	mu    sync.Mutex
	known map[string]bool
}

// NewHistory looks at a branch of the repository at a URL. An empty URL knows
// no history: then only the commit itself contains it.
func NewHistory(repository, branch string, options Options) *History {
	return &History{repository: repository, branch: branch, options: options, known: map[string]bool{}}
}

// Contains tells whether revision, a hash or the first 7 digits of one or more,
// is commit or comes after it. Only commits are fetched, no files.
func (h *History) Contains(ctx context.Context, commit, revision string) (bool, error) {
	if shortHash.MatchString(revision) && strings.HasPrefix(commit, revision) {
		return true, nil
	}
	if h.repository == "" || !shortHash.MatchString(revision) {
		return false, nil
	}
	return h.remember(ctx, "contains "+commit+" "+revision, func(ctx context.Context, client *Client, dir string) (answer, known bool, err error) {
		return h.compare(ctx, client, dir, commit, revision)
	})
}

// Same tells whether a path holds the same files in two commits, which need not
// be on the branch. Without a repository nothing is known to differ.
func (h *History) Same(ctx context.Context, a, b, path string) (bool, error) {
	if a == b || h.repository == "" || !IsCommit(a) || !IsCommit(b) {
		return true, nil
	}
	return h.remember(ctx, "same "+a+" "+b+" "+path, func(ctx context.Context, client *Client, dir string) (answer, known bool, err error) {
		if _, err := client.Run(ctx, dir, "fetch", "--quiet", "--no-tags", "--depth=1", "--filter=blob:none", h.repository, a, b); err != nil {
			return false, false, ExplainRemote(err)
		}
		var trees [2]string
		for i, commit := range []string{a, b} {
			out, err := client.Run(ctx, dir, "ls-tree", "-z", "--full-tree", commit, "--", path)
			if err != nil {
				return false, false, err
			}
			trees[i] = out
		}
		return trees[0] == trees[1], true, nil
	})
}

// remember asks once what does not change, in an empty clone.
func (h *History) remember(ctx context.Context, question string, ask func(ctx context.Context, client *Client, dir string) (answer, known bool, err error)) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if answer, ok := h.known[question]; ok {
		return answer, nil
	}
	client, err := New(h.repository, h.options)
	if err != nil {
		return false, err
	}
	defer client.Close()
	dir, err := os.MkdirTemp("", "history-")
	if err != nil {
		return false, step.Infraf("making a directory for the history: %w", err)
	}
	defer os.RemoveAll(dir)
	if _, err := client.Run(ctx, dir, "init", "--quiet", "--bare", "--template="); err != nil {
		return false, err
	}
	answer, known, err := ask(ctx, client, dir)
	if err != nil {
		return false, fmt.Errorf("reading the history of %s: %w", h.repository, err)
	}
	if known {
		h.known[question] = answer
	}
	return answer, nil
}

// compare tells whether revision contains commit. What the branch does not have
// (yet) is not known.
func (h *History) compare(ctx context.Context, client *Client, dir, commit, revision string) (answer, known bool, err error) {
	if _, err := client.Run(ctx, dir, "fetch", "--quiet", "--no-tags", fmt.Sprintf("--depth=%d", historyDepth), "--filter=tree:0",
		h.repository, "refs/heads/"+h.branch); err != nil {
		return false, false, ExplainRemote(err)
	}
	for _, sha := range []string{commit, revision} {
		if _, err := client.Run(ctx, dir, "rev-parse", "--quiet", "--verify", "--end-of-options", sha+"^{commit}"); err != nil {
			return false, false, ctx.Err()
		}
	}
	out, err := client.Run(ctx, dir, "rev-list", "--max-count=1", revision+".."+commit, "--")
	return err == nil && strings.TrimSpace(out) == "", err == nil, err
}
