// Package gitea is a repository on a Gitea or a Forgejo.
package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	sdk "code.gitea.io/sdk/gitea"

	"github.com/model-delivery/model-delivery/steps/forge"
)

const (
	pageSize    = 50
	draftPrefix = "WIP: "
)

// Client is one repository. It is a [forge.Forge].
type Client struct {
	repository forge.Repository
	http       *http.Client
	auth       []sdk.ClientOption
	pause      func(ctx context.Context, attempt int) error // between attempts to merge
}

var _ forge.Forge = (*Client)(nil)

// New returns the repository's Gitea.
func New(repository forge.Repository, credentials forge.Credentials, httpClient *http.Client) *Client {
	c := &Client{repository: repository, http: httpClient, pause: forge.Pause}
	switch {
	case credentials.Token == "":
	case credentials.Username != "":
		// Gitea takes a token for a password.
		c.auth = append(c.auth, sdk.SetBasicAuth(credentials.Username, credentials.Token))
	default:
		c.auth = append(c.auth, sdk.SetToken(credentials.Token))
	}
	return c
}

// Limits implements [forge.Forge]. Gitea's own are far above these.
func (c *Client) Limits() forge.Limits {
	return forge.Limits{Title: 255, Body: 200_000, Comment: 200_000, Description: 255}
}

// api returns the SDK's client for the calls of one context.
func (c *Client) api(ctx context.Context) (*sdk.Client, error) {
	// The version is not asked for: every call used here is in all releases
	// since 1.20, and it would be one more request.
	options := append([]sdk.ClientOption{sdk.SetHTTPClient(c.http), sdk.SetContext(ctx), sdk.SetGiteaVersion("")}, c.auth...)
	api, err := sdk.NewClient(c.repository.BaseURL(), options...)
	if err != nil {
		return nil, forge.Explain("connecting to Gitea at "+c.repository.BaseURL(), 0, err)
	}
	return api, nil
}

func (c *Client) explain(doing string, response *sdk.Response, err error) error {
	status := 0
	if response != nil && response.Response != nil {
		status = response.StatusCode
	}
	return forge.Explain(doing+" of "+c.repository.FullName(), status, err)
}

// PullRequests implements [forge.Forge].
func (c *Client) PullRequests(ctx context.Context, head, base string) ([]forge.PullRequest, error) {
	api, err := c.api(ctx)
	if err != nil {
		return nil, err
	}
	var found []forge.PullRequest
	for page := 1; ; page++ {
		list, response, err := api.ListRepoPullRequests(c.repository.Owner, c.repository.Name, sdk.ListPullRequestsOptions{
			ListOptions: sdk.ListOptions{Page: page, PageSize: pageSize}, State: sdk.StateOpen,
		})
		if err != nil {
			return nil, c.explain("listing the pull requests", response, err)
		}
		for _, pull := range list {
			if pull.Head != nil && pull.Base != nil && pull.Head.Ref == head && pull.Base.Ref == base && pull.Head.RepoID == pull.Base.RepoID {
				found = append(found, from(pull))
			}
		}
		// A server may have a smaller page than was asked for.
		if len(list) == 0 || response.LastPage <= page && len(list) < pageSize {
			return found, nil
		}
	}
}

func from(pull *sdk.PullRequest) forge.PullRequest {
	p := forge.PullRequest{
		Number: pull.Index, URL: pull.HTMLURL, Title: strings.TrimPrefix(pull.Title, draftPrefix), Body: pull.Body,
		Open: pull.State == sdk.StateOpen, Merged: pull.HasMerged, Draft: strings.HasPrefix(pull.Title, draftPrefix),
	}
	if pull.Head != nil {
		p.Head, p.HeadCommit = pull.Head.Ref, pull.Head.Sha
	}
	if pull.Base != nil {
		p.Base = pull.Base.Ref
	}
	for _, label := range pull.Labels {
		p.Labels = append(p.Labels, label.Name)
	}
	for _, user := range pull.Assignees {
		p.Assignees = append(p.Assignees, user.UserName)
	}
	for _, user := range pull.RequestedReviewers {
		p.Reviewers = append(p.Reviewers, user.UserName)
	}
	return p
}

// PullRequest implements [forge.Forge].
func (c *Client) PullRequest(ctx context.Context, number int64) (forge.PullRequest, error) {
	api, err := c.api(ctx)
	if err != nil {
		return forge.PullRequest{}, err
	}
	pull, response, err := api.GetPullRequest(c.repository.Owner, c.repository.Name, number)
	if err != nil {
		return forge.PullRequest{}, c.explain(fmt.Sprintf("reading pull request %d", number), response, err)
	}
	return from(pull), nil
}

