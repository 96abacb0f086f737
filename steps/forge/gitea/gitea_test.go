package gitea

import (
	"context"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/forge/forgetest"
)

func connected(t *testing.T, url string) forge.Forge {
	t.Helper()
	repository, httpClient := forgetest.Connect(t, url, "SERVER/o/r.git")
	c := New(repository, forge.Credentials{Token: "t0k"}, httpClient)
	c.pause = func(context.Context, int) error { return nil }
	return c
}

const pull = `{"number":7,"html_url":"https://gitea.example/7","title":"WIP: Promote x","body":"b","state":"open",
 "head":{"ref":"promote/x","sha":"c0ffee","repo_id":1},"base":{"ref":"main","repo_id":1},"labels":[{"name":"l"}],"assignees":[{"login":"ann"}],"requested_reviewers":[{"login":"bob"}]}`

var plain = forge.PullRequest{Number: 7, URL: "https://gitea.example/7", Title: "Promote x", Body: "b", Open: true, Draft: true, Head: "promote/x", HeadCommit: "c0ffee", Base: "main",
	Labels: []string{"l"}, Assignees: []string{"ann"}, Reviewers: []string{"bob"}}

func TestCalls(t *testing.T) {
	t.Parallel()
	const (
		repository = "/api/v1/repos/o/r"
		pulls      = repository + "/pulls"
		issue      = repository + "/issues/7"
		list       = pulls + "?limit=50&state=open&page="
		merge      = `{"Do":"merge","MergeCommitID":"","MergeTitleField":"","MergeMessageField":"","force_merge":false,"head_commit_id":"c0ffee","merge_when_checks_succeed":false}`
	)
	fork := strings.Replace(pull, `"repo_id":1`, `"repo_id":2`, 1)
	moved := strings.Replace(pull, `"c0ffee"`, `"dead"`, 1)
	unknown := strings.Replace(pull, "WIP: ", "", 1)
	ready := strings.Replace(unknown, `"state"`, `"mergeable":true,"state"`, 1)
	later := strings.Replace(merge, "false}", "true}", 1)
	forgetest.Run(t, "token t0k", connected, []forgetest.Call{
		{Name: "list", Do: forgetest.PullRequests, Want: []forge.PullRequest{plain}, Exchanges: []forgetest.Exchange{
			{Method: "GET", Path: list + "1", Answer: "[" + fork + "," + strings.Replace(pull, "promote/x", "promote/y", 1) + "]", Header: map[string]string{"Link": `<http://x/?page=2>; rel="next",<http://x/?page=2>; rel="last"`}},
			{Method: "GET", Path: list + "2", Answer: "[" + pull + "]"},
		}},
		{Name: "an error is not an empty list", Do: forgetest.PullRequests, Status: 404, Err: forge.ErrRefused, Exchanges: []forgetest.Exchange{{Method: "GET", Path: list + "1", Status: 404, Answer: `{"message":"not found"}`}}},
		{Name: "read", Do: forgetest.PullRequest, Want: plain, Exchanges: []forgetest.Exchange{{Method: "GET", Path: pulls + "/7", Answer: pull}}},
		{Name: "of a commit", Do: forgetest.PullRequestOf, Want: int64(7), Exchanges: []forgetest.Exchange{{Method: "GET", Path: repository + "/commits/c0ffee/pull", Answer: pull}}},
		{Name: "of no commit", Do: forgetest.PullRequestOf, Want: int64(0), Exchanges: []forgetest.Exchange{{Method: "GET", Path: repository + "/commits/c0ffee/pull", Status: 404}}},
		{Name: "close", Do: forgetest.Close, Exchanges: []forgetest.Exchange{{Method: "PATCH", Path: pulls + "/7", Body: `{"title":"","body":null,"base":"","assignee":"","assignees":null,"milestone":0,"labels":null,"state":"closed","due_date":null,"unset_due_date":null,"allow_maintainer_edit":null}`, Answer: pull}}},
		{Name: "merge at once, once it was looked at", Do: forgetest.AutoMerge, Exchanges: []forgetest.Exchange{
			{Method: "GET", Path: pulls + "/7", Answer: unknown},
			{Method: "GET", Path: pulls + "/7", Answer: ready},
			{Method: "POST", Path: pulls + "/7/merge", Body: merge},
		}},
		{Name: "a review is missing", Do: forgetest.AutoMerge, Exchanges: []forgetest.Exchange{
			{Method: "GET", Path: pulls + "/7", Answer: ready},
			{Method: "POST", Path: pulls + "/7/merge", Body: merge, Status: 405},
			{Method: "POST", Path: pulls + "/7/merge", Body: later, Status: 201},
		}},
		{Name: "it waits already", Do: forgetest.AutoMerge, Exchanges: []forgetest.Exchange{
			{Method: "GET", Path: pulls + "/7", Answer: ready},
			{Method: "POST", Path: pulls + "/7/merge", Body: merge, Status: 405},
			{Method: "POST", Path: pulls + "/7/merge", Body: later, Status: 409},
			{Method: "GET", Path: pulls + "/7", Answer: ready},
		}},
		{Name: "it is merged already", Do: forgetest.AutoMerge, Exchanges: []forgetest.Exchange{{Method: "GET", Path: pulls + "/7", Answer: strings.Replace(pull, `"state":"open"`, `"state":"closed","merged":true`, 1)}}},
		{Name: "a draft is not merged", Do: forgetest.AutoMerge, Fails: true, Exchanges: []forgetest.Exchange{{Method: "GET", Path: pulls + "/7", Answer: pull}}},
		{Name: "the head moved", Do: forgetest.AutoMerge, Fails: true, Exchanges: []forgetest.Exchange{{Method: "GET", Path: pulls + "/7", Answer: moved}}},
		{Name: "the head moves", Do: forgetest.AutoMerge, Fails: true, Exchanges: []forgetest.Exchange{
			{Method: "GET", Path: pulls + "/7", Answer: ready},
			{Method: "POST", Path: pulls + "/7/merge", Body: merge, Status: 409},
			{Method: "GET", Path: pulls + "/7", Answer: moved},
		}},
		{Name: "decorate", Do: forgetest.Decorate(forge.PullRequestSpec{Labels: []string{"old", "known", "new"}, Reviewers: []string{"bob", "joe"}}), Exchanges: []forgetest.Exchange{
			{Method: "GET", Path: repository + "/labels?limit=50&page=1", Answer: `[{"id":1,"name":"known"}]`},
			{Method: "POST", Path: repository + "/labels", Body: `{"name":"new","color":"#0e8a16","description":"","exclusive":false,"is_archived":false}`, Status: 201, Answer: `{"id":2,"name":"new"}`},
			{Method: "POST", Path: issue + "/labels", Body: `{"labels":[1,2]}`, Answer: `[]`},
			{Method: "POST", Path: pulls + "/7/requested_reviewers", Body: `{"reviewers":["joe"],"team_reviewers":null}`, Status: 201},
		}},
		{Name: "comments", Do: forgetest.Comments, Want: []forge.Comment{{ID: 70, Body: "hello"}}, Exchanges: []forgetest.Exchange{{Method: "GET", Path: issue + "/comments?limit=0&page=1", Answer: `[{"id":70,"body":"hello"}]`}}},
		{Name: "comment", Do: forgetest.Comment, Exchanges: []forgetest.Exchange{{Method: "POST", Path: issue + "/comments", Body: `{"body":"hello"}`, Status: 201, Answer: `{}`}}},
		{Name: "edit", Do: forgetest.Edit, Exchanges: []forgetest.Exchange{{Method: "PATCH", Path: repository + "/issues/comments/70", Body: `{"body":"changed"}`, Answer: `{}`}}},
		{Name: "status", Do: forgetest.Status(forge.Failure, "https://run"), Exchanges: []forgetest.Exchange{{Method: "POST", Path: repository + "/statuses/c0ffee",
			Body: `{"state":"failure","target_url":"https://run","description":"in words","context":"delivery/test"}`, Status: 201, Answer: `{}`}}},
	})
}
