//go:build e2e

package gitops

import (
	"path/filepath"
	"strings"
	"testing"

	"code.gitea.io/sdk/gitea"
)

func (r *repository) open(t *testing.T) []*gitea.PullRequest {
	t.Helper()
	pulls, _, err := r.client.ListRepoPullRequests(organization, r.name, gitea.ListPullRequestsOptions{State: gitea.StateOpen})
	if err != nil {
		t.Fatal(err)
	}
	return pulls
}

func (r *repository) file(t *testing.T, ref, path string) string {
	t.Helper()
	data, _, err := r.client.GetFile(organization, r.name, ref, path)
	if err != nil {
		t.Fatalf("reading %s at %s: %v", path, ref, err)
	}
	return string(data)
}

// From the first push to staging to the production pull request that is
// merged, and back again.
func TestPromotion(t *testing.T) {
	r := newRepository(t)
	report := filepath.Join(t.TempDir(), "report.md")
	r.write(t, report, "All **42** checks passed.\n")
	production := func(version string) []string {
		return []string{"--environment=production", "--model=news", "--source=" + r.model(t, "news", version), "--strategy=pull-request", "--evidence=" + report,
			"--assignee=" + platform.Value("forge", "lead-user"), "--label=model", "--draft", "--phase=unit tests=Succeeded"}
	}

	first := r.must(t, "gitops-promote", "--environment=staging", "--model=news", "--source="+r.model(t, "news", "1"))
	if first.results["changed"] != "true" || !strings.Contains(r.file(t, "main", "staging/news/model.yaml"), `version: "1"  # of the model`) {
		t.Errorf("%+v", first)
	}
	if again := r.must(t, "gitops-promote", "--environment=staging", "--model=news", "--source="+r.model(t, "news", "1")); again.results["changed"] != "false" || again.results["commit"] != first.results["commit"] {
		t.Errorf("again: %+v", again)
	}

	opened := r.must(t, "gitops-promote", production("1")...)
	pulls := r.open(t)
	if len(pulls) != 1 || opened.results["pull-request-url"] != pulls[0].HTMLURL {
		t.Fatalf("%d pull requests, %+v", len(pulls), opened)
	}
	pull := pulls[0]
	if !strings.HasPrefix(pull.Title, "WIP: ") || len(pull.Labels) != 1 || len(pull.Assignees) != 1 {
		t.Errorf("title %q, labels %v, assignees %v", pull.Title, pull.Labels, pull.Assignees)
	}
	for _, want := range []string{"Promotes **news** to **production**", "All **42** checks passed.", "| unit tests | ✅ Succeeded | |", "+++ b/production/news/model.yaml"} {
		if !strings.Contains(pull.Body, want) {
			t.Errorf("the body lacks %q:\n%s", want, pull.Body)
		}
	}
	updated := r.must(t, "gitops-promote", production("2")...)
	if pulls = r.open(t); len(pulls) != 1 || pulls[0].Index != pull.Index || pulls[0].Head.Sha != updated.results["commit"] || !strings.Contains(pulls[0].Body, `version: "2"`) {
		t.Errorf("%d pull requests, %+v", len(pulls), updated)
	}
	if again := r.must(t, "gitops-promote", production("2")...); again.results["changed"] != "false" {
		t.Errorf("again: %+v", again)
	}

	// A person takes the draft for ready; then the forge merges it.
	title := strings.TrimPrefix(pull.Title, "WIP: ")
	if _, _, err := r.client.EditPullRequest(organization, r.name, pull.Index, gitea.EditPullRequestOption{Title: title}); err != nil {
		t.Fatal(err)
	}
	r.must(t, "gitops-promote", append(production("2"), "--auto-merge")...)
	merged, _, err := r.client.GetPullRequest(organization, r.name, pull.Index)
	if err != nil || !merged.HasMerged {
		t.Fatalf("the pull request is %+v, %v", merged, err)
	}
	if done := r.must(t, "gitops-promote", production("2")...); done.results["changed"] != "false" || len(r.open(t)) != 0 {
		t.Errorf("after the merge: %+v", done)
	}

	// The commit's status, and one comment that is changed.
	comment := filepath.Join(t.TempDir(), "comment.md")
	for _, text := range []string{"first words", "last words"} {
		r.write(t, comment, text)
		r.must(t, "forge-report", "--commit="+*merged.MergedCommitID, "--state=Failed", "--context=e2e", "--pull-request=auto", "--comment-file="+comment)
	}
	comments, _, err := r.client.ListIssueComments(organization, r.name, pull.Index, gitea.ListIssueCommentOptions{})
	if err != nil || len(comments) != 1 || !strings.HasSuffix(strings.TrimSpace(comments[0].Body), "last words") {
		t.Errorf("comments %+v, %v", comments, err)
	}
	statuses, _, err := r.client.ListStatuses(organization, r.name, *merged.MergedCommitID, gitea.ListStatusesOption{})
	if err != nil || len(statuses) == 0 || statuses[0].State != gitea.StatusFailure {
		t.Errorf("statuses %+v, %v", statuses, err)
	}

	// Back: the directory goes, since it was the first promotion.
	reverted := r.must(t, "gitops-revert", "--environment=production", "--model=news", "--commit="+*merged.MergedCommitID, "--auto-merge", "--strategy=pull-request")
	if reverted.results["changed"] != "true" {
		t.Errorf("%+v", reverted)
	}
	if _, response, err := r.client.GetFile(organization, r.name, "main", "production/news/model.yaml"); err == nil || response == nil || response.StatusCode != 404 {
		t.Errorf("the promotion is still there: %v", err)
	}
}

