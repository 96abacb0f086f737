// Package bitbucket is a repository on Bitbucket Cloud.
package bitbucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/model-delivery/model-delivery/steps/forge"
)

// API is the address of the public site's API.
const API = "https://api.bitbucket.org"

const pageSize = 50

// Client is one repository. It is a [forge.Forge].
type Client struct {
	repository forge.Repository
	rest       forge.REST
}

var _ forge.Forge = (*Client)(nil)

// New returns the repository's Bitbucket, whose API is at an address. A token
// goes with its user (an app password or API token) or by itself (an access
// token).
func New(repository forge.Repository, credentials forge.Credentials, api string, httpClient *http.Client) *Client {
	rest := forge.REST{Base: api + "/2.0", HTTP: httpClient, Authorize: func(r *http.Request) {
		switch {
		case credentials.Token == "":
		case credentials.Username == "" || credentials.Username == "x-token-auth":
			r.Header.Set("Authorization", "Bearer "+credentials.Token)
		default:
			r.SetBasicAuth(credentials.Username, credentials.Token)
		}
	}}
	return &Client{repository: repository, rest: rest}
}

// Limits implements [forge.Forge].
func (c *Client) Limits() forge.Limits {
	return forge.Limits{Title: 255, Body: 32_000, Comment: 32_000, Description: 255}
}

func (c *Client) do(ctx context.Context, doing, method, path string, query url.Values, in, out any) error {
	prefix := "/repositories/" + url.PathEscape(c.repository.Owner) + "/" + url.PathEscape(c.repository.Name)
	return c.rest.Do(ctx, doing+" of "+c.repository.FullName(), method, prefix+path, query, in, out)
}

type endpoint struct {
	Branch struct {
		Name string `json:"name"`
	} `json:"branch"`
	Commit struct {
		Hash string `json:"hash"`
	} `json:"commit"`
	Repository struct {
		FullName string `json:"full_name"`
	} `json:"repository"`
}

type user struct {
	UUID      string `json:"uuid"`
	AccountID string `json:"account_id"`
	Nickname  string `json:"nickname"`
	Name      string `json:"display_name"`
}

