// Package github is a repository on GitHub or GitHub Enterprise.
package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	sdk "github.com/google/go-github/v84/github"

	"github.com/model-delivery/model-delivery/steps/forge"
)

const pageSize = 100

// Client is one repository. It is a [forge.Forge].
type Client struct {
	repository forge.Repository
	api        *sdk.Client
	pause      func(ctx context.Context, attempt int) error // between attempts to merge
}

var _ forge.Forge = (*Client)(nil)

// API returns the address of the API of a repository's GitHub: that of the
// public site, or the one of an Enterprise server.
func API(repository forge.Repository) string {
	if repository.Host == "github.com" {
		return "https://api.github.com/"
	}
	return repository.BaseURL() + "/api/v3/"
}

// New returns the repository's GitHub, whose API is at an address that ends
// with a slash.
func New(repository forge.Repository, credentials forge.Credentials, api string, httpClient *http.Client) (*Client, error) {
	client, err := connect(api, credentials.Token, httpClient)
	if err != nil {
		return nil, err
	}
	return &Client{repository: repository, api: client, pause: forge.Pause}, nil
}

func connect(api, token string, httpClient *http.Client) (*sdk.Client, error) {
	base, err := url.Parse(api)
	if err != nil {
		return nil, forge.Explain("connecting to GitHub", 0, err)
	}
	client := sdk.NewClient(httpClient)
	if token != "" {
		client = client.WithAuthToken(token)
	}
	client.BaseURL = base
	client.UserAgent = "model-delivery"
	// The HTTP client waits for rate limits; this would give up instead.
	client.DisableRateLimitCheck = true
	return client, nil
}

// Limits implements [forge.Forge].
func (c *Client) Limits() forge.Limits {
	return forge.Limits{Title: 256, Body: 65_536, Comment: 65_536, Description: 140}
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
	var found []forge.PullRequest
	options := &sdk.PullRequestListOptions{State: "open", Head: c.repository.Owner + ":" + head, Base: base, ListOptions: sdk.ListOptions{PerPage: pageSize}}
	for {
		list, response, err := c.api.PullRequests.List(ctx, c.repository.Owner, c.repository.Name, options)
		if err != nil {
			return nil, c.explain("listing the pull requests", response, err)
		}
		for _, pull := range list {
			// The filter is by owner, who may have a fork too.
			own := strings.EqualFold(pull.GetHead().GetRepo().GetFullName(), c.repository.FullName())
			if own && pull.GetHead().GetRef() == head && pull.GetBase().GetRef() == base && pull.GetState() == "open" {
				found = append(found, from(pull))
			}
		}
		if response.NextPage == 0 {
			return found, nil
		}
		options.Page = response.NextPage
	}
}

func from(pull *sdk.PullRequest) forge.PullRequest {
	p := forge.PullRequest{
		Number: int64(pull.GetNumber()), ID: pull.GetNodeID(), URL: pull.GetHTMLURL(), Title: pull.GetTitle(), Body: pull.GetBody(),
		Head: pull.GetHead().GetRef(), HeadCommit: pull.GetHead().GetSHA(), Base: pull.GetBase().GetRef(),
		Open: pull.GetState() == "open", Merged: pull.GetMerged() || pull.MergedAt != nil, Draft: pull.GetDraft(),
	}
	for _, label := range pull.Labels {
		p.Labels = append(p.Labels, label.GetName())
	}
	for _, user := range pull.Assignees {
		p.Assignees = append(p.Assignees, user.GetLogin())
	}
	for _, user := range pull.RequestedReviewers {
		p.Reviewers = append(p.Reviewers, user.GetLogin())
	}
	for _, team := range pull.RequestedTeams {
		p.Reviewers = append(p.Reviewers, team.GetSlug())
	}
	return p
}

// PullRequest implements [forge.Forge].
func (c *Client) PullRequest(ctx context.Context, number int64) (forge.PullRequest, error) {
	pull, response, err := c.api.PullRequests.Get(ctx, c.repository.Owner, c.repository.Name, int(number))
	if err != nil {
		return forge.PullRequest{}, c.explain(fmt.Sprintf("reading pull request %d", number), response, err)
	}
	return from(pull), nil
}

