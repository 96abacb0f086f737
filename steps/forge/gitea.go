package forge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"code.gitea.io/sdk/gitea"

	"github.com/model-delivery/model-delivery/steps/step"
)

// pageSize is how many entries are asked for at a time.
const pageSize = 50

// GiteaClient is a repository on a Gitea (or Forgejo).
type GiteaClient struct {
	repository Repository
	client     *gitea.Client
}

// NewGitea connects to the Gitea of a repository. The token may be empty.
func NewGitea(ctx context.Context, repository Repository, token string) (*GiteaClient, error) {
	options := []gitea.ClientOption{gitea.SetHTTPClient(client(repository.Host)), gitea.SetContext(ctx)}
	if token != "" {
		options = append(options, gitea.SetToken(token))
	}
	c, err := gitea.NewClient(repository.BaseURL(), options...)
	if err != nil {
		return nil, step.Infraf("connecting to Gitea at %s: %w", repository.BaseURL(), err)
	}
	return &GiteaClient{repository: repository, client: c}, nil
}

// explain classifies what the forge answered.
func explain(doing string, response *gitea.Response, err error) error {
	if err == nil {
		return nil
	}
	wrapped := fmt.Errorf("%s: %w", doing, err)
	if response == nil || response.Response == nil {
		return step.Infra(wrapped)
	}
	switch response.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return step.WithHint(step.Infra(wrapped), "the forge refuses the token: it must be valid and may write to the repository")
	case http.StatusNotFound:
		return step.WithHint(step.Infra(wrapped), "the repository is not there, or the token may not see it")
	}
	return step.Infra(wrapped)
}

// PullRequests lists the open pull requests from head into base.
func (g *GiteaClient) PullRequests(_ context.Context, head, base string) ([]PullRequest, error) {
	var found []PullRequest
	for page := 1; ; page++ {
		list, response, err := g.client.ListRepoPullRequests(g.repository.Owner, g.repository.Name, gitea.ListPullRequestsOptions{
			ListOptions: gitea.ListOptions{Page: page, PageSize: pageSize}, State: gitea.StateOpen,
		})
		if err != nil {
			return nil, explain("listing the pull requests of "+g.repository.FullName(), response, err)
		}
		for _, pull := range list {
			// A fork's branch of the same name is not ours.
			if pull.Head != nil && pull.Base != nil && pull.Head.Ref == head && pull.Base.Ref == base && pull.Head.RepoID == pull.Base.RepoID {
				found = append(found, fromGitea(pull))
			}
		}
		if len(list) < pageSize {
			return found, nil
		}
	}
}

func fromGitea(pull *gitea.PullRequest) PullRequest {
	return PullRequest{
		Number: pull.Index, URL: pull.HTMLURL, Head: pull.Head.Ref, Base: pull.Base.Ref, HeadCommit: pull.Head.Sha,
		Title: pull.Title, Body: pull.Body, Open: pull.State == gitea.StateOpen, Merged: pull.HasMerged,
	}
}

// CreatePullRequest opens a pull request.
func (g *GiteaClient) CreatePullRequest(_ context.Context, spec PullRequestSpec) (PullRequest, error) {
	title := spec.Title
	if spec.Draft {
		title = "WIP: " + title
	}
	labels, err := g.labelIDs(spec.Labels)
	if err != nil {
		return PullRequest{}, err
	}
	pull, response, err := g.client.CreatePullRequest(g.repository.Owner, g.repository.Name, gitea.CreatePullRequestOption{
		Head: spec.Head, Base: spec.Base, Title: title, Body: spec.Body, Assignees: spec.Assignees, Labels: labels, Reviewers: spec.Reviewers,
	})
	if err != nil {
		return PullRequest{}, explain("opening a pull request in "+g.repository.FullName(), response, err)
	}
	return fromGitea(pull), nil
}

// UpdatePullRequest gives an open pull request a new title and body.
func (g *GiteaClient) UpdatePullRequest(_ context.Context, number int64, spec PullRequestSpec) (PullRequest, error) {
	title := spec.Title
	if spec.Draft {
		title = "WIP: " + title
	}
	pull, response, err := g.client.EditPullRequest(g.repository.Owner, g.repository.Name, number, gitea.EditPullRequestOption{Title: title, Body: &spec.Body})
	if err != nil {
		return PullRequest{}, explain(fmt.Sprintf("updating pull request %d of %s", number, g.repository.FullName()), response, err)
	}
	return fromGitea(pull), nil
}

// ClosePullRequest closes a pull request with a word on why.
func (g *GiteaClient) ClosePullRequest(ctx context.Context, number int64, comment string) error {
	commentErr := g.Comment(ctx, number, comment)
	closed := gitea.StateClosed
	_, response, err := g.client.EditPullRequest(g.repository.Owner, g.repository.Name, number, gitea.EditPullRequestOption{State: &closed})
	return errors.Join(commentErr, explain(fmt.Sprintf("closing pull request %d of %s", number, g.repository.FullName()), response, err))
}

// Comment says something on a pull request.
func (g *GiteaClient) Comment(_ context.Context, number int64, body string) error {
	_, response, err := g.client.CreateIssueComment(g.repository.Owner, g.repository.Name, number, gitea.CreateIssueCommentOption{Body: body})
	return explain(fmt.Sprintf("commenting on pull request %d of %s", number, g.repository.FullName()), response, err)
}

// labelIDs finds labels by name and makes those that are missing.
func (g *GiteaClient) labelIDs(names []string) ([]int64, error) {
	if len(names) == 0 {
		return nil, nil
	}
	known, response, err := g.client.ListRepoLabels(g.repository.Owner, g.repository.Name, gitea.ListLabelsOptions{ListOptions: gitea.ListOptions{PageSize: pageSize}})
	if err != nil {
		return nil, explain("listing the labels of "+g.repository.FullName(), response, err)
	}
	var ids []int64
	for _, name := range names {
		at := slices.IndexFunc(known, func(l *gitea.Label) bool { return l.Name == name })
		if at >= 0 {
			ids = append(ids, known[at].ID)
			continue
		}
		label, response, err := g.client.CreateLabel(g.repository.Owner, g.repository.Name, gitea.CreateLabelOption{Name: name, Color: "#0e8a16"})
		if err != nil {
			return nil, explain("making label "+name, response, err)
		}
		ids = append(ids, label.ID)
	}
	return ids, nil
}

// SetStatus says something about a commit.
func (g *GiteaClient) SetStatus(_ context.Context, commit string, status Status) error {
	_, response, err := g.client.CreateStatus(g.repository.Owner, g.repository.Name, commit, gitea.CreateStatusOption{
		State: gitea.StatusState(status.State), Context: status.Context, Description: status.Description, TargetURL: status.TargetURL,
	})
	return explain(fmt.Sprintf("setting the status of %s in %s", commit, g.repository.FullName()), response, err)
}