type pullRequest struct {
	ID          int64    `json:"id"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	State       string   `json:"state"`
	Draft       bool     `json:"draft"`
	Source      endpoint `json:"source"`
	Destination endpoint `json:"destination"`
	Reviewers   []user   `json:"reviewers"`
	Links       struct {
		HTML struct {
			Href string `json:"href"`
		} `json:"html"`
	} `json:"links"`
}

func (p pullRequest) plain() forge.PullRequest {
	pull := forge.PullRequest{
		Number: p.ID, URL: p.Links.HTML.Href, Title: p.Title, Body: p.Description, Draft: p.Draft,
		Head: p.Source.Branch.Name, HeadCommit: p.Source.Commit.Hash, Base: p.Destination.Branch.Name,
		Open: p.State == "OPEN", Merged: p.State == "MERGED",
	}
	for _, reviewer := range p.Reviewers {
		pull.Reviewers = append(pull.Reviewers, reviewer.Nickname, reviewer.UUID, reviewer.AccountID)
	}
	return pull
}

// page is a part of a list. Its link to the next one is not followed but
// counted: a link could lead anywhere.
type page[T any] struct {
	Values []T    `json:"values"`
	Next   string `json:"next"`
}

// list reads all pages of a list.
func list[T any](ctx context.Context, c *Client, doing, path string, query url.Values) ([]T, error) {
	var all []T
	for number := 1; ; number++ {
		query := url.Values{"pagelen": {strconv.Itoa(pageSize)}, "page": {strconv.Itoa(number)}, "q": query["q"]}
		if len(query["q"]) == 0 {
			delete(query, "q")
		}
		var p page[T]
		if err := c.do(ctx, doing, http.MethodGet, path, query, nil, &p); err != nil {
			return nil, err
		}
		all = append(all, p.Values...)
		if p.Next == "" || len(p.Values) == 0 {
			return all, nil
		}
	}
}

// quoted is a text in a query.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// PullRequests implements [forge.Forge].
func (c *Client) PullRequests(ctx context.Context, head, base string) ([]forge.PullRequest, error) {
	query := fmt.Sprintf(`state="OPEN" AND source.branch.name=%s AND destination.branch.name=%s`, quoted(head), quoted(base))
	pulls, err := list[pullRequest](ctx, c, "listing the pull requests", "/pullrequests", url.Values{"q": {query}})
	if err != nil {
		return nil, err
	}
	var found []forge.PullRequest
	for _, pull := range pulls {
		own := strings.EqualFold(pull.Source.Repository.FullName, c.repository.FullName())
		if own && pull.State == "OPEN" && pull.Source.Branch.Name == head && pull.Destination.Branch.Name == base {
			found = append(found, pull.plain())
		}
	}
	return found, nil
}

func (c *Client) read(ctx context.Context, number int64) (pullRequest, error) {
	var pull pullRequest
	err := c.do(ctx, fmt.Sprintf("reading pull request %d", number), http.MethodGet, fmt.Sprintf("/pullrequests/%d", number), nil, nil, &pull)
	return pull, err
}

// PullRequest implements [forge.Forge].
func (c *Client) PullRequest(ctx context.Context, number int64) (forge.PullRequest, error) {
	pull, err := c.read(ctx, number)
	return pull.plain(), err
}

// PullRequestOf implements [forge.Forge].
func (c *Client) PullRequestOf(ctx context.Context, commit string) (int64, error) {
	pulls, err := list[pullRequest](ctx, c, "looking for the pull request", "/commit/"+commit+"/pullrequests", nil)
	if forge.StatusOf(err) == http.StatusNotFound || forge.StatusOf(err) == http.StatusAccepted {
		return 0, nil // not indexed, or not yet
	}
	if err != nil {
		return 0, err
	}
	var number int64
	for _, pull := range pulls {
		switch {
		case pull.State == "OPEN":
			return pull.ID, nil
		case pull.State == "MERGED" && number == 0:
			number = pull.ID
		}
	}
	return number, nil
}

type branch struct {
	Branch struct {
		Name string `json:"name"`
	} `json:"branch"`
}

func named(name string) *branch {
	b := &branch{}
	b.Branch.Name = name
	return b
}

type reviewer struct {
	UUID      string `json:"uuid,omitempty"`
	AccountID string `json:"account_id,omitempty"`
}

type change struct {
	Title       string     `json:"title,omitempty"`
	Description *string    `json:"description,omitempty"`
	Source      *branch    `json:"source,omitempty"`
	Destination *branch    `json:"destination,omitempty"`
	Draft       *bool      `json:"draft,omitempty"`
	Reviewers   []reviewer `json:"reviewers,omitempty"`
}

// CreatePullRequest implements [forge.Forge].
func (c *Client) CreatePullRequest(ctx context.Context, spec forge.PullRequestSpec) (forge.PullRequest, error) {
	var pull pullRequest
	err := c.do(ctx, "opening a pull request", http.MethodPost, "/pullrequests", nil, change{
		Title: spec.Title, Description: &spec.Body, Source: named(spec.Head), Destination: named(spec.Base), Draft: &spec.Draft,
	}, &pull)
	return pull.plain(), err
}

// UpdatePullRequest implements [forge.Forge].
func (c *Client) UpdatePullRequest(ctx context.Context, number int64, spec forge.PullRequestSpec) (forge.PullRequest, error) {
	return c.put(ctx, fmt.Sprintf("updating pull request %d", number), number, change{Title: spec.Title, Description: &spec.Body})
}

// put changes a pull request. Reviewers that are left out are taken away, so
// those that are there are named again.
func (c *Client) put(ctx context.Context, doing string, number int64, what change) (forge.PullRequest, error) {
	before, err := c.read(ctx, number)
	if err != nil {
		return forge.PullRequest{}, err
	}
	if what.Title == "" {
		what.Title = before.Title
	}
	kept := make([]reviewer, 0, len(before.Reviewers)+len(what.Reviewers))
	for _, there := range before.Reviewers {
		kept = append(kept, reviewer{UUID: there.UUID})
	}
	what.Reviewers = append(kept, what.Reviewers...)
	var pull pullRequest
	err = c.do(ctx, doing, http.MethodPut, fmt.Sprintf("/pullrequests/%d", number), nil, what, &pull)
	return pull.plain(), err
}

// Decorate implements [forge.Forge]. Bitbucket has neither labels nor
// assignees. A reviewer is a nickname in the workspace, an account's ID, or a
// UUID in braces.
func (c *Client) Decorate(ctx context.Context, pull forge.PullRequest, spec forge.PullRequestSpec) error {
	var errs []error
	if len(spec.Labels)+len(spec.Assignees) > 0 {
		errs = append(errs, fmt.Errorf("labels and assignees of pull request %d: %w", pull.Number, forge.ErrUnsupported))
	}
	missing := forge.Missing(spec.Reviewers, pull.Reviewers)
	if len(missing) == 0 {
		return errors.Join(errs...)
	}
	var add []reviewer
	for _, name := range missing {
		found, err := c.reviewer(ctx, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		add = append(add, found)
	}
	if len(add) > 0 {
		_, err := c.put(ctx, fmt.Sprintf("asking for reviews of pull request %d", pull.Number), pull.Number, change{Reviewers: add})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// reviewer reads the name of a reviewer: a nickname is looked for among the
// people of the workspace.
func (c *Client) reviewer(ctx context.Context, name string) (reviewer, error) {
	switch {
	case strings.HasPrefix(name, "{"):
		return reviewer{UUID: name}, nil
	case strings.Contains(name, ":"):
		return reviewer{AccountID: name}, nil
	}
	doing := "looking for " + name + " in the workspace"
	for number := 1; ; number++ {
		var p page[struct {
			User user `json:"user"`
		}]
		query := url.Values{"pagelen": {"100"}, "page": {strconv.Itoa(number)}}
		if err := c.rest.Do(ctx, doing, http.MethodGet, "/workspaces/"+url.PathEscape(c.repository.Owner)+"/members", query, nil, &p); err != nil {
			return reviewer{}, err
		}
		for _, member := range p.Values {
			if strings.EqualFold(member.User.Nickname, name) {
				return reviewer{UUID: member.User.UUID}, nil
			}
		}
		if p.Next == "" || len(p.Values) == 0 {
			return reviewer{}, forge.Explain(doing, http.StatusNotFound, errors.New("there is nobody of that nickname"))
		}
	}
}

// ClosePullRequest implements [forge.Forge].
func (c *Client) ClosePullRequest(ctx context.Context, number int64) error {
	return c.do(ctx, fmt.Sprintf("closing pull request %d", number), http.MethodPost, fmt.Sprintf("/pullrequests/%d/decline", number), nil, nil, nil)
}
