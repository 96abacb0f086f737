package delivery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"code.gitea.io/sdk/gitea"
	"k8s.io/apimachinery/pkg/util/wait"
)

// Forge looks at the platform's Gitea as one of its users.
type Forge struct {
	client *gitea.Client
}

// NewForge connects to the forge at url as the owner of token.
func NewForge(ctx context.Context, url, token string) (*Forge, error) {
	client, err := gitea.NewClient(url, gitea.SetToken(token), gitea.SetContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("connecting to the forge at %s: %w", url, err)
	}
	return &Forge{client: client}, nil
}

// owner splits OWNER/NAME.
func owner(repository string) (string, string) {
	before, after, _ := strings.Cut(repository, "/")
	return before, after
}

// OpenPullRequests lists the open pull requests of OWNER/NAME.
func (f *Forge) OpenPullRequests(repository string) ([]*gitea.PullRequest, error) {
	user, name := owner(repository)
	pulls, _, err := f.client.ListRepoPullRequests(user, name, gitea.ListPullRequestsOptions{State: gitea.StateOpen})
	if err != nil {
		return nil, fmt.Errorf("listing the open pull requests of %s: %w", repository, err)
	}
	return pulls, nil
}

// Merge merges a pull request, only if its head is what was reviewed, and
// returns the merge commit.
func (f *Forge) Merge(ctx context.Context, repository string, pull *gitea.PullRequest) (string, error) {
	user, name := owner(repository)
	merged := false
	err := wait.PollUntilContextTimeout(ctx, pollInterval, 30*time.Second, true, func(context.Context) (bool, error) {
		// Gitea works out whether a pull request can be merged in the background.
		ok, _, err := f.client.MergePullRequest(user, name, pull.Index, gitea.MergePullRequestOption{Style: gitea.MergeStyleMerge, HeadCommitId: pull.Head.Sha})
		merged = ok
		return ok && err == nil, nil
	})
	if err != nil || !merged {
		return "", fmt.Errorf("merging pull request %d of %s: %w", pull.Index, repository, err)
	}
	after, _, err := f.client.GetPullRequest(user, name, pull.Index)
	if err != nil {
		return "", fmt.Errorf("reading pull request %d of %s after its merge: %w", pull.Index, repository, err)
	}
	if after.MergedCommitID == nil {
		return "", fmt.Errorf("pull request %d of %s has no merge commit", pull.Index, repository)
	}
	return *after.MergedCommitID, nil
}

// Head returns the commit that a branch of OWNER/NAME points to.
func (f *Forge) Head(repository, branch string) (string, error) {
	user, name := owner(repository)
	b, _, err := f.client.GetRepoBranch(user, name, branch)
	if err != nil {
		return "", fmt.Errorf("reading branch %s of %s: %w", branch, repository, err)
	}
	return b.Commit.ID, nil
}

// File returns a file of OWNER/NAME at a ref.
func (f *Forge) File(repository, ref, path string) (string, error) {
	user, name := owner(repository)
	data, _, err := f.client.GetFile(user, name, ref, path)
	if err != nil {
		return "", fmt.Errorf("reading %s of %s at %s: %w", path, repository, ref, err)
	}
	return string(data), nil
}

// Commits returns the commits of a branch, newest first, at most fifty.
func (f *Forge) Commits(repository, branch string) ([]*gitea.Commit, error) {
	user, name := owner(repository)
	commits, _, err := f.client.ListRepoCommits(user, name, gitea.ListCommitOptions{ListOptions: gitea.ListOptions{PageSize: 50}, SHA: branch})
	if err != nil {
		return nil, fmt.Errorf("listing the commits of %s on %s: %w", repository, branch, err)
	}
	return commits, nil
}

// Statuses returns the newest status of each context on a commit.
func (f *Forge) Statuses(repository, commit string) (map[string]gitea.StatusState, error) {
	user, name := owner(repository)
	combined, _, err := f.client.GetCombinedStatus(user, name, commit)
	if err != nil {
		return nil, fmt.Errorf("reading the status of %s in %s: %w", commit, repository, err)
	}
	out := map[string]gitea.StatusState{}
	for _, status := range combined.Statuses {
		out[status.Context] = status.State
	}
	return out, nil
}

// WaitStatus waits until every status of a commit is settled and at least one
// is there. It returns whether all are green.
func (f *Forge) WaitStatus(ctx context.Context, repository, commit string, within time.Duration) (bool, error) {
	green := false
	var last map[string]gitea.StatusState
	err := wait.PollUntilContextTimeout(ctx, pollInterval, within, true, func(context.Context) (bool, error) {
		statuses, err := f.Statuses(repository, commit)
		if err != nil {
			return false, nil
		}
		last, green = statuses, true
		for _, state := range statuses {
			if state == gitea.StatusPending {
				return false, nil
			}
			green = green && state == gitea.StatusSuccess
		}
		return len(statuses) > 0, nil
	})
	if err != nil {
		return false, fmt.Errorf("waiting %s for the status of %s in %s (now %v): %w", within, commit, repository, last, err)
	}
	return green, nil
}

// errNone says that something expected on the forge is not there.
var errNone = errors.New("none there")

// PullRequestFor returns the one open pull request whose head branch names the model.
func (f *Forge) PullRequestFor(repository, model string) (*gitea.PullRequest, error) {
	pulls, err := f.OpenPullRequests(repository)
	if err != nil {
		return nil, err
	}
	var found []*gitea.PullRequest
	for _, pull := range pulls {
		if strings.Contains(pull.Head.Ref, model) {
			found = append(found, pull)
		}
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d open pull requests of %s for %s: %w", len(found), repository, model, errNone)
	}
	return found[0], nil
}