func TestAHumansCommit(t *testing.T) {
	r := newRepository(t)
	args := []string{"--environment=production", "--model=news", "--strategy=pull-request"}
	o := r.must(t, "gitops-promote", append(args, "--source="+r.model(t, "news", "1"))...)
	_, _, err := r.client.CreateFile(organization, r.name, "production/news/extra.yaml", gitea.CreateFileOptions{
		FileOptions: gitea.FileOptions{Message: "By hand", BranchName: o.results["branch"]}, Content: "YTogMQo=",
	})
	if err != nil {
		t.Fatal(err)
	}
	head := r.open(t)[0].Head.Sha
	if o := r.run(t.Context(), t, "gitops-promote", append(args, "--source="+r.model(t, "news", "2"))...); o.code != 1 || !strings.Contains(o.stderr, "By hand") {
		t.Errorf("exit code %d:\n%s", o.code, o.stderr)
	}
	if now := r.open(t)[0].Head.Sha; now != head {
		t.Errorf("the branch moved from %s to %s", head, now)
	}
}

func TestAProtectedBranch(t *testing.T) {
	r := newRepository(t)
	if _, _, err := r.client.CreateBranchProtection(organization, r.name, gitea.CreateBranchProtectionOption{BranchName: "main", RuleName: "main", RequiredApprovals: 1}); err != nil {
		t.Fatal(err)
	}
	o := r.run(t.Context(), t, "gitops-promote", "--environment=staging", "--model=news", "--source="+r.model(t, "news", "1"))
	if o.code != 1 || !strings.Contains(o.stderr, "hint: the branch is protected") {
		t.Errorf("exit code %d:\n%s", o.code, o.stderr)
	}
	// The pull request is opened, and waits for its review.
	o = r.must(t, "gitops-promote", "--environment=production", "--model=news", "--source="+r.model(t, "news", "1"), "--strategy=pull-request", "--auto-merge")
	if len(r.open(t)) != 1 || !strings.Contains(o.stderr, "as soon as its conditions are met") {
		t.Errorf("%d open:\n%s", len(r.open(t)), o.stderr)
	}
}

func TestRefusedCredentials(t *testing.T) {
	r := newRepository(t)
	r.token = "0123456789abcdef0123456789abcdef01234567"
	r.write(t, filepath.Join(r.auth, "password"), r.token)
	for _, strategy := range []string{"push", "pull-request"} {
		o := r.run(t.Context(), t, "gitops-promote", "--environment=staging", "--model=news", "--source="+r.model(t, "news", "1"), "--strategy="+strategy)
		if o.code != 3 || !strings.Contains(o.stderr, "hint: the forge refuses the credentials") {
			t.Errorf("%s: exit code %d:\n%s", strategy, o.code, o.stderr)
		}
	}
}
