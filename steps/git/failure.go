package git

import (
	"errors"
	"strings"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Race tells whether a push was refused because somebody else pushed first,
// so that the same change on top of theirs may go through. These are the four
// refusals that mean so, and a lease whose branch moved. Every other refusal
// (a protected branch, a hook, no permission) is final.
func Race(err error) bool {
	failure, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	for line := range strings.Lines(failure.Stdout) {
		// With --porcelain a refused ref is a line "!\tFROM:TO\t[rejected] (why)".
		if !strings.HasPrefix(line, "!") {
			continue
		}
		has := func(words string) bool { return strings.Contains(line, words) }
		switch {
		case has("[rejected] (non-fast-forward)"), // the client knows the new head
			has("[rejected] (fetch first)"),                                 // the client does not know it
			has("[rejected] (stale info)"),                                  // a lease
			has("[remote rejected]") && has("incorrect old value provided"), // GitLab, two pushes at the same instant
			has("[remote rejected]") && has("cannot lock ref"):
			return !nameTaken(line)
		case has("[remote rejected] (failed to update ref)"), has("[remote rejected] (atomic transaction failed)"):
			// Git's own server says why on standard error.
			return strings.Contains(failure.Stderr, "cannot lock ref") && !nameTaken(failure.Stderr)
		}
	}
	return false
}

// nameTaken tells the one lock that never comes free: a branch "a" where "a/b"
// is to be made, or the other way round.
func nameTaken(text string) bool { return strings.Contains(text, "exists; cannot create") }

// Refused tells whether the server looked at a push and said no.
func Refused(err error) bool {
	failure, ok := errors.AsType[*Error](err)
	return ok && strings.Contains(failure.Stdout+failure.Stderr, "rejected]")
}

// ExplainPush says what a push that did not go through needs. Refusals by the
// server's rules are failures of the promotion (exit code 1), the rest is the
// surroundings'.
func ExplainPush(err error) error {
	failure, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	text := failure.Stdout + failure.Stderr
	has := func(words ...string) bool {
		for _, word := range words {
			if strings.Contains(text, word) {
				return true
			}
		}
		return false
	}
	switch {
	case has("GH006") && has("merge queue"), has("must be made through a merge queue", "through the merge queue"):
		return step.WithHint(step.Failed(err), "the branch has a merge queue: promote with --strategy pull-request, and --auto-merge to queue it")
	case has("GH006", "GH013", "protected branch", "protected branches", "TF402455", "Changes must be made through a pull request", "Branch is protected"):
		return step.WithHint(step.Failed(err), "the branch is protected: promote with --strategy pull-request, or let the CI user push to it")
	case has("required signatures", "must have verified signatures", "Commits must have"):
		return step.WithHint(step.Failed(err), "the branch takes signed commits only: give a key with --signing-key")
	case has("hook declined"):
		return step.WithHint(step.Failed(err), "the server's own rules refuse the commit; pushing again will not help")
	}
	return ExplainRemote(err)
}

const refusedCredentials = "the forge refuses the credentials: the token may have expired or may not write to this repository"

// ExplainRemote adds what to try to the usual failures to reach a repository.
func ExplainRemote(err error) error {
	failure, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	if failure.withPassword && strings.Contains(failure.Stderr, "could not read ") {
		// Git asks for others when those that it has are refused.
		return step.WithHint(err, refusedCredentials)
	}
	for _, known := range []struct{ words, hint string }{
		{"could not read Username", "the repository wants credentials: bind the workspace basic-auth or ssh-directory, or give --token-file"},
		{"could not read Password", "the repository wants credentials: bind the workspace basic-auth or ssh-directory, or give --token-file"},
		{"Authentication failed", refusedCredentials},
		{"HTTP Basic: Access denied", refusedCredentials},
		{"returned error: 403", "the credentials are not allowed to do that: the token needs to write to the repository"},
		{"Permission denied (publickey", "the forge does not know the SSH key: add it as a deploy key that may write"},
		{"Host key verification failed", "put the host's keys into known_hosts of the workspace ssh-directory (ssh-keyscan HOST)"},
		{"unable to update url base from redirection", "the repository has moved: give its new URL; credentials do not follow a redirect"},
		{"returned error: 30", "the repository has moved: give its new URL; credentials do not follow a redirect"},
		{"certificate", "bind the workspace ssl-ca-directory with the certificate of the server's authority"},
		{"not found", "check the URL, and that the credentials may see the repository"},
	} {
		if strings.Contains(failure.Stderr, known.words) {
			return step.WithHint(err, known.hint)
		}
	}
	return err
}
