// Package forge talks to the sites that repositories are hosted on: pull
// requests, comments and commit statuses.
//
// What a step needs of a forge is the interface [Forge]. Each forge is a
// package of its own below this one, on that forge's own client; package
// connect picks one. What they share is here: how a repository's URL is read,
// an HTTP client that takes a token to one host only and waits when it is told
// to, what an answer means, and how long a text may be.
package forge

import "context"

// Forge is one repository on a forge. Errors carry a step's exit code: see
// [Explain]. An error is never "there is none".
type Forge interface {
	// PullRequests lists the open pull requests from a branch of this same
	// repository into base. A fork's branch of the same name is not among them.
	PullRequests(ctx context.Context, head, base string) ([]PullRequest, error)
	// PullRequest reads one, open or not.
	PullRequest(ctx context.Context, number int64) (PullRequest, error)
	// PullRequestOf returns the number of the pull request that brought or
	// would bring a commit, 0 when there is none.
	PullRequestOf(ctx context.Context, commit string) (int64, error)
	// CreatePullRequest opens one. Labels, assignees and reviewers are added
	// by Decorate.
	CreatePullRequest(ctx context.Context, spec PullRequestSpec) (PullRequest, error)
	// UpdatePullRequest gives an open one the spec's title and body. A draft
	// stays one, if the spec says so too.
	UpdatePullRequest(ctx context.Context, number int64, spec PullRequestSpec) (PullRequest, error)
	// Decorate adds the labels, assignees and reviewers that are missing.
	Decorate(ctx context.Context, pull PullRequest, spec PullRequestSpec) error
	// ClosePullRequest closes one without merging it.
	ClosePullRequest(ctx context.Context, number int64) error
	// AutoMerge has the forge merge it as soon as its own conditions (reviews,
	// checks, a merge queue) are met, at once when they are, and only if its
	// head is still pull.HeadCommit.
	AutoMerge(ctx context.Context, pull PullRequest) error

	// Comments lists what was said on a pull request.
	Comments(ctx context.Context, number int64) ([]Comment, error)
	// AddComment says something on a pull request.
	AddComment(ctx context.Context, number int64, body string) error
	// EditComment changes what was said.
	EditComment(ctx context.Context, number, id int64, body string) error

	// SetStatus says something about a commit.
	SetStatus(ctx context.Context, commit string, status Status) error

	// Limits are how long the forge lets texts be.
	Limits() Limits
}

// PullRequest is a request to merge Head into Base.
type PullRequest struct {
	Number     int64
	URL        string
	Head, Base string // branches
	HeadCommit string
	Title      string // without what marks a draft
	Body       string
	Open       bool
	Merged     bool
	Draft      bool
	Labels     []string
	Assignees  []string
	Reviewers  []string
	// ID is what the forge calls it where the number is not enough.
	ID string
}

// PullRequestSpec is what a pull request shall be.
type PullRequestSpec struct {
	Head, Base  string
	Title, Body string
	Assignees   []string // names of users
	Reviewers   []string
	Labels      []string
	Draft       bool
}

// Comment is what was said on a pull request.
type Comment struct {
	ID   int64
	Body string
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

// Limits are lengths in characters.
type Limits struct {
	Title, Body, Comment, Description int
}

// Credentials prove who is asking. Without a token a forge is asked as anybody.
type Credentials struct {
	Username string // may be empty where a token is enough
	Token    string // a token, or a password
}