// PullRequestOf implements [forge.Forge].
func (c *Client) PullRequestOf(ctx context.Context, commit string) (int64, error) {
	api, err := c.api(ctx)
	if err != nil {
		return 0, err
	}
	pull, response, err := api.GetCommitPullRequest(c.repository.Owner, c.repository.Name, commit)
	if response != nil && response.Response != nil && response.StatusCode == http.StatusNotFound {
		// No pull request, or no commit: Gitea says the same to both.
		return 0, nil
	}
	if err != nil {
		return 0, c.explain("looking for the pull request", response, err)
	}
	return pull.Index, nil
}

func title(spec forge.PullRequestSpec) string {
	if spec.Draft {
		return draftPrefix + spec.Title
	}
	return spec.Title
}

// CreatePullRequest implements [forge.Forge].
func (c *Client) CreatePullRequest(ctx context.Context, spec forge.PullRequestSpec) (forge.PullRequest, error) {
	api, err := c.api(ctx)
	if err != nil {
		return forge.PullRequest{}, err
	}
	pull, response, err := api.CreatePullRequest(c.repository.Owner, c.repository.Name, sdk.CreatePullRequestOption{
		Head: spec.Head, Base: spec.Base, Title: title(spec), Body: spec.Body,
	})
	if err != nil {
		return forge.PullRequest{}, c.explain("opening a pull request", response, err)
	}
	return from(pull), nil
}

// UpdatePullRequest implements [forge.Forge].
func (c *Client) UpdatePullRequest(ctx context.Context, number int64, spec forge.PullRequestSpec) (forge.PullRequest, error) {
	api, err := c.api(ctx)
	if err != nil {
		return forge.PullRequest{}, err
	}
	pull, response, err := api.EditPullRequest(c.repository.Owner, c.repository.Name, number, sdk.EditPullRequestOption{Title: title(spec), Body: &spec.Body})
	if err != nil {
		return forge.PullRequest{}, c.explain(fmt.Sprintf("updating pull request %d", number), response, err)
	}
	return from(pull), nil
}

// Decorate implements [forge.Forge].
func (c *Client) Decorate(ctx context.Context, pull forge.PullRequest, spec forge.PullRequestSpec) error {
	api, err := c.api(ctx)
	if err != nil {
		return err
	}
	owner, name := c.repository.Owner, c.repository.Name
	var errs []error
	if missing := forge.Missing(spec.Labels, pull.Labels); len(missing) > 0 {
		ids, err := c.labels(api, missing)
		if err == nil {
			var response *sdk.Response
			_, response, err = api.AddIssueLabels(owner, name, pull.Number, sdk.IssueLabelsOption{Labels: ids})
			err = c.explain(fmt.Sprintf("labelling pull request %d", pull.Number), response, err)
		}
		errs = append(errs, err)
	}
	if missing := forge.Missing(spec.Assignees, pull.Assignees); len(missing) > 0 {
		_, response, err := api.EditIssue(owner, name, pull.Number, sdk.EditIssueOption{Assignees: slices.Concat(pull.Assignees, missing)})
		errs = append(errs, c.explain(fmt.Sprintf("assigning pull request %d", pull.Number), response, err))
	}
	if missing := forge.Missing(spec.Reviewers, pull.Reviewers); len(missing) > 0 {
		response, err := api.CreateReviewRequests(owner, name, pull.Number, sdk.PullReviewRequestOptions{Reviewers: missing})
		errs = append(errs, c.explain(fmt.Sprintf("asking for reviews of pull request %d", pull.Number), response, err))
	}
	return errors.Join(errs...)
}

// labels finds labels by name and makes those that are missing.
func (c *Client) labels(api *sdk.Client, names []string) ([]int64, error) {
	known := map[string]int64{}
	for page := 1; ; page++ {
		list, response, err := api.ListRepoLabels(c.repository.Owner, c.repository.Name, sdk.ListLabelsOptions{ListOptions: sdk.ListOptions{Page: page, PageSize: pageSize}})
		if err != nil {
			return nil, c.explain("listing the labels", response, err)
		}
		for _, label := range list {
			known[label.Name] = label.ID
		}
		if len(list) == 0 || response.LastPage <= page && len(list) < pageSize {
			break
		}
	}
	var ids []int64
	for _, name := range names {
		id, ok := known[name]
		if !ok {
			label, response, err := api.CreateLabel(c.repository.Owner, c.repository.Name, sdk.CreateLabelOption{Name: name, Color: "#0e8a16"})
			if err != nil {
				return nil, c.explain("making label "+name, response, err)
			}
			id = label.ID
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// ClosePullRequest implements [forge.Forge].
func (c *Client) ClosePullRequest(ctx context.Context, number int64) error {
	api, err := c.api(ctx)
	if err != nil {
		return err
	}
	closed := sdk.StateClosed
	_, response, err := api.EditPullRequest(c.repository.Owner, c.repository.Name, number, sdk.EditPullRequestOption{State: &closed})
	return c.explain(fmt.Sprintf("closing pull request %d", number), response, err)
}
