package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	sdk "github.com/google/go-github/v84/github"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/step"
)

// mergeAttempts is how often merging is tried while GitHub works out whether a
// pull request can be merged, or while its base moves.
const mergeAttempts = 8

const (
	autoMergeMutation = `mutation($id: ID!, $head: GitObjectID!, $method: PullRequestMergeMethod!) { enablePullRequestAutoMerge(input: {pullRequestId: $id, expectedHeadOid: $head, mergeMethod: $method}) { clientMutationId } }`
	enqueueMutation   = `mutation($id: ID!, $head: GitObjectID!) { enqueuePullRequest(input: {pullRequestId: $id, expectedHeadOid: $head}) { clientMutationId } }`
)

// AutoMerge implements [forge.Forge]: by auto-merge where something is still
// missing, at once where nothing is, through the merge queue where there is one.
func (c *Client) AutoMerge(ctx context.Context, pull forge.PullRequest) error {
	doing := fmt.Sprintf("merging pull request %d", pull.Number)
	var last error
	for attempt := range mergeAttempts {
		if attempt > 0 {
			if err := c.pause(ctx, attempt); err != nil {
				return forge.Explain(doing, 0, err)
			}
		}
		for _, method := range []string{"merge", "squash", "rebase"} {
			last = c.autoMergeBy(ctx, doing, pull, method)
			if !says(last, "are not allowed on this repository") {
				break
			}
		}
		// Its state is not known yet, or the base moved between look and merge.
		if !says(last, "Base branch was modified", "is not mergeable", "unknown status") {
			break
		}
	}
	switch {
	case last == nil:
		return nil
	case forge.StatusOf(last) == http.StatusConflict, says(last, "Head branch was modified", "head commit", "expected head"):
		return step.WithHint(step.Failed(last), "somebody pushed to it: look at the pull request")
	case says(last, "Auto merge is not allowed"):
		return step.WithHint(step.Failed(last), "allow auto-merge in the repository's settings, or have the pull request merged by hand")
	}
	return step.WithHint(last, "it may lack a review or a check, or have a conflict: look at the pull request")
}

func (c *Client) autoMergeBy(ctx context.Context, doing string, pull forge.PullRequest, method string) error {
	err := c.mutate(ctx, doing, autoMergeMutation, map[string]any{"id": pull.ID, "head": pull.HeadCommit, "method": strings.ToUpper(method)})
	if !says(err, "clean status", "unstable status", "Protected branch rules not configured") {
		return err
	}
	// Nothing is missing, so that there is nothing to wait for.
	_, response, err := c.api.PullRequests.Merge(ctx, c.repository.Owner, c.repository.Name, int(pull.Number), "", &sdk.PullRequestOptions{SHA: pull.HeadCommit, MergeMethod: method})
	err = c.explain(doing, response, err)
	if says(err, "merge queue") {
		return c.mutate(ctx, doing, enqueueMutation, map[string]any{"id": pull.ID, "head": pull.HeadCommit})
	}
	return err
}

func says(err error, words ...string) bool {
	if err == nil {
		return false
	}
	for _, word := range words {
		if strings.Contains(err.Error(), word) {
			return true
		}
	}
	return false
}

// mutate changes something that only the GraphQL API can.
func (c *Client) mutate(ctx context.Context, doing, query string, variables map[string]any) error {
	// Beside /api/v3/ on an Enterprise server, below the root of the public one.
	request, err := c.api.NewRequest(http.MethodPost, "../graphql", map[string]any{"query": query, "variables": variables})
	if err != nil {
		return forge.Explain(doing, 0, err)
	}
	var answer struct {
		Errors []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	response, err := c.api.Do(ctx, request, &answer)
	if err != nil {
		return c.explain(doing, response, err)
	}
	var errs []error
	for _, e := range answer.Errors {
		errs = append(errs, errors.New(forge.Cut(e.Message, 300)))
	}
	if len(errs) > 0 {
		return forge.Explain(doing, http.StatusUnprocessableEntity, errors.Join(errs...))
	}
	return nil
}
