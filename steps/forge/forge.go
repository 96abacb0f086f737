// Package forge talks to the sites that repositories are hosted on: pull
// requests, commit statuses and comments, each through the forge's own client.
package forge

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Provider names a kind of forge.
type Provider string

// The providers. None is a git server without pull requests and statuses.
const (
	Auto  Provider = "auto"
	Gitea Provider = "gitea"
	None  Provider = "none"
)

// hosts are the public sites whose kind is known. Nothing is guessed from a
// part of a host's name: a token would follow the guess.
var hosts = map[string]Provider{"gitea.com": Gitea, "codeberg.org": Gitea}

// Repository is where a repository is.
type Repository struct {
	Scheme, Host string
	Owner, Name  string // Owner may have slashes in it, for groups within groups
}

// ParseRepository reads a clone URL, https://HOST/OWNER/NAME(.git) or
// git@HOST:OWNER/NAME(.git).
func ParseRepository(remote string) (Repository, error) {
	r := Repository{Scheme: "https"}
	var path string
	if u, err := url.Parse(remote); err == nil && u.Host != "" {
		r.Host, path = u.Host, u.Path
		if u.Scheme == "http" {
			r.Scheme = "http"
		}
		if u.Scheme == "ssh" {
			r.Host = u.Hostname()
		}
	} else if before, after, ok := strings.Cut(remote, ":"); ok && !strings.HasPrefix(remote, "/") {
		_, host, found := strings.Cut(before, "@")
		if !found {
			host = before
		}
		r.Host, path = host, after
	}
	path = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	at := strings.LastIndex(path, "/")
	if r.Host == "" || at < 1 || at == len(path)-1 {
		return Repository{}, step.WithHint(step.Invalidf("%q does not name a repository of a forge", remote), "https://HOST/OWNER/NAME.git")
	}
	r.Owner, r.Name = path[:at], path[at+1:]
	return r, nil
}

// FullName is OWNER/NAME.
func (r Repository) FullName() string { return r.Owner + "/" + r.Name }

// BaseURL is where the forge is.
func (r Repository) BaseURL() string { return r.Scheme + "://" + r.Host }

// Resolve says which provider the host is, when it is left to us.
func Resolve(provider Provider, r Repository) (Provider, error) {
	switch provider {
	case Gitea, None:
		return provider, nil
	case Auto, "":
		if known, ok := hosts[strings.ToLower(r.Host)]; ok {
			return known, nil
		}
		return "", step.WithHint(step.Invalidf("the kind of forge at %s is not known", r.Host), "name it with --provider: gitea or none")
	}
	return "", step.WithHint(step.Invalidf("unknown provider %q", provider), "one of auto, gitea, none")
}

// PullRequest is a request to merge Head into Base.
type PullRequest struct {
	Number     int64
	URL        string
	Head, Base string // branches
	HeadCommit string
	Title      string
	Body       string
	Open       bool
	Merged     bool
}

// PullRequestSpec is what a pull request shall be.
type PullRequestSpec struct {
	Head, Base  string
	Title, Body string
	Assignees   []string
	Reviewers   []string
	Labels      []string
	Draft       bool
}

// State is the state of a commit status.
type State string

// The states.
const (
	Pending State = "pending"
	Success State = "success"
	Failure State = "failure"
	Error   State = "error"
)

// Status is what a run says about a commit.
type Status struct {
	State       State
	Context     string // which check this is
	Description string
	TargetURL   string
}

// client returns an HTTP client that waits, and that sends what it carries to
// one host only.
func client(host string) *http.Client {
	return &http.Client{
		Timeout:   30 * time.Second,
		Transport: &retrying{host: host, next: http.DefaultTransport},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if r.URL.Host != host {
				return step.Infraf("the forge redirects from %s to %s: a token does not follow", host, r.URL.Host)
			}
			return nil
		},
	}
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
