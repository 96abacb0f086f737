package gitops_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/forge"
	"github.com/model-delivery/model-delivery/steps/git/gittest"
	"github.com/model-delivery/model-delivery/steps/gitops"
	"github.com/model-delivery/model-delivery/steps/step"
)

// The branch is pushed, the pull request cannot be opened, the run is
// repeated: it must converge, not say that there is nothing to do.
func TestPullRequestConverges(t *testing.T) {
	t.Parallel()
	bare := environments(t)
	f := &memoryForge{fail: func(call string) error {
		if call == "create" {
			return errors.New("500")
		}
		return nil
	}}
	if _, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestA, f)); err == nil {
		t.Fatal("no error although the forge failed")
	}
	f.fail = nil
	first, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestA, f))
	if err != nil || !first.Changed || first.PullRequest == nil {
		t.Fatalf("after the failure: %+v, %v", first, err)
	}
	second, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestA, f))
	if err != nil || second.Changed || second.Commit != first.Commit || len(f.pulls) != 1 {
		t.Fatalf("again: %+v, %v, %d pull requests", second, err, len(f.pulls))
	}
	third, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestB, f))
	if err != nil || !third.Changed || third.Commit == first.Commit || len(f.pulls) != 1 || !strings.Contains(f.pulls[0].Body, digestB) {
		t.Fatalf("another image: %+v, %v, %d pull requests", third, err, len(f.pulls))
	}
	gittest.Run(t, bare, "git", "update-ref", "refs/heads/main", third.Commit) // merged
	f.pulls[0].Open = true                                                     // the forge is late to notice
	fourth, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestB, f))
	if err != nil || fourth.Changed || f.pulls[0].Open || len(f.said) != 1 {
		t.Fatalf("nothing left: %+v, %v, %+v", fourth, err, f.pulls)
	}
	if left := gittest.Run(t, bare, "git", "branch", "--list", "promote/*"); left != "" {
		t.Errorf("branches are left: %s", left)
	}
}

// An error when listing is not "none there", and a closed one is not an open one.
func TestPullRequestsAreLookedAt(t *testing.T) {
	t.Parallel()
	bare := environments(t)
	f := &memoryForge{fail: func(call string) error {
		if call == "list" {
			return errors.New("502")
		}
		return nil
	}}
	if outcome, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestA, f)); err == nil || len(f.pulls) != 0 {
		t.Fatalf("%+v although the list could not be read", outcome)
	}
	f.fail = nil
	f.pulls = []forge.PullRequest{{Number: 1, Head: "promote/production/news", Base: "main"}}
	outcome, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestA, f))
	if err != nil || outcome.PullRequest.Number != 2 {
		t.Fatalf("%+v, %v: a new pull request is wanted", outcome, err)
	}
	// Two open ones become one, with a word.
	f.pulls = append(f.pulls, forge.PullRequest{Number: 3, Head: "promote/production/news", Base: "main", Open: true})
	if _, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestA, f)); err != nil || fmt.Sprint(f.open()) != "[2]" || f.said[0] != "Superseded by #2." {
		t.Errorf("open: %v, said %q, %v", f.open(), f.said, err)
	}
}

func TestPullRequestIsDecorated(t *testing.T) {
	t.Parallel()
	bare := environments(t)
	f := &memoryForge{}
	p := viaPullRequest(t, bare, digestA, f)
	p.Request = forge.PullRequestSpec{Assignees: []string{"ann"}, Reviewers: []string{"bob"}, Labels: []string{"model"}, Draft: true}
	p.AutoMerge = true
	outcome, err := gitops.Promote(t.Context(), p)
	if err != nil || len(f.decorated) != 1 || f.decorated[0].Assignees[0] != "ann" || !f.pulls[0].Draft {
		t.Fatalf("%+v, %v: %+v", outcome, err, f)
	}
	if len(f.merging) != 1 || f.merging[0].HeadCommit != outcome.Commit {
		t.Errorf("merging %+v, want head %s", f.merging, outcome.Commit)
	}
	// A person says that it is ready: it does not become a draft again.
	f.pulls[0].Draft = false
	p = viaPullRequest(t, bare, digestB, f)
	p.Request.Draft = true
	if _, err := gitops.Promote(t.Context(), p); err != nil || f.pulls[0].Draft {
		t.Errorf("%+v, %v", f.pulls[0], err)
	}
	// A label that cannot be had stops no release.
	f.fail = func(call string) error {
		if call == "decorate" {
			return forge.Explain("labelling", 422, errors.New("no such label"))
		}
		return nil
	}
	if _, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestB, f)); err != nil {
		t.Error(err)
	}
}

func TestAHumansCommitIsNotOverwritten(t *testing.T) {
	t.Parallel()
	bare := environments(t)
	f := &memoryForge{}
	if _, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestA, f)); err != nil {
		t.Fatal(err)
	}
	const branch = "promote/production/news"
	human := gittest.Commit(t, bare, branch, "One more thing", map[string]string{"production/news/extra.txt": "by hand\n"})
	_, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestB, f))
	if step.ExitCode(err) != step.ExitFailed || !strings.Contains(fmt.Sprint(err), "no promotion made") {
		t.Errorf("error %v", err)
	}
	if got := gittest.Run(t, bare, "git", "rev-parse", branch); got != human {
		t.Errorf("the branch is at %s, not at the human's %s", got, human)
	}
	// Nor is one that a person amended, trailers and all.
	work := gittest.Clone(t, bare, branch)
	gittest.Run(t, work, "git", "reset", "--quiet", "--hard", "HEAD^")
	gittest.Write(t, filepath.Join(work, "production/news/extra.txt"), "amended\n")
	gittest.Run(t, work, "git", "add", "-A")
	gittest.Run(t, work, "git", "commit", "--quiet", "--amend", "--no-edit")
	gittest.Run(t, work, "git", "push", "--quiet", "--force", "origin", "HEAD:"+branch)
	if _, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestB, f)); step.ExitCode(err) != step.ExitFailed {
		t.Errorf("amended: error %v", err)
	}
}

// A cut at any point is repaired by the next run.
func TestCutsAreRepaired(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"push", "create", "decorate", "auto-merge", "update"} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			bare := environments(t)
			f := &memoryForge{}
			digest := digestA
			if point == "update" {
				if _, err := gitops.Promote(t.Context(), viaPullRequest(t, bare, digestA, f)); err != nil {
					t.Fatal(err)
				}
				digest = digestB
			}
			p := viaPullRequest(t, bare, digest, f)
			p.AutoMerge = true
			p.Before = func(name string) error {
				if name == point {
					return errors.New("cut")
				}
				return nil
			}
			if _, err := gitops.Promote(t.Context(), p); err == nil {
				t.Fatalf("the promotion never came to %s", point)
			}
			p.Before = nil
			outcome, err := gitops.Promote(t.Context(), p)
			if err != nil || len(f.open()) != 1 || len(f.merging) == 0 {
				t.Fatalf("%+v, %v, open %v", outcome, err, f.open())
			}
			head := gittest.Run(t, bare, "git", "rev-parse", "promote/production/news")
			if head != outcome.Commit || !strings.Contains(f.pulls[0].Body, digest) {
				t.Errorf("branch at %s, outcome %+v, body:\n%s", head, outcome, f.pulls[0].Body)
			}
			again, err := gitops.Promote(t.Context(), p)
			if err != nil || again.Changed || again.Commit != outcome.Commit {
				t.Errorf("once more: %+v, %v", again, err)
			}
		})
	}
}