// PullRequestOf implements [forge.Forge].
func (c *Client) PullRequestOf(ctx context.Context, commit string) (int64, error) {
	list, response, err := c.api.PullRequests.ListPullRequestsWithCommit(ctx, c.repository.Owner, c.repository.Name, commit, &sdk.ListOptions{PerPage: pageSize})
	if err != nil {
		return 0, c.explain("looking for the pull request", response, err)
	}
	var number int64
	for _, pull := range list {
		switch {
		case pull.GetState() == "open":
			return int64(pull.GetNumber()), nil
		case pull.MergedAt != nil && number == 0:
			number = int64(pull.GetNumber())
		}
	}
	return number, nil
}

// CreatePullRequest implements [forge.Forge].
func (c *Client) CreatePullRequest(ctx context.Context, spec forge.PullRequestSpec) (forge.PullRequest, error) {
	pull, response, err := c.api.PullRequests.Create(ctx, c.repository.Owner, c.repository.Name, &sdk.NewPullRequest{
		Title: &spec.Title, Head: &spec.Head, Base: &spec.Base, Body: &spec.Body, Draft: &spec.Draft,
	})
	if err != nil {
		return forge.PullRequest{}, c.explain("opening a pull request", response, err)
	}
	return from(pull), nil
}

// UpdatePullRequest implements [forge.Forge].
func (c *Client) UpdatePullRequest(ctx context.Context, number int64, spec forge.PullRequestSpec) (forge.PullRequest, error) {
	pull, response, err := c.api.PullRequests.Edit(ctx, c.repository.Owner, c.repository.Name, int(number), &sdk.PullRequest{Title: &spec.Title, Body: &spec.Body})
	if err != nil {
		return forge.PullRequest{}, c.explain(fmt.Sprintf("updating pull request %d", number), response, err)
	}
	return from(pull), nil
}

// Decorate implements [forge.Forge]. A reviewer ORGANIZATION/TEAM is a team.
func (c *Client) Decorate(ctx context.Context, pull forge.PullRequest, spec forge.PullRequestSpec) error {
	owner, name, number := c.repository.Owner, c.repository.Name, int(pull.Number)
	var errs []error
	if missing := forge.Missing(spec.Labels, pull.Labels); len(missing) > 0 {
		_, response, err := c.api.Issues.AddLabelsToIssue(ctx, owner, name, number, missing)
		errs = append(errs, c.explain(fmt.Sprintf("labelling pull request %d", number), response, err))
	}
	if missing := forge.Missing(spec.Assignees, pull.Assignees); len(missing) > 0 {
		_, response, err := c.api.Issues.AddAssignees(ctx, owner, name, number, missing)
		errs = append(errs, c.explain(fmt.Sprintf("assigning pull request %d", number), response, err))
	}
	var request sdk.ReviewersRequest
	for _, reviewer := range spec.Reviewers {
		_, team, ok := strings.Cut(reviewer, "/")
		switch {
		case ok && len(forge.Missing([]string{team}, pull.Reviewers)) > 0:
			request.TeamReviewers = append(request.TeamReviewers, team)
		case !ok && len(forge.Missing([]string{reviewer}, pull.Reviewers)) > 0:
			request.Reviewers = append(request.Reviewers, reviewer)
		}
	}
	if len(request.Reviewers)+len(request.TeamReviewers) > 0 {
		_, response, err := c.api.PullRequests.RequestReviewers(ctx, owner, name, number, request)
		errs = append(errs, c.explain(fmt.Sprintf("asking for reviews of pull request %d", number), response, err))
	}
	return errors.Join(errs...)
}

// ClosePullRequest implements [forge.Forge].
func (c *Client) ClosePullRequest(ctx context.Context, number int64) error {
	closed := "closed"
	_, response, err := c.api.PullRequests.Edit(ctx, c.repository.Owner, c.repository.Name, int(number), &sdk.PullRequest{State: &closed})
	return c.explain(fmt.Sprintf("closing pull request %d", number), response, err)
}
