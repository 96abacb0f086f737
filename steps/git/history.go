package git

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/model-delivery/model-delivery/steps/step"
)

// historyDepth is how many commits of the branch are fetched to tell which of
// two came first.
const historyDepth = 500

// History tells which commits of a branch contain which.
type History struct {
	repository, branch string
	options            Options

	mu    sync.Mutex
	known map[[2]string]bool // commit and revision: the revision contains the commit
}

// NewHistory looks at a branch of the repository at a URL. An empty URL knows
// no history: then only the commit itself contains it.
func NewHistory(repository, branch string, options Options) *History {
	return &History{repository: repository, branch: branch, options: options, known: map[[2]string]bool{}}
}

// Contains tells whether revision is commit or comes after it. Only commits
// are fetched, no files.
func (h *History) Contains(ctx context.Context, commit, revision string) (bool, error) {
	if revision == commit {
		return true, nil
	}
	if h.repository == "" || !IsCommit(revision) {
		return false, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	key := [2]string{commit, revision}
	if answer, ok := h.known[key]; ok {
		return answer, nil
	}
	answer, err := h.ask(ctx, commit, revision)
	if err != nil {
		return false, fmt.Errorf("comparing %.12s with %.12s: %w", revision, commit, err)
	}
	h.known[key] = answer
	return answer, nil
}

func (h *History) ask(ctx context.Context, commit, revision string) (bool, error) {
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
	if _, err := client.Run(ctx, dir, "init", "--quiet", "--bare"); err != nil {
		return false, err
	}
	if _, err := client.Run(ctx, dir, "fetch", "--quiet", "--no-tags", fmt.Sprintf("--depth=%d", historyDepth), "--filter=tree:0",
		h.repository, "refs/heads/"+h.branch); err != nil {
		return false, err
	}
	for _, sha := range []string{commit, revision} {
		if _, err := client.Run(ctx, dir, "-c", "fetch.negotiationAlgorithm=noop", "cat-file", "-e", sha+"^{commit}"); err != nil {
			return false, ctx.Err()
		}
	}
	out, err := client.Run(ctx, dir, "rev-list", "--max-count=1", revision+".."+commit)
	return err == nil && strings.TrimSpace(out) == "", err
}
