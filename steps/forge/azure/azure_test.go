package azure

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/forge/forgetest"
)

func connected(t *testing.T, url string) forge.Forge {
	t.Helper()
	repository, httpClient := forgetest.Connect(t, url, "SERVER/org/My%20Project/_git/r")
	c, err := New(repository, forge.Credentials{Username: "any", Token: "t0k"}, httpClient)
	if err != nil {
		t.Fatal(err)
	}
	c.page = "https://page"
	return c
}

const pull = `{"pullRequestId":7,"title":"Promote x","description":"b","status":"active","isDraft":true,"sourceRefName":"refs/heads/promote/x","targetRefName":"refs/heads/main",
 "lastMergeSourceCommit":{"commitId":"c0ffee"},"labels":[{"name":"l"}],"reviewers":[{"id":"00000000-0000-0000-0000-000000000001","uniqueName":"bob@example.com"}]}`

var plain = forge.PullRequest{Number: 7, URL: "https://page/pullrequest/7", Title: "Promote x", Body: "b", Open: true, Draft: true, Head: "promote/x", HeadCommit: "c0ffee", Base: "main",
	Labels: []string{"l"}, Reviewers: []string{"00000000-0000-0000-0000-000000000001", "bob@example.com"}}

func TestCalls(t *testing.T) {
	t.Parallel()
	const (
		repository = "/org/My%20Project/_apis/git/repositories/r"
		pulls      = repository + "/pullrequests"
		v          = "?api-version=7.1"
		list       = pulls + v + "&searchCriteria.status=active&searchCriteria.sourceRefName=refs%2Fheads%2Fpromote%2Fx&searchCriteria.targetRefName=refs%2Fheads%2Fmain&%24top=100&%24skip=0"
	)
	fork := strings.Replace(pull, `"status"`, `"forkSource":{},"status"`, 1)
	moved := strings.Replace(pull, `"c0ffee"`, `"dead"`, 1)
	auth := "Basic " + base64.StdEncoding.EncodeToString([]byte(":t0k"))
	forgetest.Run(t, auth, connected, []forgetest.Call{
		{Name: "list", Do: forgetest.PullRequests, Want: []forge.PullRequest{plain}, Exchanges: []forgetest.Exchange{{Method: "GET", Path: list, Answer: `{"value":[` + fork + "," + pull + `]}`}}},
		{Name: "a page to log in is not an empty list", Do: forgetest.PullRequests, Status: 401, Err: forge.ErrRefused, Exchanges: []forgetest.Exchange{{Method: "GET", Path: list, Status: 203, Header: map[string]string{"Content-Type": "text/html; charset=utf-8"}, Answer: `<html>`}}},
		{Name: "read", Do: forgetest.PullRequest, Want: plain, Exchanges: []forgetest.Exchange{{Method: "GET", Path: pulls + "/7" + v, Answer: pull}}},
		{Name: "of a commit", Do: forgetest.PullRequestOf, Want: int64(7), Exchanges: []forgetest.Exchange{{Method: "POST", Path: repository + "/pullrequestquery" + v,
			Body: `{"queries":[{"type":"commit","items":["c0ffee"]},{"type":"lastMergeCommit","items":["c0ffee"]}]}`, Answer: `{"results":[{"c0ffee":[` + pull + `]},{}]}`}}},
		{Name: "create", Do: forgetest.Create, Want: plain, Exchanges: []forgetest.Exchange{{Method: "POST", Path: pulls + v,
			Body: `{"sourceRefName":"refs/heads/promote/x","targetRefName":"refs/heads/main","title":"Promote x","description":"Why <&> how","isDraft":true}`, Status: 201, Answer: pull}}},
		{Name: "update", Do: forgetest.Update, Want: plain, Exchanges: []forgetest.Exchange{{Method: "PATCH", Path: pulls + "/7" + v, Body: `{"title":"Promote x","description":"Why <&> how"}`, Answer: pull}}},
		{Name: "decorate", Do: forgetest.Decorate(forge.PullRequestSpec{Labels: []string{"old", "new"}, Reviewers: []string{"00000000-0000-0000-0000-00000000000A"}}), Exchanges: []forgetest.Exchange{
			{Method: "POST", Path: pulls + "/7/labels" + v, Body: `{"name":"new"}`, Answer: `{}`},
			{Method: "PUT", Path: pulls + "/7/reviewers/00000000-0000-0000-0000-00000000000A" + v, Body: `{"vote":0}`, Answer: `{}`},
		}},
		{Name: "a reviewer by name", Do: forgetest.Decorate(forge.PullRequestSpec{Reviewers: []string{"joe"}}), Err: forge.ErrUnsupported},
		{Name: "close", Do: forgetest.Close, Exchanges: []forgetest.Exchange{{Method: "PATCH", Path: pulls + "/7" + v, Body: `{"status":"abandoned"}`, Answer: pull}}},
		{Name: "auto-merge", Do: forgetest.AutoMerge, Exchanges: []forgetest.Exchange{
			{Method: "GET", Path: pulls + "/7" + v, Answer: pull},
			{Method: "GET", Path: "/org/_apis/connectionData?api-version=7.1-preview", Answer: `{"authenticatedUser":{"id":"me"}}`},
			{Method: "PATCH", Path: pulls + "/7" + v, Body: `{"autoCompleteSetBy":{"id":"me"},"completionOptions":{"deleteSourceBranch":true,"mergeStrategy":"noFastForward"}}`, Answer: pull},
		}},
		{Name: "the head moved", Do: forgetest.AutoMerge, Fails: true, Exchanges: []forgetest.Exchange{{Method: "GET", Path: pulls + "/7" + v, Answer: moved}}},
		{Name: "comments", Do: forgetest.Comments, Want: []forge.Comment{{ID: 70, Body: "hello"}}, Exchanges: []forgetest.Exchange{{Method: "GET", Path: pulls + "/7/threads" + v,
			Answer: `{"value":[{"id":69,"comments":[{"content":"x","commentType":"system"}]},{"id":70,"comments":[{"content":"hello","commentType":"text"}]}]}`}}},
		{Name: "comment", Do: forgetest.Comment, Exchanges: []forgetest.Exchange{{Method: "POST", Path: pulls + "/7/threads" + v, Body: `{"comments":[{"parentCommentId":0,"content":"hello","commentType":"text"}],"status":"closed"}`, Answer: `{}`}}},
		{Name: "edit", Do: forgetest.Edit, Exchanges: []forgetest.Exchange{{Method: "PATCH", Path: pulls + "/7/threads/70/comments/1" + v, Body: `{"content":"changed"}`, Answer: `{}`}}},
		{Name: "status", Do: forgetest.Status(forge.Success, "https://run"), Exchanges: []forgetest.Exchange{{Method: "POST", Path: repository + "/commits/c0ffee/statuses" + v,
			Body: `{"state":"succeeded","description":"in words","targetUrl":"https://run","context":{"genre":"delivery","name":"test"}}`, Status: 201, Answer: `{}`}}},
	})
}

func TestRepositories(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"https://dev.azure.com/org/project/_git/r":          "https://dev.azure.com/org/project/_git/r",
		"https://org@dev.azure.com/org/project/_git/r":      "https://dev.azure.com/org/project/_git/r",
		"git@ssh.dev.azure.com:v3/org/project/r":            "https://dev.azure.com/org/project/_git/r",
		"https://org.visualstudio.com/project/_git/r":       "https://org.visualstudio.com/project/_git/r",
		"https://server/tfs/collection/project/_git/r":      "https://server/tfs/collection/project/_git/r",
		"https://dev.azure.com/project/_git/r":              "",
		"https://dev.azure.com/org/My%20Project/_git/r%20s": "https://dev.azure.com/org/My%20Project/_git/r%20s",
	} {
		repository, err := forge.ParseRepository(remote)
		if err != nil {
			t.Errorf("%s: %v", remote, err)
			continue
		}
		c, err := New(At(repository), forge.Credentials{}, nil)
		if (err != nil) != (want == "") || err == nil && c.page != want {
			t.Errorf("%s: %+v, %v, want %s", remote, c, err, want)
		}
	}
}
