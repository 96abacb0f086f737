package forgetest

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/model-delivery/model-delivery/steps/forge"
)

// Call is something asked of a forge, the requests that it makes, and what
// comes of it.
type Call struct {
	Name      string
	Do        func(ctx context.Context, f forge.Forge) (any, error)
	Exchanges []Exchange
	Want      any   // what Do returns
	Fails     bool  // with any error
	Err       error // matched by errors.Is
	Status    int   // of the error; 0: not looked at
}

// Run makes the calls, each to a server of its own. connect returns the forge
// at an address.
func Run(t *testing.T, auth string, connect func(t *testing.T, url string) forge.Forge, calls []Call) {
	t.Helper()
	for _, call := range calls {
		t.Run(call.Name, func(t *testing.T) {
			t.Parallel()
			f := connect(t, Serve(t, auth, call.Exchanges...))
			got, err := call.Do(t.Context(), f)
			wanted := !call.Fails && call.Err == nil && call.Status == 0
			if wanted != (err == nil) || call.Err != nil && !errors.Is(err, call.Err) || call.Status != 0 && forge.StatusOf(err) != call.Status {
				t.Fatalf("error %v, want %v with status %d", err, call.Err, call.Status)
			}
			if call.Want != nil && !reflect.DeepEqual(got, call.Want) {
				t.Errorf("got  %+v\nwant %+v", got, call.Want)
			}
		})
	}
}

// The calls of a [forge.Forge], for [Call.Do].

// PullRequests asks for those from promote/x into main.
func PullRequests(ctx context.Context, f forge.Forge) (any, error) {
	return f.PullRequests(ctx, "promote/x", "main")
}

// PullRequest asks for number 7.
func PullRequest(ctx context.Context, f forge.Forge) (any, error) { return f.PullRequest(ctx, 7) }

// PullRequestOf asks for that of commit c0ffee.
func PullRequestOf(ctx context.Context, f forge.Forge) (any, error) {
	return f.PullRequestOf(ctx, "c0ffee")
}

// Spec is what the pull requests of the calls are.
func Spec() forge.PullRequestSpec {
	return forge.PullRequestSpec{Head: "promote/x", Base: "main", Title: "Promote x", Body: "Why <&> how", Draft: true}
}

// Create opens a draft.
func Create(ctx context.Context, f forge.Forge) (any, error) { return f.CreatePullRequest(ctx, Spec()) }

// Update changes number 7, which is no draft any more.
func Update(ctx context.Context, f forge.Forge) (any, error) {
	spec := Spec()
	spec.Draft = false
	return f.UpdatePullRequest(ctx, 7, spec)
}

// Decorate returns a call that decorates number 7, which has label old,
// assignee ann and reviewer bob.
func Decorate(spec forge.PullRequestSpec) func(context.Context, forge.Forge) (any, error) {
	return func(ctx context.Context, f forge.Forge) (any, error) {
		return nil, f.Decorate(ctx, forge.PullRequest{Number: 7, Labels: []string{"old"}, Assignees: []string{"ann"}, Reviewers: []string{"bob"}}, spec)
	}
}

// Close closes number 7.
func Close(ctx context.Context, f forge.Forge) (any, error) { return nil, f.ClosePullRequest(ctx, 7) }

// AutoMerge merges number 7, called PR_7, if its head is c0ffee.
func AutoMerge(ctx context.Context, f forge.Forge) (any, error) {
	return nil, f.AutoMerge(ctx, forge.PullRequest{Number: 7, ID: "PR_7", HeadCommit: "c0ffee"})
}

// Comments reads those on number 7.
func Comments(ctx context.Context, f forge.Forge) (any, error) { return f.Comments(ctx, 7) }

// Comment says something on number 7.
func Comment(ctx context.Context, f forge.Forge) (any, error) {
	return nil, f.AddComment(ctx, 7, "hello")
}

// Edit changes comment 70 on number 7.
func Edit(ctx context.Context, f forge.Forge) (any, error) {
	return nil, f.EditComment(ctx, 7, 70, "changed")
}

// Status returns a call that sets the status of commit c0ffee.
func Status(state forge.State, target string) func(context.Context, forge.Forge) (any, error) {
	return func(ctx context.Context, f forge.Forge) (any, error) {
		return nil, f.SetStatus(ctx, "c0ffee", forge.Status{State: state, Context: "delivery/test", Description: "in words", TargetURL: target})
	}
}
