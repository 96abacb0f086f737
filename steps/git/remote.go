package git

import (
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/model-delivery/model-delivery/steps/step"
)

var (
	scpLike   = regexp.MustCompile(`^([A-Za-z0-9._-]+@)?[A-Za-z0-9._-]+:[^:]`)
	commitSHA = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)
)

// CheckRemote says what is wrong with a repository's URL: nothing that git
// would take for an option, no credential in it, only known transports.
func CheckRemote(remote string, allowFile bool) error {
	switch {
	case remote == "":
		return step.Invalidf("no repository is given")
	case strings.HasPrefix(remote, "-") || strings.ContainsAny(remote, "\x00\n\r"):
		return step.Invalidf("%q is not the URL of a repository", remote)
	}
	u, err := url.Parse(remote)
	if err == nil && u.Scheme != "" && u.Host+u.Path != "" && !(scpLike.MatchString(remote) && !strings.Contains(remote, "://")) {
		if _, set := u.User.Password(); set {
			return step.WithHint(step.Invalid(errors.New("the repository's URL has a password in it")), "give it by a workspace or a token file: a URL ends up in logs")
		}
		switch u.Scheme {
		case "https", "http", "ssh":
			return nil
		case "file":
			if allowFile {
				return nil
			}
		}
		return step.WithHint(step.Invalidf("repositories are not fetched by %s", u.Scheme), "use https or ssh")
	}
	if scpLike.MatchString(remote) || allowFile && strings.HasPrefix(remote, "/") {
		return nil
	}
	return step.WithHint(step.Invalidf("%q is not the URL of a repository", remote), "https://HOST/OWNER/NAME.git or git@HOST:OWNER/NAME.git")
}

// CheckRef says what is wrong with a branch, tag or commit given from outside.
func CheckRef(ref string) error {
	if ref == "" || strings.HasPrefix(ref, "-") || strings.ContainsAny(ref, " \t\r\n\x00~^:?*[\\") || strings.Contains(ref, "..") ||
		strings.Contains(ref, "@{") || strings.HasSuffix(ref, "/") || strings.HasSuffix(ref, ".lock") {
		return step.Invalidf("%q is not the name of a branch, a tag or a commit", ref)
	}
	return nil
}

// IsCommit tells whether text is a full commit hash.
func IsCommit(text string) bool { return commitSHA.MatchString(text) }

// Race tells whether a push was refused because somebody else pushed first,
// so that the same change on top of theirs may go through. Every other
// refusal (a protected branch, a hook, no permission) is final.
func Race(err error) bool {
	failure, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	for _, phrase := range []string{"non-fast-forward", "fetch first", "cannot lock ref", "incorrect old value provided", "failed to update ref", "stale info"} {
		if strings.Contains(failure.Stderr, phrase) && strings.Contains(failure.Stderr, "rejected]") {
			return true
		}
	}
	return false
}
