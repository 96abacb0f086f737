package git

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Which refusals of a push mean that somebody else was faster, and what the
// others need. The texts are those of git and of the forges.
func TestRefusals(t *testing.T) {
	t.Parallel()
	const ref = "!\tabc:refs/heads/main\t"
	for _, tc := range []struct {
		name, stdout, stderr string
		race, refused        bool
		code                 int
		hint                 string
	}{
		{name: "somebody pushed", stdout: ref + "[rejected] (fetch first)", race: true, refused: true, code: 3},
		{name: "somebody pushed what we have", stdout: ref + "[rejected] (non-fast-forward)", race: true, refused: true, code: 3},
		{name: "a lease", stdout: ref + "[rejected] (stale info)", race: true, refused: true, code: 3},
		{name: "the same instant", stdout: ref + "[remote rejected] (cannot lock ref 'refs/heads/main': is at a but expected b)", race: true, refused: true, code: 3},
		{name: "the same instant at GitLab", stdout: ref + "[remote rejected] (incorrect old value provided)", race: true, refused: true, code: 3},
		{name: "the same instant, told apart", stdout: ref + "[remote rejected] (failed to update ref)", stderr: "error: cannot lock ref 'refs/heads/main': is at a but expected b", race: true, refused: true, code: 3},
		{name: "a branch where a directory is", stdout: ref + "[remote rejected] (cannot lock ref 'refs/heads/a/b': 'refs/heads/a' exists; cannot create 'refs/heads/a/b')", refused: true, code: 3},
		{name: "GitHub's protection", stdout: ref + "[remote rejected] (protected branch hook declined)", stderr: "remote: error: GH006: Protected branch update failed", refused: true, code: 1, hint: "the branch is protected"},
		{name: "GitHub's rules", stdout: ref + "[remote rejected] (push declined due to repository rule violations)", stderr: "remote: error: GH013: Repository rule violations found", refused: true, code: 1, hint: "the branch is protected"},
		{name: "GitHub's merge queue", stdout: ref + "[remote rejected] (protected branch hook declined)", stderr: "remote: error: GH006: Protected branch update failed. Changes must be made through a merge queue", refused: true, code: 1, hint: "merge queue"},
		{name: "GitLab's protection", stdout: ref + "[remote rejected] (pre-receive hook declined)", stderr: "remote: GitLab: You are not allowed to push code to protected branches on this project.", refused: true, code: 1, hint: "the branch is protected"},
		{name: "Azure's policy", stdout: ref + "[remote rejected] (TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch.)", refused: true, code: 1, hint: "the branch is protected"},
		{name: "words of a race in a hook's answer", stdout: ref + "[remote rejected] (pre-receive hook declined)", stderr: "remote: fetch first, then non-fast-forward", refused: true, code: 1, hint: "the server's own rules"},
		{name: "no rights", stderr: "fatal: unable to access 'https://h/': The requested URL returned error: 403", code: 3, hint: "not allowed to do that"},
		{name: "an unknown server", stderr: "Host key verification failed.", code: 3, hint: "known_hosts"},
		{name: "moved", stderr: "fatal: unable to update url base from redirection", code: 3, hint: "the repository has moved"},
		{name: "cut off", stderr: "error: RPC failed; curl 52 Empty reply from server", code: 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			failure := step.Infra(&Error{Command: "git push", ExitCode: 1, Stdout: tc.stdout, Stderr: tc.stderr, err: errors.New("exit status 1")})
			err := fmt.Errorf("pushing: %w", failure)
			if Race(err) != tc.race || Refused(err) != tc.refused {
				t.Errorf("race %v, refused %v", Race(err), Refused(err))
			}
			said := ExplainPush(err)
			if step.ExitCode(said) != tc.code || !strings.Contains(step.Hint(said), tc.hint) || (tc.hint == "") != (step.Hint(said) == "") {
				t.Errorf("exit code %d, hint %q: %v", step.ExitCode(said), step.Hint(said), said)
			}
		})
	}
	if other := errors.New("another"); Race(other) || Refused(other) || ExplainPush(other) != other {
		t.Error("an error that is not git's is taken for one")
	}
}
