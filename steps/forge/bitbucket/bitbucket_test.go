package bitbucket

import (
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/forge/forgetest"
)

func connected(t *testing.T, url string) forge.Forge {
	t.Helper()
	repository, httpClient := forgetest.Connect(t, url, "git@bitbucket.org:team/r.git")
	return New(repository, forge.Credentials{Token: "t0k"}, url, httpClient)
}

const pull = `{"id":7,"title":"Promote x","description":"b","state":"OPEN","draft":true,"links":{"html":{"href":"https://bitbucket.org/team/r/pull-requests/7"}},
 "source":{"branch":{"name":"promote/x"},"commit":{"hash":"c0ff"},"repository":{"full_name":"team/r"}},"destination":{"branch":{"name":"main"}},
 "reviewers":[{"uuid":"{1}","account_id":"1:2","nickname":"bob"}]}`

var plain = forge.PullRequest{Number: 7, URL: "https://bitbucket.org/team/r/pull-requests/7", Title: "Promote x", Body: "b", Open: true, Draft: true, Head: "promote/x",
	HeadCommit: "c0ff", Base: "main", Reviewers: []string{"bob", "{1}", "1:2"}}

func TestCalls(t *testing.T) {
	t.Parallel()
	const (
		repository = "/2.0/repositories/team/r"
		pulls      = repository + "/pullrequests"
		query      = "&q=state%3D%22OPEN%22+AND+source.branch.name%3D%22promote%2Fx%22+AND+destination.branch.name%3D%22main%22"
		first      = pulls + "?pagelen=50&page=1" + query
	)
	fork := strings.Replace(pull, `"team/r"`, `"else/r"`, 1)
	moved := strings.Replace(pull, `"c0ff"`, `"dead"`, 1)
	forgetest.Run(t, "Bearer t0k", connected, []forgetest.Call{
		{Name: "list", Do: forgetest.PullRequests, Want: []forge.PullRequest{plain}, Exchanges: []forgetest.Exchange{
			{Method: "GET", Path: first, Answer: `{"values":[` + fork + `],"next":"https://elsewhere.example/"}`},
			{Method: "GET", Path: pulls + "?pagelen=50&page=2" + query, Answer: `{"values":[` + pull + `]}`},
		}},
		{Name: "an error is not an empty list", Do: forgetest.PullRequests, Status: 404, Err: forge.ErrRefused, Exchanges: []forgetest.Exchange{{Method: "GET", Path: first, Status: 404, Answer: `{"type":"error","error":{"message":"Repository not found"}}`}}},
		{Name: "read", Do: forgetest.PullRequest, Want: plain, Exchanges: []forgetest.Exchange{{Method: "GET", Path: pulls + "/7", Answer: pull}}},
		{Name: "of a commit", Do: forgetest.PullRequestOf, Want: int64(7), Exchanges: []forgetest.Exchange{{Method: "GET", Path: repository + "/commit/c0ffee/pullrequests?pagelen=50&page=1", Answer: `{"values":[` + pull + `]}`}}},
		{Name: "of a commit that is not indexed", Do: forgetest.PullRequestOf, Want: int64(0), Exchanges: []forgetest.Exchange{{Method: "GET", Path: repository + "/commit/c0ffee/pullrequests?pagelen=50&page=1", Status: 404}}},
		{Name: "create", Do: forgetest.Create, Want: plain, Exchanges: []forgetest.Exchange{{Method: "POST", Path: pulls,
			Body: `{"title":"Promote x","description":"Why <&> how","source":{"branch":{"name":"promote/x"}},"destination":{"branch":{"name":"main"}},"draft":true}`, Status: 201, Answer: pull}}},
		{Name: "update keeps the reviewers", Do: forgetest.Update, Want: plain, Exchanges: []forgetest.Exchange{
			{Method: "GET", Path: pulls + "/7", Answer: pull},
			{Method: "PUT", Path: pulls + "/7", Body: `{"title":"Promote x","description":"Why <&> how","reviewers":[{"uuid":"{1}"}]}`, Answer: pull},
		}},
		{Name: "decorate", Do: forgetest.Decorate(forge.PullRequestSpec{Reviewers: []string{"bob", "joe", "{3}"}}), Exchanges: []forgetest.Exchange{
			{Method: "GET", Path: "/2.0/workspaces/team/members?pagelen=100&page=1", Answer: `{"values":[{"user":{"nickname":"Joe","uuid":"{2}"}}]}`},
			{Method: "GET", Path: pulls + "/7", Answer: pull},
			{Method: "PUT", Path: pulls + "/7", Body: `{"title":"Promote x","reviewers":[{"uuid":"{1}"},{"uuid":"{2}"},{"uuid":"{3}"}]}`, Answer: pull},
		}},
		{Name: "there are no labels", Do: forgetest.Decorate(forge.PullRequestSpec{Labels: []string{"x"}}), Err: forge.ErrUnsupported},
		{Name: "close", Do: forgetest.Close, Exchanges: []forgetest.Exchange{{Method: "POST", Path: pulls + "/7/decline", Answer: pull}}},
		{Name: "merge", Do: forgetest.AutoMerge, Exchanges: []forgetest.Exchange{
			{Method: "GET", Path: pulls + "/7", Answer: pull},
			{Method: "POST", Path: pulls + "/7/merge", Body: `{"type":"pullrequest_merge","merge_strategy":"merge_commit","close_source_branch":true}`, Answer: `{}`},
		}},
		{Name: "the head moved", Do: forgetest.AutoMerge, Fails: true, Exchanges: []forgetest.Exchange{{Method: "GET", Path: pulls + "/7", Answer: moved}}},
		{Name: "comments", Do: forgetest.Comments, Want: []forge.Comment{{ID: 70, Body: "hello"}}, Exchanges: []forgetest.Exchange{{Method: "GET", Path: pulls + "/7/comments?pagelen=50&page=1",
			Answer: `{"values":[{"id":69,"content":{"raw":""},"deleted":true},{"id":70,"content":{"raw":"hello"}}]}`}}},
		{Name: "comment", Do: forgetest.Comment, Exchanges: []forgetest.Exchange{{Method: "POST", Path: pulls + "/7/comments", Body: `{"content":{"raw":"hello"}}`, Status: 201, Answer: `{}`}}},
		{Name: "edit", Do: forgetest.Edit, Exchanges: []forgetest.Exchange{{Method: "PUT", Path: pulls + "/7/comments/70", Body: `{"content":{"raw":"changed"}}`, Answer: `{}`}}},
		{Name: "status", Do: forgetest.Status(forge.Failure, ""), Exchanges: []forgetest.Exchange{{Method: "POST", Path: repository + "/commit/c0ffee/statuses/build",
			Body: `{"state":"FAILED","key":"delivery/test","name":"delivery/test","description":"in words","url":"https://bitbucket.org/team/r/commits/c0ffee"}`, Status: 201, Answer: `{}`}}},
	})
}
